//! The configuration of a run: a TOML file, overrides, and what they mean.
//!
//! Every key has a default, shown by `configs/defaults.toml`; an unknown key is an error that suggests
//! the nearest. `--set a.b=value` sets one key after the file is read.

use std::path::{Path, PathBuf};

use canet_model::{AssignmentConfig, ModelConfig};
use serde::{Deserialize, Serialize};

use self::overrides::{set, with_suggestion};
use crate::{Error, Result};

mod backbone;
mod change;
mod data;
mod ema;
mod loss;
mod optimizer;
mod overrides;
mod recompute;
mod schedule;

pub use backbone::{Backbone, HubModel};
pub use change::Change;
pub use data::DataConfig;
pub use ema::EmaConfig;
pub use loss::{ClassWeights, Frequency, LossConfig, LossTerm};
pub use optimizer::{OptimizerConfig, OptimizerKind};
pub use recompute::Recompute;
pub use schedule::ScheduleConfig;

/// What a value must be: whether it is, its key, and the words for it.
type Rule = (bool, &'static str, &'static str);

/// Everything that decides what a run computes, and how often it is saved. Threads and devices are
/// not part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Seed of weights, order, augmentation and dropout.
    pub seed: u64,
    /// Times the training split is gone through.
    pub epochs: u32,
    /// The network. Its classes are the data's.
    pub model: ModelConfig,
    /// A published backbone to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backbone: Option<Backbone>,
    /// A checkpoint of the same network to start from, with these classes or others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<PathBuf>,
    /// What batches are made of.
    pub data: DataConfig,
    /// How weights follow gradients.
    pub optimizer: OptimizerConfig,
    /// The average of the weights.
    pub ema: EmaConfig,
    /// What is minimised.
    pub loss: LossConfig,
    /// Validation is run every so many epochs, and after the last.
    pub validate_every: u32,
    /// A checkpoint is saved every so many optimiser steps; with 0 by time alone.
    pub save_every_steps: u64,
    /// A checkpoint is saved every so many minutes.
    pub save_every_minutes: f64,
    /// A checkpoint is saved every so many epochs, and after each validation: where an epoch takes a
    /// second, saving would take longer than training.
    pub save_every_epochs: u32,
    /// Steps whose loss or gradient is not finite are passed over, up to so many in a run.
    pub skip_bad: u64,
    /// What of the backbone is computed twice a step instead of being kept.
    pub recompute: Recompute,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            epochs: 30,
            model: ModelConfig::Assignment(AssignmentConfig::default()),
            backbone: None,
            init: None,
            data: DataConfig::default(),
            optimizer: OptimizerConfig::default(),
            ema: EmaConfig::default(),
            loss: LossConfig::default(),
            validate_every: 1,
            save_every_steps: 0,
            save_every_minutes: 10.0,
            save_every_epochs: 1,
            skip_bad: 0,
            recompute: Recompute::default(),
        }
    }
}

impl Config {
    /// Reads a configuration file and applies `key=value` overrides.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::config(path.display().to_string(), format!("cannot be read: {e}"))
        })?;
        Self::parse(&text, &path.display().to_string(), overrides)
    }

    /// Parses a configuration; `origin` names it in errors.
    pub fn parse(text: &str, origin: &str, overrides: &[String]) -> Result<Self> {
        let mut table: toml::Table =
            text.parse().map_err(|e: toml::de::Error| Error::config(origin, e.to_string()))?;
        for text in overrides {
            set(&mut table, text)?;
        }
        let config: Self = serde_path_to_error::deserialize(table).map_err(|e| {
            let reason = with_suggestion(e.inner().to_string().trim());
            Error::config(origin, format!("at {}: {reason}", e.path()))
        })?;
        config.check(origin)?;
        Ok(config)
    }

    fn check(&self, origin: &str) -> Result<()> {
        self.data.augment.check()?;
        let own = vec![
            (self.epochs > 0, "epochs", "at least 1"),
            (self.validate_every > 0, "validate_every", "at least 1"),
            (
                self.backbone.is_none() || self.init.is_none(),
                "init",
                "alone: a whole network has its backbone; take backbone or init away",
            ),
            (not_negative(self.save_every_minutes), "save_every_minutes", "at least 0"),
            (self.save_every_epochs > 0, "save_every_epochs", "at least 1"),
        ];
        let parts = [
            self.data.rules(),
            self.optimizer.rules(),
            self.ema.rules(),
            self.loss.rules(),
            self.recompute.rules(&self.model),
        ];
        for (holds, key, expected) in own.into_iter().chain(parts.into_iter().flatten()) {
            if !holds {
                return Err(Error::config(origin, format!("{key} must be {expected}")));
            }
        }
        Ok(())
    }

    /// The same with `key=value` overrides.
    pub fn with(&self, overrides: &[String]) -> Result<Self> {
        Self::parse(&self.text()?, "the run's configuration", overrides)
    }

    /// The whole configuration as TOML.
    pub(crate) fn text(&self) -> Result<String> {
        toml::to_string(self)
            .map_err(|e| Error::config("the configuration", format!("cannot be written: {e}")))
    }
}

fn positive(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}

fn not_negative(value: f64) -> bool {
    value >= 0.0 && value.is_finite()
}

#[cfg(test)]
mod tests;
