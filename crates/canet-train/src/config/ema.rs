//! `[ema]`: an exponential moving average of the weights.

use serde::{Deserialize, Serialize};

use super::{Rule, positive};

/// An exponential moving average of weights and statistics, scored beside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmaConfig {
    /// What a step leaves of the average; without it there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay: Option<f64>,
    /// Whether the average follows faster at first: by `min(decay, (1 + step) / (10 + step))`.
    pub warmup: bool,
}

impl Default for EmaConfig {
    fn default() -> Self {
        Self { decay: None, warmup: true }
    }
}

impl EmaConfig {
    pub(super) fn rules(&self) -> Vec<Rule> {
        let holds = self.decay.is_none_or(|decay| positive(decay) && decay < 1.0);
        vec![(holds, "ema.decay", "more than 0 and below 1")]
    }
}
