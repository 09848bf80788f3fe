//! A refused step changes nothing.

use std::sync::Arc;

use canet_data::augment::Augmenter;
use canet_data::loader::{Loader, LoaderOptions};
use canet_data::sample::SampleOptions;
use canet_model::{Arithmetic, weight_hash};

use super::*;
use crate::job::Job;
use crate::setup::{Setup, open};

/// A run on 12 small drawn frames, 4 steps an epoch, in a folder of its own.
pub(crate) fn job(dir: &std::path::Path) -> Job {
    let options = SampleOptions { width: 96, height: 64, drives: 4, frames_per_drive: 3, seed: 1 };
    let data = dir.join("data/sample");
    if !data.exists() {
        crate::first_data::make_sample(&data, &options).unwrap();
    }
    let overrides = ["epochs=3", "data.batch=2", "data.augment.crop=[64, 48]"].map(String::from);
    Job {
        config: Config::default().with(&overrides).unwrap(),
        data,
        out: dir.join("run"),
        resume: false,
        allow: Vec::new(),
        device: Device::Cpu,
        arithmetic: Arithmetic::F32,
        threads: 2,
    }
}

/// The first `count` batches of a run.
fn batches(augmenter: &Augmenter, train: &Arc<Dataset>, count: usize) -> Vec<Batch> {
    let of_epoch = |epoch| {
        let options =
            LoaderOptions { batch: 2, seed: 0, epoch, first_batch: 0, threads: 1, prefetch: 1 };
        Loader::new(Arc::clone(train), augmenter.clone(), options)
    };
    (0..).flat_map(of_epoch).take(count).map(Result::unwrap).collect()
}

/// All that a step may change, by name and by every bit.
fn state(stepper: &Stepper) -> String {
    let mut tensors = stepper.params.tensors();
    tensors.extend(stepper.optimizer.tensors());
    weight_hash(&tensors).unwrap()
}

#[test]
fn nan_at_step_7_leaves_the_state_of_step_6() {
    let dir = tempfile::tempdir().unwrap();
    refuses_a_step(job(dir.path()), |stepper, bad| {
        let sound = stepper.normalisation;
        stepper.normalisation.mean[1] = bad;
        Box::new(move |stepper| stepper.normalisation = sound)
    });
}

/// Convolutions are to be the same from run to run, as the test compares bits.
#[cfg(feature = "cuda")]
fn on_gpu(job: Job) -> Job {
    canet_ops::cuda::set_deterministic(true);
    Job {
        device: canet_model::parse_device("cuda:0").unwrap(),
        arithmetic: Arithmetic::Bf16,
        ..job
    }
}

#[cfg(feature = "cuda")]
#[test]
#[ignore = "needs an NVIDIA GPU"]
fn nan_at_step_7_leaves_the_state_of_step_6_on_a_gpu() {
    let dir = tempfile::tempdir().unwrap();
    // The recorded pass has the normalisation that it was recorded with, but reads the weights where they are.
    refuses_a_step(on_gpu(job(dir.path())), |stepper, bad| {
        let var = stepper.params.trainable().next().unwrap().var.clone();
        let sound = var.as_tensor().copy().unwrap();
        var.set(&Tensor::full(bad, var.shape(), var.device()).unwrap()).unwrap();
        Box::new(move |_| var.set(&sound).unwrap())
    });
}

/// Steps that are queued behind each other end as steps that are awaited one by one.
#[cfg(feature = "cuda")]
#[test]
#[ignore = "needs an NVIDIA GPU"]
fn steps_ahead_end_as_steps_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = on_gpu(job(dir.path()));
    let mut ends = Vec::new();
    for ahead in [false, true] {
        job.out = dir.path().join(format!("run-{ahead}"));
        let Setup { mut stepper, train, augmenter, .. } = open(&job).unwrap();
        let mut ended = Vec::new();
        for (number, batch) in (0..).zip(batches(&augmenter, &train, 9)) {
            ended.extend(stepper.begin(number, vec![batch], &train).unwrap());
            if !ahead {
                ended.extend(stepper.settle(&train).unwrap());
            }
        }
        ended.extend(stepper.settle(&train).unwrap());
        let told = |step: &Step| match step {
            Step::Done(report) => report.loss.to_bits(),
            Step::Refused(refused) => panic!("{refused:?}"),
        };
        ends.push((ended.iter().map(told).collect::<Vec<_>>(), state(&stepper)));
    }
    assert_eq!(ends[0].0.len(), 9);
    assert_eq!(ends[0], ends[1]);
}

/// Spoils a stepper with a number; what comes back mends it.
type Spoil = fn(&mut Stepper, f32) -> Box<dyn FnOnce(&mut Stepper)>;

fn refuses_a_step(mut job: Job, spoil: Spoil) {
    let dir = job.out.parent().unwrap().to_owned();
    let mut ends = Vec::new();
    for poisoned in [false, true] {
        job.out = dir.join(format!("run-{poisoned}"));
        let Setup { mut stepper, train, augmenter, .. } = open(&job).unwrap();
        let batches = batches(&augmenter, &train, 8);
        let step = |stepper: &mut Stepper, number: usize| {
            stepper.step(number as u64, batches[number..=number].to_vec(), &train).unwrap()
        };
        for number in 0..6 {
            assert!(matches!(step(&mut stepper, number), Step::Done(_)));
        }
        if poisoned {
            let sound = state(&stepper);
            for bad in [f32::NAN, f32::INFINITY] {
                let mend = spoil(&mut stepper, bad);
                let before = state(&stepper);
                let Step::Refused(refused) = step(&mut stepper, 6) else { panic!("not refused") };
                assert_eq!(refused.step, 7);
                assert_eq!(state(&stepper), before, "with {bad}");
                mend(&mut stepper);
                assert_eq!(state(&stepper), sound);
                let note = serde_json::to_value(&refused).unwrap();
                assert_eq!(note["batches"][0]["loss"], "NaN");
                let frame = &note["batches"][0]["frames"][1];
                assert!(frame["image"].as_str().unwrap().starts_with("images/train/"), "{note}");
                let pixels: u64 = frame["classes"]
                    .as_object()
                    .unwrap()
                    .values()
                    .map(|n| n.as_u64().unwrap())
                    .sum();
                let void = frame["void"].as_f64().unwrap() * 64.0 * 48.0;
                assert!((pixels as f64 + void - 64.0 * 48.0).abs() < 1e-6, "{note}");
            }
        }
        for number in 6..8 {
            assert!(matches!(step(&mut stepper, number), Step::Done(_)));
        }
        ends.push(state(&stepper));
    }
    assert_eq!(ends[0], ends[1], "the run goes on as if nothing had been");
}
