//! What a run tells about itself: a record a step, and one an epoch, which is a line of
//! `metrics.jsonl`.

use serde::{Deserialize, Serialize};

use crate::metrics::Scores;

/// What an optimiser step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepRecord {
    /// The epoch, from 1.
    pub epoch: u32,
    /// The optimiser step of the run, from 1.
    pub step: u64,
    /// Steps of the whole run.
    pub total_steps: u64,
    /// The loss, averaged over the step's batches.
    pub loss: f64,
    /// The learning rate of the backbone, or of all where there is one rate.
    pub rate: f64,
    /// The Euclidean norm of the gradient before it is shortened.
    pub gradient_norm: f64,
    /// Frames a second, since the epoch began in this process.
    pub frames_per_second: f64,
}

/// What an epoch gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch, from 1.
    pub epoch: u32,
    /// Optimiser steps of the run that are done.
    pub step: u64,
    /// The mean loss of the epoch's steps.
    pub loss: f64,
    /// The learning rate of the epoch's last step.
    pub rate: f64,
    /// The scores on the validation split.
    pub scores: Scores,
    /// The scores of the average of the weights, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<Scores>,
    /// Seconds a step took, if this process made any.
    pub seconds_per_step: Option<f64>,
    /// How long the validation took.
    pub validation_seconds: f64,
    /// The most memory that the process has held, where the system tells.
    pub peak_memory_mib: Option<u64>,
}

/// Adds a record to those of earlier epochs. Records of this and later epochs, which a killed process
/// may have left behind its last checkpoint, are replaced.
pub(crate) fn add(records: &mut Vec<EpochRecord>, record: &EpochRecord) {
    records.retain(|old| old.epoch < record.epoch);
    records.push(record.clone());
}
