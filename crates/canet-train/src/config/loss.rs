//! `[loss]`: what is minimised.

use serde::{Deserialize, Serialize};

use super::{Rule, not_negative};

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

impl Default for LossConfig {
    fn default() -> Self {
        Self { class_weights: None, aux_weight: 0.4 }
    }
}

impl LossConfig {
    pub(super) fn rules(&self) -> Vec<Rule> {
        let weighs = |w: &Vec<f32>| w.iter().all(|&w| not_negative(f64::from(w)));
        vec![
            (not_negative(self.aux_weight), "loss.aux_weight", "at least 0"),
            (
                self.class_weights.as_ref().is_none_or(weighs),
                "loss.class_weights",
                "a list of numbers, each at least 0",
            ),
        ]
    }
}
