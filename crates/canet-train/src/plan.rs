//! What a run would need, found by trying a few of its steps. Nothing is written.
//!
//! Memory is measured: this process does what the run will do, with the same loader, batches and
//! network, and the system tells the most it has held. One frame is tried first: if what that
//! predicts for the whole batch is not there, the batch is not tried, for a plan must not be killed.
//! CANet is also tried with its backbone recomputed, so that the advice to do so has figures.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use canet_data::dataset::Dataset;
use canet_data::loader::{Batch, Loader, LoaderOptions};
use canet_model::{BackboneStage, ModelConfig, Params, Segmenter, Tensor};
use serde::Serialize;

use self::advice::{Advice, Footprint, Recomputed};
use crate::job::Job;
use crate::setup::{self, Parts};
use crate::step::Stepper;
use crate::{Result, memory};

mod advice;
mod room;
mod text;

/// Added to what was measured: a longer run meets frames and an order of buffers that a few steps
/// have not met.
const MARGIN: f64 = 0.1;
const MIB: f64 = (1 << 20) as f64;

/// What a run would need.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The prepared folder.
    pub data: PathBuf,
    /// The run's folder, which is not made.
    pub out: PathBuf,
    /// Optimiser steps that were tried; 0 if the memory for one is not there.
    pub tried_steps: u64,
    /// Memory; `None` on devices that do not tell, and where the system does not.
    pub memory: Option<MemoryPlan>,
    /// Time; `None` if no step was tried.
    pub time: Option<TimePlan>,
    /// Room for checkpoints.
    pub disk: DiskPlan,
    /// What to lower, if it will not fit.
    pub advice: Vec<Advice>,
}

/// The most memory that the process will hold, in MiB, by what it does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemoryPlan {
    /// The most of the following, and a margin.
    pub peak_mib: u64,
    /// In training: measured, or predicted from one frame if `tried_steps` is 0.
    pub training_mib: u64,
    /// In validation, at most.
    pub validation_mib: u64,
    /// While a checkpoint is written, which is laid out in memory first.
    pub saving_mib: u64,
    /// What the machine has for it; `None` where it does not tell.
    pub available_mib: Option<u64>,
}

/// How long it will take, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimePlan {
    /// An optimiser step.
    pub step: f64,
    /// Optimiser steps in an epoch.
    pub steps_per_epoch: u64,
    /// The training of an epoch.
    pub epoch: f64,
    /// A validation.
    pub validation: f64,
    /// All epochs and validations.
    pub run: f64,
}

/// Bytes for checkpoints. (Curves and pictures come on top, some MiB an epoch.)
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiskPlan {
    /// A checkpoint to resume from: weights and the optimiser's state.
    pub resumable_bytes: u64,
    /// The best checkpoint: weights alone.
    pub best_bytes: u64,
    /// All that is there at one time: the last, the previous and the best, and the one being written.
    pub peak_bytes: u64,
    /// What is free where the run's folder will be; `None` where the system does not tell.
    pub free_bytes: Option<u64>,
}

impl Plan {
    /// Whether memory and disk suffice. What is not known is taken to.
    pub fn fits(&self) -> bool {
        let memory = self.memory.as_ref().is_none_or(MemoryPlan::fits);
        memory && self.disk.fits()
    }
}

impl MemoryPlan {
    fn fits(&self) -> bool {
        self.available_mib.is_none_or(|available| self.peak_mib <= available)
    }
}

impl DiskPlan {
    fn fits(&self) -> bool {
        self.free_bytes.is_none_or(|free| self.peak_bytes <= free)
    }
}

/// Tries `steps` steps of `job` and a validation frame. `available_mib` is the memory to plan for, if
/// it is not this machine's.
pub fn plan(job: &Job, steps: u64, available_mib: Option<u64>) -> Result<Plan> {
    let room = room::memory_mib();
    let mut parts = setup::parts(job)?;
    let trial = Trial::run(job, &mut parts, steps, room)?;
    let footprint = trial.memory.as_ref().filter(|_| job.device.is_cpu());
    let disk = disk(job, &parts.stepper);
    let memory = footprint.map(|footprint| MemoryPlan {
        peak_mib: footprint.peak_mib(),
        training_mib: footprint.training_mib(job.config.data.batch).ceil() as u64,
        validation_mib: footprint.validation.ceil() as u64,
        saving_mib: footprint.saving.ceil() as u64,
        available_mib: available_mib.or(room),
    });
    let mut plan = Plan {
        data: job.data.clone(),
        out: job.out.clone(),
        tried_steps: trial.steps.len() as u64,
        memory,
        time: trial.time(job, &parts),
        disk,
        advice: Vec::new(),
    };
    if let (Some(memory), Some(footprint)) = (&plan.memory, footprint)
        && let Some(available) = memory.available_mib.filter(|_| !memory.fits())
    {
        plan.advice = footprint.advice(&job.config, parts.largest_frame(), available);
    }
    Ok(plan)
}

/// What was seen of a few steps.
struct Trial {
    /// Where the system tells.
    memory: Option<Footprint>,
    /// Seconds of each step.
    steps: Vec<f64>,
    /// Seconds of a validation frame.
    frame: f64,
}

impl Trial {
    /// One frame, then a validation frame, and then whole steps if there is `room` for them.
    fn run(job: &Job, parts: &mut Parts, steps: u64, room: Option<u64>) -> Result<Self> {
        let start = memory::resident_mib();
        let recomputed = recomputed_frame(job, parts)?;
        let seconds = one_frame(job, parts)?;
        let one = memory::peak_mib();
        let recomputed = recomputed.zip(one).and_then(|((peak, longer), one)| {
            let saved = one.saturating_sub(peak) as f64;
            (saved > 0.0).then_some(Recomputed { saved, longer: longer / seconds - 1.0 })
        });
        let frame = validate(parts)?;
        let validation = memory::peak_mib();
        let config = &job.config;
        let (batch, passes) = (config.data.batch, config.optimizer.accumulate);
        let weights = weight_bytes(&parts.stepper.params) / MIB;
        let grown = bytes(&parts.stepper.optimizer.tensors()) / MIB;
        let state = state_bytes(&parts.stepper) / MIB;
        // A second pass adds to the gradients of the first.
        let sums = if passes > 1 { weights } else { 0.0 };
        let mut footprint = match (start, one, validation) {
            (Some(start), Some(one), Some(validation)) => Some(Footprint::of_one_frame(
                [start as f64, one as f64, validation as f64],
                [grown, state, weights, sums],
                batch,
            )),
            _ => None,
        };
        if let Some(footprint) = &mut footprint {
            footprint.recomputed = recomputed;
        }
        let steps = match (&footprint, room) {
            (Some(footprint), Some(room)) if footprint.peak_mib() > room => 0,
            _ => steps.min(parts.steps_per_epoch),
        };
        let seconds = whole_steps(job, parts, steps)?;
        if let (Some(footprint), Some(peak), true) = (&mut footprint, memory::peak_mib(), steps > 0)
        {
            footprint.measured(batch, peak as f64);
        }
        Ok(Self { memory: footprint, steps: seconds, frame })
    }

    /// The first step prepares buffers and is not typical, so it counts only if it is alone.
    fn time(&self, job: &Job, parts: &Parts) -> Option<TimePlan> {
        let typical = if self.steps.len() > 1 { &self.steps[1..] } else { &self.steps };
        let step = typical.iter().sum::<f64>() / typical.len() as f64;
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
    parts.stepper.step(0, &group, &parts.train)?;
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
fn whole_steps(job: &Job, parts: &mut Parts, steps: u64) -> Result<Vec<f64>> {
    let mut batches = loader(job, parts, job.config.data.batch);
    let mut seconds = Vec::new();
    for number in 0..steps {
        let start = Instant::now();
        let group = batches.by_ref().take(job.config.optimizer.accumulate);
        let group: Vec<Batch> = group.collect::<std::result::Result<_, _>>()?;
        parts.stepper.step(number + 1, &group, &parts.train)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(seconds)
}

/// Predicts the largest validation frame, and returns the seconds that it takes after the first time.
fn validate(parts: &Parts) -> Result<f64> {
    let network = parts.stepper.network.clone();
    let segmenter = Segmenter::from_parts(network, parts.meta.clone())?;
    let largest = largest(&parts.val);
    let frame = parts.val.read(largest)?;
    segmenter.segment(&frame.image)?;
    let start = Instant::now();
    let frame = parts.val.read(largest)?;
    segmenter.segment(&frame.image)?;
    Ok(start.elapsed().as_secs_f64())
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
    fn largest_frame(&self) -> (u32, u32) {
        let entry = self.train.entry(largest(&self.train));
        (entry.width, entry.height)
    }
}

fn weight_bytes(params: &Params) -> f64 {
    params.iter().map(|param| tensor_bytes(param.var.as_tensor())).sum::<usize>() as f64
}

fn bytes(tensors: &[(String, Tensor)]) -> f64 {
    tensors.iter().map(|(_, tensor)| tensor_bytes(tensor)).sum::<usize>() as f64
}

fn tensor_bytes(tensor: &Tensor) -> usize {
    tensor.elem_count() * tensor.dtype().size_in_bytes()
}

/// All that a checkpoint to resume from holds, once there was a step.
fn state_bytes(stepper: &Stepper) -> f64 {
    weight_bytes(&stepper.params) + bytes(&stepper.memory())
}

/// What checkpoints take. Names and shapes are some KiB on top of the numbers.
fn disk(job: &Job, stepper: &Stepper) -> DiskPlan {
    let resumable_bytes = state_bytes(stepper) as u64;
    let best_bytes = weight_bytes(&stepper.params) as u64;
    let peak_bytes = 3 * resumable_bytes + best_bytes;
    DiskPlan { resumable_bytes, best_bytes, peak_bytes, free_bytes: room::disk_bytes(&job.out) }
}
