//! What a checkpoint says of its training, and going on from it.

use std::path::{Path, PathBuf};

use canet_core::ClassSet;
use canet_data::dataset::Dataset;
use canet_model::{Checkpoint, CheckpointMeta, Params, Tensor};
use serde::{Deserialize, Serialize};

use crate::average::Average;
use crate::config::{Change, Config};
use crate::metrics::Scores;
use crate::optim::Optimizer;
use crate::{Error, Result};

/// The training summary in a checkpoint's metadata (`canet.training`). Fields with a default are
/// younger than the first release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrainingState {
    /// The version of this program.
    pub(crate) version: String,
    /// The configuration of the run.
    pub(crate) config: Config,
    /// SHA-256 of the configuration as the run's `config.toml` has it; empty if unknown.
    #[serde(default)]
    pub(crate) config_hash: String,
    /// The data set's name.
    pub(crate) dataset: String,
    /// The prepared folder's content hash.
    pub(crate) data_hash: String,
    /// Optimiser steps of an epoch; 0 if unknown.
    #[serde(default)]
    pub(crate) steps_per_epoch: u64,
    /// Where the next step begins.
    pub(crate) cursor: Cursor,
    /// The best validation mIoU so far, and its epoch (from 1).
    pub(crate) best: Option<(f64, u32)>,
    /// More of that validation's scores.
    #[serde(default)]
    pub(crate) best_scores: Option<BestScores>,
    /// Whether the file's weights are the average of the run's: those of a best checkpoint may be.
    #[serde(default)]
    pub(crate) averaged: bool,
    /// Steps of the run that were refused and passed over.
    #[serde(default)]
    pub(crate) skipped: u64,
    /// The validations so far.
    #[serde(default)]
    pub(crate) history: Vec<EpochScore>,
}

/// A validation, as a checkpoint remembers it; `metrics.jsonl` has all of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct EpochScore {
    /// The epoch, from 1.
    pub(crate) epoch: u32,
    /// Optimiser steps of the run that were done.
    pub(crate) step: u64,
    /// The mean loss of the epoch's steps.
    pub(crate) loss: f64,
    /// The validation's mIoU.
    pub(crate) miou: f64,
}

/// What a checkpoint remembers of the best validation, beside its mIoU: policy `strict`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BestScores {
    /// Share of all valid pixels whose class was found.
    pub(crate) pixel_accuracy: f64,
    /// How many frames were scored.
    pub(crate) frames: u64,
    /// Intersection over union, by class id; none if a class is in neither truth nor prediction.
    pub(crate) iou: Vec<Option<f64>>,
}

impl BestScores {
    pub(crate) fn of(scores: &Scores) -> Self {
        let iou = scores.classes.iter().map(|class| class.iou).collect();
        Self { pixel_accuracy: scores.pixel_accuracy, frames: scores.frames, iou }
    }
}

/// A place in a run: before optimiser step `step`, which is step `step_in_epoch` of epoch `epoch`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// The epoch, from 0.
    pub(crate) epoch: u32,
    /// Optimiser steps of the epoch that are done.
    pub(crate) step_in_epoch: u64,
    /// Optimiser steps of the run that are done.
    pub(crate) step: u64,
    /// The sum of the losses of the epoch's steps.
    pub(crate) loss_sum: f64,
    /// Steps of the epoch that were refused and passed over, and are among those that are done.
    #[serde(default)]
    pub(crate) skipped: u64,
    /// The learning rate of the epoch's last step.
    #[serde(default)]
    pub(crate) rate: f64,
}

impl Cursor {
    /// The same share of the run when an epoch has another number of steps: the schedule goes by
    /// that share, and the epoch's frames are gone through from there.
    fn rescaled(self, before: u64, now: u64) -> Self {
        if before == now || before == 0 {
            return self;
        }
        let step_in_epoch = (self.step_in_epoch.min(before) * now) / before;
        let factor = now as f64 / before as f64;
        Self {
            step_in_epoch,
            step: u64::from(self.epoch) * now + step_in_epoch,
            loss_sum: self.loss_sum * factor,
            skipped: (self.skipped * now) / before,
            ..self
        }
    }

    /// The mean loss of the epoch's steps that were not refused.
    pub(crate) fn loss(&self) -> f64 {
        self.loss_sum / self.step_in_epoch.saturating_sub(self.skipped).max(1) as f64
    }
}

/// The bytes of a checkpoint: weights and, to go on, the optimiser's state.
pub(crate) fn to_bytes(
    params: &Params,
    meta: &CheckpointMeta,
    state: &TrainingState,
    extra: &[(String, Tensor)],
) -> Result<Vec<u8>> {
    let training = serde_json::to_value(state)
        .map_err(|e| Error::config("the training summary", format!("cannot be written: {e}")))?;
    let meta = CheckpointMeta { training, ..meta.clone() };
    Ok(Checkpoint::to_bytes(params, &meta, extra)?)
}

/// A run's last checkpoint, and what it says of its training.
pub(crate) struct Saved {
    pub(crate) state: TrainingState,
    checkpoint: Checkpoint,
    pub(crate) path: PathBuf,
}

impl Saved {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let checkpoint = Checkpoint::read(path)?;
        let state: TrainingState = serde_json::from_value(checkpoint.meta.training.clone())
            .map_err(|e| Error::run(path, format!("is of a run that this version cannot go on with ({e}); finish it with the program that began it, or start a new run with another --out")))?;
        if state.cursor.step > state.skipped && checkpoint.training_tensors.is_empty() {
            return Err(Error::run(path, "holds no optimiser state and cannot be gone on from"));
        }
        Ok(Self { state, checkpoint, path: path.to_owned() })
    }

    /// What is another than it was, in configuration, data and classes. Refused if it is not
    /// `allowed`: it would be another run under this one's name.
    pub(crate) fn check(
        &self,
        config: &Config,
        train: &Dataset,
        allowed: &[String],
    ) -> Result<Vec<Change>> {
        let mut changes = config.changes(&self.state.config);
        changes.extend(self.data_changes(train));
        let refused: Vec<&Change> = changes.iter().filter(|c| !c.is_allowed(allowed)).collect();
        let words = |c: &&Change| format!("{c} (--allow {})", c.key);
        if !refused.is_empty() {
            let refused = refused.iter().map(words).collect::<Vec<_>>().join("; ");
            let reason = format!(
                "was made with another configuration or other data; start a new run with another --out, \
                 undo these, or allow them: {refused}"
            );
            return Err(Error::run(&self.path, reason));
        }
        if changes.iter().any(|change| change.key == "optimizer.kind") {
            let reason = "holds the state of another optimiser, which --allow cannot translate; start a new run";
            return Err(Error::run(&self.path, format!("{reason} for another optimizer.kind")));
        }
        Ok(changes)
    }

    fn data_changes(&self, train: &Dataset) -> Vec<Change> {
        let (now, before) = (&train.manifest().hash, &self.state.data_hash);
        let mut changes = Vec::new();
        let mut compare = |key: &str, now: String, before: String| {
            if now != before {
                changes.push(Change { key: key.into(), now, before });
            }
        };
        compare("data.hash", now.clone(), before.clone());
        let classes = |set: &ClassSet| {
            let names: Vec<&str> = set.classes.iter().map(|class| class.name.as_str()).collect();
            format!("{} ({} of {})", names.join(", "), names.len(), set.name)
        };
        compare("classes", classes(train.classes()), classes(&self.checkpoint.meta.classes));
        changes
    }

    /// What the checkpoint's weights are called.
    pub(crate) fn weight_hash(&self) -> Result<String> {
        Ok(self.checkpoint.weight_hash()?)
    }

    /// Sets weights, optimiser and the average of the weights, and returns `fresh`, the state of a
    /// run that begins, at the place where this one was.
    pub(crate) fn restore(
        self,
        params: &Params,
        optimizer: &mut Optimizer,
        average: Option<&Average>,
        fresh: TrainingState,
    ) -> Result<TrainingState> {
        self.checkpoint.load_into(params)?;
        let memory = &self.checkpoint.training_tensors;
        optimizer.restore(memory, params.device())?;
        if let Some(average) = average {
            average.restore(memory, &self.path.display().to_string())?;
        }
        let TrainingState { cursor, best, best_scores, skipped, history, .. } = self.state;
        let cursor = cursor.rescaled(self.state.steps_per_epoch, fresh.steps_per_epoch);
        Ok(TrainingState { cursor, best, best_scores, skipped, history, ..fresh })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_keeps_its_share_of_the_run() {
        let cursor = |epoch, step_in_epoch, step| Cursor {
            epoch,
            step_in_epoch,
            step,
            loss_sum: 6.0,
            ..Cursor::default()
        };
        for (from, before, now, to) in [
            ((2, 4, 20), 8, 8, (2, 4, 20)),
            ((2, 4, 20), 8, 4, (2, 2, 10)),
            ((2, 5, 21), 8, 16, (2, 10, 42)),
            ((3, 0, 24), 8, 3, (3, 0, 9)),
            // Not known: as it is.
            ((1, 3, 11), 0, 5, (1, 3, 11)),
        ] {
            let moved = cursor(from.0, from.1, from.2).rescaled(before, now);
            assert_eq!((moved.epoch, moved.step_in_epoch, moved.step), to, "{from:?}");
        }
        let doubled = cursor(2, 4, 20).rescaled(8, 16);
        assert!((doubled.loss() - cursor(2, 4, 20).loss()).abs() < 1e-12);
        assert!((Cursor { skipped: 1, ..cursor(2, 4, 20) }.loss() - 2.0).abs() < 1e-12);
    }
}
