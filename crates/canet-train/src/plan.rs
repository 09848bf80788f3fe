//! What a run would need, found by trying a few of its steps. Nothing is written.
//!
//! Memory is measured: this process does what the run will do, with the same loader, batches and
//! network, and the system tells the most it has held. One frame is tried first: if what that
//! predicts for the whole batch is not there, the batch is not tried, for a plan must not be killed.
//! On a CPU CANet is also tried with its backbone recomputed, so that the advice to do so has figures.
//!
//! On a GPU it is the GPU's memory that decides, and that is measured: how much less of it is free. A
//! full GPU is an error and kills nobody, so there the batch is tried in any case.

use std::path::PathBuf;

use canet_model::{Params, Tensor};
use serde::Serialize;

use self::advice::{Advice, Footprint};
use self::full::Tried;
use self::gauge::{Gauges, Reading};
use self::trial::Trial;
use crate::Result;
use crate::job::Job;
use crate::setup;
use crate::step::Stepper;

mod advice;
mod full;
mod gauge;
mod room;
mod text;
mod trial;

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
    /// The GPU's memory, if the run computes on one.
    pub gpu: Option<GpuPlan>,
    /// This process's memory; `None` where the system does not tell, and where the run computes on a
    /// device that does not.
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

/// The most of a GPU's memory that will be taken, in MiB, beside what was taken before the start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GpuPlan {
    /// The most of the following, and a margin.
    pub peak_mib: u64,
    /// In training, with a validation in between, measured; all that the driver counts is in it.
    pub training_mib: u64,
    /// In validation before any whole step.
    pub validation_mib: u64,
    /// Of this, what tensors took at most in the whole steps. What a replayed pass works in is not
    /// counted, but the steps before the first replay work in tensors.
    pub tensors_mib: u64,
    /// What was free at the start, or is to be planned for.
    pub available_mib: u64,
    /// All that the GPU has.
    pub total_mib: u64,
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
        let gpu = self.gpu.as_ref().is_none_or(GpuPlan::fits);
        let memory = self.memory.as_ref().is_none_or(MemoryPlan::fits);
        gpu && memory && self.disk.fits()
    }
}

impl GpuPlan {
    /// From a GPU at the start, and what `tensors` took at most in whole steps.
    fn new(
        footprint: &Footprint,
        (start, tensors): (Reading, f64),
        batch: usize,
        available: Option<u64>,
    ) -> Self {
        Self {
            peak_mib: footprint.peak_mib(),
            training_mib: footprint.training_mib(batch).ceil() as u64,
            validation_mib: footprint.validation.ceil() as u64,
            tensors_mib: tensors.ceil() as u64,
            available_mib: available.unwrap_or(start.free as u64),
            total_mib: start.total as u64,
        }
    }

    fn fits(&self) -> bool {
        self.peak_mib <= self.available_mib
    }
}

impl MemoryPlan {
    fn new(footprint: &Footprint, batch: usize, available_mib: Option<u64>) -> Self {
        Self {
            peak_mib: footprint.peak_mib(),
            training_mib: footprint.training_mib(batch).ceil() as u64,
            validation_mib: footprint.validation.ceil() as u64,
            saving_mib: footprint.saving.ceil() as u64,
            available_mib,
        }
    }

    fn fits(&self) -> bool {
        self.available_mib.is_none_or(|available| self.peak_mib <= available)
    }
}

impl DiskPlan {
    fn fits(&self) -> bool {
        self.free_bytes.is_none_or(|free| self.peak_bytes <= free)
    }
}

/// Tries `steps` steps of `job` and a validation frame. `available_mib` is the memory to plan for, the
/// GPU's if the run computes on one, if it is not what is free here.
pub fn plan(job: &Job, steps: u64, available_mib: Option<u64>) -> Result<Plan> {
    let room = room::memory_mib();
    let mut gauges = Gauges::start(&job.device)?;
    let start = gauges.gpu.as_ref().map(|taken| taken.start);
    let parts = setup::parts(job);
    let mut parts = parts.map_err(|error| Tried::Weights.full(error, start, &job.config))?;
    let trial = Trial::run(job, &mut parts, &mut gauges, steps, room)?;
    let batch = job.config.data.batch;
    let gpu = trial.gpu.as_ref().zip(start);
    let gpu = gpu.map(|(footprint, start)| {
        GpuPlan::new(footprint, (start, trial.tensors), batch, available_mib)
    });
    // Of other devices nothing is known, least of all that they suffice.
    let host = trial.host.as_ref().filter(|_| gpu.is_some() || job.device.is_cpu());
    let available = if gpu.is_some() { room } else { available_mib.or(room) };
    let memory = host.map(|footprint| MemoryPlan::new(footprint, batch, available));
    // What to lower is told by the memory of the device that computes.
    let (footprint, available) = match &gpu {
        Some(gpu) => (trial.gpu.as_ref(), Some(gpu.available_mib)),
        None => (host, available),
    };
    let advice = match (footprint, available) {
        (Some(footprint), Some(available)) if footprint.peak_mib() > available => {
            footprint.advice(&job.config, parts.largest_frame(), available)
        }
        _ => Vec::new(),
    };
    Ok(Plan {
        data: job.data.clone(),
        out: job.out.clone(),
        tried_steps: trial.steps.len() as u64,
        gpu,
        memory,
        time: trial.time(job, &parts),
        disk: disk(job, &parts.stepper),
        advice,
    })
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

#[cfg(test)]
mod tests;
