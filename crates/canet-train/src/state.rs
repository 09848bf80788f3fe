//! What a checkpoint says of its training, and going on from it.

use std::path::{Path, PathBuf};

use canet_model::{Checkpoint, CheckpointMeta, Params, Tensor};
use serde::{Deserialize, Serialize};

use crate::average::Average;
use crate::config::Config;
use crate::optim::Optimizer;
use crate::{Error, Result};

/// The training summary in a checkpoint's metadata (`canet.training`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrainingState {
    /// The version of this program.
    pub(crate) version: String,
    /// The configuration of the run.
    pub(crate) config: Config,
    /// The data set's name.
    pub(crate) dataset: String,
    /// The prepared folder's content hash.
    pub(crate) data_hash: String,
    /// Where the next step begins.
    pub(crate) cursor: Cursor,
    /// The best validation mIoU so far, and its epoch (from 1).
    pub(crate) best: Option<(f64, u32)>,
    /// Whether the file's weights are the average of the run's: those of a best checkpoint may be.
    #[serde(default)]
    pub(crate) averaged: bool,
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
}

/// Writes weights and, to resume, what the training keeps beside them, whole or not at all.
pub(crate) fn save(
    path: &Path,
    params: &Params,
    meta: &CheckpointMeta,
    state: &TrainingState,
    memory: &[(String, Tensor)],
) -> Result<()> {
    let training = serde_json::to_value(state)
        .map_err(|e| Error::run(path, format!("its training summary cannot be written: {e}")))?;
    let meta = CheckpointMeta { training, ..meta.clone() };
    Ok(Checkpoint::save(path, params, &meta, memory)?)
}

/// A run's last checkpoint, and what it says of its training.
pub(crate) struct Saved {
    pub(crate) state: TrainingState,
    checkpoint: Checkpoint,
    path: PathBuf,
}

impl Saved {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let checkpoint = Checkpoint::read(path)?;
        let state = serde_json::from_value(checkpoint.meta.training.clone())
            .map_err(|e| Error::run(path, format!("is of a run that this version cannot go on with ({e}); finish it with the program that began it, or start a new run with another --out")))?;
        Ok(Self { state, checkpoint, path: path.to_owned() })
    }

    /// Refuses a changed configuration or data set: it would be another run under this one's name.
    pub(crate) fn check(&self, config: &Config, data_hash: &str) -> Result<()> {
        let differences = config.differences(&self.state.config);
        if !differences.is_empty() {
            return Err(Error::run(
                &self.path,
                format!(
                    "was made with another configuration; start a new run with another --out, or undo: {}",
                    differences.join("; ")
                ),
            ));
        }
        if self.state.data_hash != data_hash {
            return Err(Error::run(
                &self.path,
                format!(
                    "was made with other data ({} then, {data_hash} now); start a new run with another --out",
                    self.state.data_hash
                ),
            ));
        }
        if self.state.cursor.step > 0 && self.checkpoint.training_tensors.is_empty() {
            return Err(Error::run(
                &self.path,
                "holds no optimiser state and cannot be gone on from",
            ));
        }
        Ok(())
    }

    /// Sets weights, optimiser and the average of the weights, and returns where to go on.
    pub(crate) fn restore(
        self,
        params: &Params,
        optimizer: &mut Optimizer,
        average: Option<&Average>,
    ) -> Result<TrainingState> {
        self.checkpoint.load_into(params)?;
        let memory = &self.checkpoint.training_tensors;
        optimizer.restore(memory, params.device())?;
        if let Some(average) = average {
            average.restore(memory, &self.path.display().to_string())?;
        }
        Ok(self.state)
    }
}
