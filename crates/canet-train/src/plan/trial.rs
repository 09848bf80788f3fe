//! The trial of a plan: one frame, a validation frame and whole steps, with what they take.

use std::sync::Arc;
use std::time::Instant;

use canet_data::dataset::Dataset;
use canet_data::loader::{Batch, Loader, LoaderOptions};
use canet_model::{BackboneStage, ModelConfig, Segmenter};

use super::advice::{Footprint, Recomputed};
use super::full::Tried;
use super::gauge::{Gauges, Held};
use super::{MIB, TimePlan, bytes, state_bytes, weight_bytes};
use crate::job::Job;
use crate::setup::Parts;
use crate::step::Stepper;
use crate::{Result, memory};

/// Steps that a GPU tries at least, where an epoch has them, and how many of them are not typical: in the
/// first, algorithms are looked for, and with the third, the pass is recorded that the others replay.
const ON_GPU: (u64, usize) = (6, 3);

/// What was seen of a few steps.
pub(super) struct Trial {
    /// Of this process, where the system tells.
    pub(super) host: Option<Footprint>,
    /// Of the GPU.
    pub(super) gpu: Option<Footprint>,
    /// The most that tensors on the GPU took in whole steps, in MiB.
    pub(super) tensors: f64,
    /// Seconds of each step.
    pub(super) steps: Vec<f64>,
    /// Seconds of a validation frame.
    frame: f64,
}

impl Trial {
    /// One frame, then a validation frame, and then whole steps if there is `room` for them.
    pub(super) fn run(
        job: &Job,
        parts: &mut Parts,
        gauges: &mut Gauges,
        steps: u64,
        room: Option<u64>,
    ) -> Result<Self> {
        let (config, batch) = (&job.config, job.config.data.batch);
        let begun = gauges.gpu.as_ref().map(|taken| taken.start);
        let full = |tried: Tried, error| tried.full(error, begun, config);
        let start = gauges.now()?;
        let recomputed = recomputed_frame(job, parts)?;
        let seconds = one_frame(job, parts).map_err(|error| full(Tried::Frame, error))?;
        let one = gauges.most()?;
        let validated = validate(parts, gauges);
        let (frame, validation) = validated.map_err(|error| full(Tried::Validation, error))?;
        let (mut host, mut gpu) = footprints([start, one, validation], &parts.stepper, batch);
        if let (Some(host), Some((peak, longer)), Some(one)) = (&mut host, recomputed, one.host) {
            let saved = one - peak as f64;
            host.recomputed =
                (saved > 0.0).then_some(Recomputed { saved, longer: longer / seconds - 1.0 });
        }
        let steps = match (&host, room) {
            // A full GPU is an error, but a full machine ends the process.
            (Some(host), Some(room)) if gpu.is_none() && host.peak_mib() > room => 0,
            _ if gpu.is_some() => steps.max(ON_GPU.0).min(parts.steps_per_epoch),
            _ => steps.min(parts.steps_per_epoch),
        };
        gauges.forget_tensors();
        let seconds = whole_steps(job, parts, gauges, steps);
        let seconds = seconds.map_err(|error| full(Tried::Step(gpu.as_ref()), error))?;
        let stepped = gauges.most()?;
        let tensors = gauges.gpu.as_ref().map_or(0.0, |taken| taken.tensors);
        if let (Some(host), Some(peak), true) = (&mut host, stepped.host, steps > 0) {
            host.measured(batch, peak);
        }
        if let (Some(gpu), Some(peak), true) = (&mut gpu, stepped.gpu, steps > 0) {
            gpu.measured(batch, peak);
            // A recorded pass keeps its memory while the run validates.
            let again = validate(parts, gauges);
            let (_, both) = again.map_err(|error| full(Tried::Validation, error))?;
            gpu.beside(both.gpu.unwrap_or(peak) - peak);
        }
        Ok(Self { host, gpu, tensors, steps: seconds, frame })
    }

    /// The first step prepares buffers and is not typical, nor are the first three on a GPU: they count only if there are no
    /// others.
    pub(super) fn time(&self, job: &Job, parts: &Parts) -> Option<TimePlan> {
        let step = typical(&self.steps, if self.gpu.is_some() { ON_GPU.1 } else { 1 });
        let config = &job.config;
        let epoch = step * parts.steps_per_epoch as f64;
        // The average of the weights is scored, too.
        let networks = if parts.stepper.average.is_some() { 2.0 } else { 1.0 };
        let validation = networks * self.frame * parts.val.len() as f64;
        let validations = config.epochs.div_ceil(config.validate_every);
        let run = epoch * f64::from(config.epochs) + validation * f64::from(validations);
        let steps_per_epoch = parts.steps_per_epoch;
        (!self.steps.is_empty()).then_some(TimePlan {
            step,
            steps_per_epoch,
            epoch,
            validation,
            run,
        })
    }
}

/// The mean of the steps after the first `others`, or the last if there are no more.
fn typical(seconds: &[f64], others: usize) -> f64 {
    let typical = &seconds[others.min(seconds.len().saturating_sub(1))..];
    typical.iter().sum::<f64>() / typical.len() as f64
}

/// Of this process and of the GPU, from what was held at the start, in a step on one frame, and with a
/// validation frame after it.
fn footprints(
    points: [Held; 3],
    stepper: &Stepper,
    batch: usize,
) -> (Option<Footprint>, Option<Footprint>) {
    let weights = weight_bytes(&stepper.params) / MIB;
    let grown = bytes(&stepper.optimizer.tensors()) / MIB;
    let state = state_bytes(stepper) / MIB;
    // A second pass adds to the gradients of the first.
    let sums = if stepper.config.optimizer.accumulate > 1 { weights } else { 0.0 };
    let all = |points: [Option<f64>; 3]| match points {
        [Some(start), Some(one), Some(validation)] => Some([start, one, validation]),
        _ => None,
    };
    // Where a GPU has the tensors, the process gathers them for checkpoints alone.
    let (on_host, on_gpu) = if stepper.network.device().is_cpu() {
        ([grown, state, weights, sums], [0.0; 4])
    } else {
        ([0.0, state, 0.0, 0.0], [grown, 0.0, weights, sums])
    };
    let host = all(points.map(|held| held.host));
    let gpu = all(points.map(|held| held.gpu));
    (
        host.map(|points| Footprint::of_one_frame(points, on_host, batch)),
        gpu.map(|points| Footprint::of_one_frame(points, on_gpu, batch)),
    )
}

fn loader(job: &Job, parts: &Parts, batch: usize) -> Loader {
    let (train, augmenter) = (Arc::clone(&parts.train), parts.augmenter.clone());
    let (seed, threads) = (job.config.seed, job.threads);
    let options = LoaderOptions { batch, seed, epoch: 0, first_batch: 0, threads, prefetch: 2 };
    Loader::new(train, augmenter, options)
}

/// A step on a batch of one frame, and the seconds that it takes.
fn one_frame(job: &Job, parts: &mut Parts) -> Result<f64> {
    let group = loader(job, parts, 1).take(1).collect::<std::result::Result<Vec<Batch>, _>>()?;
    let start = Instant::now();
    parts.stepper.step(0, group, &parts.train)?;
    Ok(start.elapsed().as_secs_f64())
}

/// The most memory in MiB, and the seconds of a step on one frame with all of the backbone recomputed;
/// `None` where that is nothing new. It comes first, as the system tells only the most of all so far;
/// and twice, for the first step has no optimiser's state yet.
fn recomputed_frame(job: &Job, parts: &mut Parts) -> Result<Option<(u64, f64)>> {
    let all = BackboneStage::ALL.len() == job.config.recompute.stages().len();
    if all || !matches!(job.config.model, ModelConfig::Canet(_)) || !job.device.is_cpu() {
        return Ok(None);
    }
    let network = parts.stepper.network.clone();
    parts.stepper.network = network.clone().with_recompute(&BackboneStage::ALL)?;
    one_frame(job, parts)?;
    let seconds = one_frame(job, parts)?;
    parts.stepper.network = network;
    Ok(memory::peak_mib().map(|peak| (peak, seconds)))
}

/// Whole steps, as the run will make them; returns the seconds of each.
fn whole_steps(job: &Job, parts: &mut Parts, gauges: &mut Gauges, steps: u64) -> Result<Vec<f64>> {
    let mut batches = loader(job, parts, job.config.data.batch);
    let mut seconds = Vec::new();
    for number in 0..steps {
        let start = Instant::now();
        let group = batches.by_ref().take(job.config.optimizer.accumulate);
        let group: Vec<Batch> = group.collect::<std::result::Result<_, _>>()?;
        parts.stepper.begin(number + 1, group, &parts.train)?;
        // To look is to wait for the GPU, which a run does not; once a pass is recorded nothing is given back.
        let looks = number < ON_GPU.1 as u64 || number + 1 == steps;
        while looks && parts.stepper.settle(&parts.train)?.is_some() {}
        seconds.push(start.elapsed().as_secs_f64());
        if looks {
            gauges.most()?;
        }
    }
    Ok(seconds)
}

/// Predicts the largest validation frame; the seconds that it takes when it is not among the first, and the most that
/// was held until then. (A GPU records the second prediction, gives back what the first took, and replays the others.)
fn validate(parts: &Parts, gauges: &mut Gauges) -> Result<(f64, Held)> {
    let network = parts.stepper.network.clone();
    let segmenter = Segmenter::from_parts(network, parts.meta.clone())?;
    let largest = largest(&parts.val);
    let firsts = if gauges.gpu.is_some() { 2 } else { 1 };
    let mut predict = || -> Result<(f64, Held)> {
        let start = Instant::now();
        let frame = parts.val.read(largest)?;
        segmenter.segment(&frame.image)?;
        let seconds = start.elapsed().as_secs_f64();
        Ok((seconds, gauges.most()?))
    };
    for _ in 0..firsts {
        predict()?;
    }
    predict()
}

/// The first of the frames with the most pixels.
fn largest(dataset: &Dataset) -> usize {
    let pixels = |index: &usize| {
        let entry = dataset.entry(*index);
        u64::from(entry.width) * u64::from(entry.height)
    };
    (0..dataset.len()).rev().max_by_key(pixels).unwrap_or(0)
}

impl Parts<'_> {
    /// Width and height of the largest training frame.
    pub(super) fn largest_frame(&self) -> (u32, u32) {
        let entry = self.train.entry(largest(&self.train));
        (entry.width, entry.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_steps_count_only_if_there_are_no_others() {
        let seconds = [9.0, 4.0, 7.0, 1.0, 3.0];
        for (len, others, expected) in [
            (1, 1, 9.0),
            (2, 1, 4.0),
            (3, 1, 5.5),
            (1, 3, 9.0),
            (2, 3, 4.0),
            (3, 3, 7.0),
            (5, 3, 2.0),
        ] {
            assert_eq!((typical(&seconds[..len], others),), (expected,), "{len} {others}");
        }
    }
}
