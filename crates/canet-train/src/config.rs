//! The configuration of a run: a TOML file, overrides, and what they mean.
//!
//! Every key has a default, shown by `configs/defaults.toml`; an unknown key is an error that suggests
//! the nearest. `--set a.b=value` sets one key after the file is read.

use std::path::{Path, PathBuf};

use canet_data::augment::Augment;
use canet_model::{AssignmentConfig, ModelConfig};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Everything that decides what a run computes. Threads and devices are not part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Seed of weights, order, augmentation and dropout.
    pub seed: u64,
    /// Times the training split is gone through.
    pub epochs: u32,
    /// The network. Its classes are the data's.
    pub model: ModelConfig,
    /// A published backbone to start from (`.safetensors` with torchvision's names).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backbone: Option<PathBuf>,
    /// What batches are made of.
    pub data: DataConfig,
    /// How weights follow gradients.
    pub optimizer: OptimizerConfig,
    /// What is minimised.
    pub loss: LossConfig,
    /// Validation is run every so many epochs, and after the last.
    pub validate_every: u32,
}

/// What batches are made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Frames in a batch.
    pub batch: usize,
    /// What is done to each frame. `augment.base` is also the size at which the network sees frames
    /// in validation and inference; without it they keep their own.
    pub augment: Augment,
}

/// How weights follow gradients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// The method.
    pub kind: OptimizerKind,
    /// Base learning rate, of the backbone where there is one.
    pub lr: f64,
    /// The rate of all that is not backbone, relative to `lr`.
    pub head_lr_factor: f64,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Weight decay: added to the gradient by SGD, decoupled in Adam.
    pub weight_decay: f64,
    /// Whether norms and biases decay too.
    pub decay_norms: bool,
    /// Exponent of the polynomial descent.
    pub poly_power: f64,
    /// Optimiser steps of linear warm-up.
    pub warmup_steps: u64,
    /// Batches whose gradients are averaged into one step.
    pub accumulate: usize,
    /// Longer gradients are shortened to this norm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
}

/// The optimisation method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam, with decoupled weight decay.
    Adam,
}

/// What is minimised: cross-entropy, averaged over the pixels that have a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// A weight a class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<Vec<f32>>,
    /// The auxiliary head's share, if the network has one.
    pub aux_weight: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            epochs: 30,
            model: ModelConfig::Assignment(AssignmentConfig::default()),
            backbone: None,
            data: DataConfig::default(),
            optimizer: OptimizerConfig::default(),
            loss: LossConfig::default(),
            validate_every: 1,
        }
    }
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { batch: 4, augment: Augment::default() }
    }
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Adam,
            lr: 1e-3,
            head_lr_factor: 1.0,
            momentum: 0.9,
            weight_decay: 0.0,
            decay_norms: false,
            poly_power: 0.9,
            warmup_steps: 0,
            accumulate: 1,
            clip_norm: None,
        }
    }
}

impl Default for LossConfig {
    fn default() -> Self {
        Self { class_weights: None, aux_weight: 0.4 }
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
        let o = &self.optimizer;
        let positive = |v: f64| v > 0.0 && v.is_finite();
        let not_negative = |v: f64| v >= 0.0 && v.is_finite();
        let clips = o.clip_norm.is_none_or(positive);
        let weighs = |w: &Vec<f32>| w.iter().all(|&w| not_negative(f64::from(w)));
        for (holds, key, expected) in [
            (self.epochs > 0, "epochs", "at least 1"),
            (self.validate_every > 0, "validate_every", "at least 1"),
            (self.data.batch > 0, "data.batch", "at least 1"),
            (o.accumulate > 0, "optimizer.accumulate", "at least 1"),
            (positive(o.lr), "optimizer.lr", "more than 0"),
            (positive(o.head_lr_factor), "optimizer.head_lr_factor", "more than 0"),
            ((0.0..1.0).contains(&o.momentum), "optimizer.momentum", "at least 0 and below 1"),
            (not_negative(o.weight_decay), "optimizer.weight_decay", "at least 0"),
            (not_negative(o.poly_power), "optimizer.poly_power", "at least 0"),
            (clips, "optimizer.clip_norm", "more than 0"),
            (not_negative(self.loss.aux_weight), "loss.aux_weight", "at least 0"),
            (
                self.loss.class_weights.as_ref().is_none_or(weighs),
                "loss.class_weights",
                "a list of numbers, each at least 0",
            ),
        ] {
            if !holds {
                return Err(Error::config(origin, format!("{key} must be {expected}")));
            }
        }
        Ok(())
    }

    /// The keys in which two configurations differ, as `key: ours, was theirs`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let (ours, theirs) = (flat(self), flat(other));
        let keys: std::collections::BTreeSet<&String> =
            ours.iter().chain(&theirs).map(|(key, _)| key).collect();
        let value = |of: &[(String, String)], key: &str| {
            of.iter().find(|(k, _)| k == key).map_or("unset".to_owned(), |(_, v)| v.clone())
        };
        keys.into_iter()
            .map(|key| (key, value(&ours, key), value(&theirs, key)))
            .filter(|(_, ours, theirs)| ours != theirs)
            .map(|(key, ours, theirs)| format!("{key}: {ours}, was {theirs}"))
            .collect()
    }
}

/// A configuration as `(dotted key, value)` pairs.
fn flat(config: &Config) -> Vec<(String, String)> {
    fn walk(prefix: &str, value: &serde_json::Value, out: &mut Vec<(String, String)>) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    let dot = if prefix.is_empty() { "" } else { "." };
                    walk(&format!("{prefix}{dot}{key}"), value, out);
                }
            }
            other => out.push((prefix.to_owned(), other.to_string())),
        }
    }
    let mut out = Vec::new();
    // A configuration is plain data; where it could not be written there is nothing to compare.
    walk("", &serde_json::to_value(config).unwrap_or_default(), &mut out);
    out
}

/// Applies `a.b=value`. The value is TOML (`0.1`, `true`, `[512, 512]`); anything else is a string.
fn set(table: &mut toml::Table, text: &str) -> Result<()> {
    let fail = |reason: String| Error::config(format!("--set {text}"), reason);
    let Some((key, value)) = text.split_once('=') else {
        return Err(fail("is not key=value".into()));
    };
    let value = format!("v = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut path: Vec<&str> = key.trim().split('.').collect();
    let Some(last) = path.pop().filter(|last| !last.is_empty()) else {
        return Err(fail("has no key".into()));
    };
    let mut at = table;
    for part in path {
        let inner = at.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        at = inner.as_table_mut().ok_or_else(|| fail(format!("{part} is a value, not a table")))?;
    }
    at.insert(last.to_owned(), value);
    Ok(())
}

/// Says serde's "unknown field `x`, expected one of `a`, `b`" in words of keys, with the nearest
/// known one first.
fn with_suggestion(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let names: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
    let [unknown, known @ ..] = names.as_slice() else { return message.to_owned() };
    if !line.starts_with("unknown field") {
        return message.to_owned();
    }
    let likeness = |name: &&&str| strsim::jaro_winkler(unknown, name);
    let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let hint = match nearest.filter(|name| likeness(name) > 0.6) {
        Some(nearest) => format!("did you mean `{nearest}`? "),
        None => String::new(),
    };
    format!("unknown key `{unknown}`; {hint}known are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_overrides_are_read() {
        let text = "epochs = 3\n[model]\nnetwork = \"canet\"\ndepth = 18\n[data.augment]\ncrop = [64, 48]\n";
        let overrides = ["optimizer.lr=0.5", "optimizer.kind=sgd", "model.stem=classic"];
        let config = Config::parse(text, "test", &overrides.map(String::from)).unwrap();
        assert_eq!((config.epochs, config.optimizer.lr), (3, 0.5));
        assert_eq!(config.optimizer.kind, OptimizerKind::Sgd);
        assert_eq!(config.data.augment.crop, Some((64, 48)));
        let ModelConfig::Canet(canet) = &config.model else { panic!("{config:?}") };
        assert_eq!(canet.stem, canet_model::Stem::Classic);
        assert_eq!(config.differences(&config), Vec::<String>::new());
        let other = Config { epochs: 4, ..config.clone() };
        assert_eq!(config.differences(&other), ["epochs: 3, was 4"]);
    }

    #[test]
    fn mistakes_are_named_and_mended() {
        for (text, set, needle) in [
            ("epoch = 3", "", "did you mean `epochs`"),
            ("[optimizer]\nlearning = 1", "", "at optimizer"),
            ("[data.augment]\nflp = 1", "", "did you mean `flip`"),
            ("[model]\nnetwork = \"canet\"\ndpth = 18", "", "did you mean `depth`"),
            ("", "optimizer.lr=fast", "optimizer.lr"),
            ("", "optimizer.lr=-1", "optimizer.lr must be more than 0"),
            ("", "optimizer.lr", "is not key=value"),
            ("", "epochs.x=1", "at epochs"),
            ("epochs = ", "", "TOML parse error"),
            ("[data.augment]\nflip = 2.0", "", "flip"),
        ] {
            let overrides: Vec<String> =
                [set].iter().filter(|s| !s.is_empty()).map(ToString::to_string).collect();
            match Config::parse(text, "test", &overrides) {
                Err(error) => {
                    let error = error.to_string();
                    assert!(error.contains(needle), "{text} {set}: {error}");
                }
                Ok(config) => panic!("{text} {set}: {config:?}"),
            }
        }
    }

    #[test]
    fn shipped_configurations_are_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            Config::read(&path, &[]).unwrap_or_else(|e| panic!("{e}"));
            seen += 1;
        }
        assert!(seen >= 5, "{seen} configurations");
        let defaults = include_str!("../../../configs/defaults.toml");
        assert_eq!(Config::parse(defaults, "defaults", &[]).unwrap(), Config::default());
    }
}
