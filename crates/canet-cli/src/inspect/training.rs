//! What a checkpoint says of its training. The summary is free in form, so everything may be missing,
//! or be something else.

use canet_model::serde_json::Value;
use serde::Serialize;

/// The training, as far as it is recorded.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Training {
    /// The version of the training program.
    pub(crate) version: Option<String>,
    /// The data set's name.
    pub(crate) dataset: Option<String>,
    /// The content hash of the prepared folder.
    pub(crate) data_hash: Option<String>,
    /// SHA-256 of the run's `config.toml`.
    pub(crate) config_hash: Option<String>,
    pub(crate) seed: Option<u64>,
    /// Epochs that the run was to have.
    pub(crate) epochs: Option<u64>,
    /// Optimiser steps that these weights have behind them.
    pub(crate) steps: Option<u64>,
    pub(crate) steps_per_epoch: Option<u64>,
    /// Frames of a batch.
    pub(crate) batch: Option<u64>,
    pub(crate) optimizer: Option<String>,
    pub(crate) learning_rate: Option<f64>,
    /// Whether the weights are the run's moving average.
    pub(crate) averaged: Option<bool>,
    pub(crate) scores: Scores,
}

/// The run's best validation so far, under the policy `strict`.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Scores {
    pub(crate) epoch: Option<u64>,
    pub(crate) miou: Option<f64>,
    pub(crate) pixel_accuracy: Option<f64>,
    pub(crate) frames: Option<u64>,
    /// By class id.
    pub(crate) iou: Option<Vec<Option<f64>>>,
}

impl Training {
    /// Reads the summary of a network of so many classes.
    pub(crate) fn of(value: &Value, classes: usize) -> Self {
        let text = |path: &str| {
            let text = value.pointer(path).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let count = |path: &str| value.pointer(path).and_then(Value::as_u64);
        let number = |path: &str| value.pointer(path).and_then(Value::as_f64);
        let iou = value.pointer("/best_scores/iou").and_then(Value::as_array);
        let iou = iou.filter(|iou| iou.len() == classes);
        Self {
            version: text("/version"),
            dataset: text("/dataset"),
            data_hash: text("/data_hash"),
            config_hash: text("/config_hash"),
            seed: count("/config/seed"),
            epochs: count("/config/epochs"),
            steps: count("/cursor/step"),
            steps_per_epoch: count("/steps_per_epoch").filter(|&steps| steps > 0),
            batch: count("/config/data/batch"),
            optimizer: text("/config/optimizer/kind"),
            learning_rate: number("/config/optimizer/lr"),
            averaged: value.pointer("/averaged").and_then(Value::as_bool),
            scores: Scores {
                epoch: count("/best/1"),
                miou: number("/best/0"),
                pixel_accuracy: number("/best_scores/pixel_accuracy"),
                frames: count("/best_scores/frames"),
                iou: iou.map(|iou| iou.iter().map(Value::as_f64).collect()),
            },
        }
    }

    /// The lines of a report: what is told, and its value, if it is recorded.
    pub(crate) fn lines(&self) -> Vec<(&'static str, Option<String>)> {
        let done = self.steps.map(|steps| match self.steps_per_epoch {
            Some(each) => format!("{steps} ({each} an epoch)"),
            None => steps.to_string(),
        });
        let optimizer = self.optimizer.as_ref().map(|kind| match self.learning_rate {
            Some(rate) => format!("{kind}, learning rate {rate}"),
            None => kind.clone(),
        });
        let averaged = self.averaged.map(|averaged| {
            (if averaged { "the moving average of the run's" } else { "as trained" }).to_owned()
        });
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        vec![
            ("data set", self.dataset.clone()),
            ("data hash", self.data_hash.clone()),
            ("configuration hash", self.config_hash.clone()),
            ("epochs of the run", number(self.epochs)),
            ("steps behind it", done),
            ("batch", number(self.batch)),
            ("optimiser", optimizer),
            ("seed", number(self.seed)),
            ("weights are", averaged),
            ("program", self.version.as_ref().map(|version| format!("canet-train {version}"))),
        ]
    }
}

impl Scores {
    /// The lines of a report, as [`Training::lines`].
    pub(crate) fn lines(&self) -> Vec<(&'static str, Option<String>)> {
        let share = |value: Option<f64>| value.map(|value| format!("{value:.4}"));
        let epoch = self.epoch.map(|epoch| match self.frames {
            Some(frames) => format!("{epoch}, on {frames} frames"),
            None => epoch.to_string(),
        });
        vec![
            ("best mIoU", share(self.miou)),
            ("pixel accuracy", share(self.pixel_accuracy)),
            ("at epoch", epoch),
        ]
    }

    /// The IoU of a class, if it is recorded.
    pub(crate) fn class(&self, id: usize) -> Option<f64> {
        self.iou.as_ref()?.get(id).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use canet_model::serde_json::json;

    use super::*;

    #[test]
    fn what_is_there_is_read_and_the_rest_is_missing() {
        for strange in [json!(null), json!("text"), json!({"best": 7, "config": []})] {
            assert_eq!(Training::of(&strange, 2), Training::default(), "{strange}");
        }
        let value = json!({
            "dataset": "d", "config_hash": "", "config": {"seed": 3, "optimizer": {"kind": "sgd", "lr": 0.5}},
            "best": [0.25, 4], "best_scores": {"iou": [0.5, null]}, "steps_per_epoch": 0,
        });
        let training = Training::of(&value, 2);
        assert_eq!((training.dataset.as_deref(), training.config_hash), (Some("d"), None));
        assert_eq!((training.seed, training.steps_per_epoch), (Some(3), None));
        assert_eq!((training.scores.class(0), training.scores.class(1)), (Some(0.5), None));
        assert_eq!(training.scores.lines()[0].1.as_deref(), Some("0.2500"));
        // Scores of other classes are none of these.
        assert_eq!(Training::of(&value, 3).scores.iou, None);
    }
}
