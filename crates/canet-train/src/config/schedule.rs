//! `[optimizer.schedule]`: the learning rate over a run.

use serde::{Deserialize, Serialize};

use super::{Rule, not_negative, positive};

/// How the learning rate falls, after and apart from the warm-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ScheduleConfig {
    /// `(1 - step / steps)^power`, to 0.
    Poly {
        /// The exponent; 0.9 is the authors' (and `DeepLab`'s) choice.
        #[serde(default = "poly_power")]
        power: f64,
    },
    /// Half a cosine (Loshchilov and Hutter, arXiv 1608.03983), without restarts.
    Cosine {
        /// Where it ends, relative to the base rate.
        #[serde(default)]
        min: f64,
    },
    /// Multiplied by `gamma` at some steps: at `milestones`, or at each multiple of `every`.
    Step {
        /// Optimiser steps of the run before which the rate falls, rising.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        milestones: Vec<u64>,
        /// The rate falls every so many optimiser steps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        every: Option<u64>,
        /// The factor.
        #[serde(default = "step_gamma")]
        gamma: f64,
    },
    /// The base rate throughout.
    Constant {},
}

fn poly_power() -> f64 {
    0.9
}

fn step_gamma() -> f64 {
    0.1
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self::Poly { power: poly_power() }
    }
}

impl ScheduleConfig {
    pub(super) fn rules(&self) -> Vec<Rule> {
        match self {
            Self::Poly { power } => {
                vec![(not_negative(*power), "optimizer.schedule.power", "at least 0")]
            }
            Self::Cosine { min } => {
                vec![((0.0..=1.0).contains(min), "optimizer.schedule.min", "at least 0, at most 1")]
            }
            Self::Step { milestones, every, gamma } => vec![
                (
                    milestones.is_empty() == every.is_some() && *every != Some(0),
                    "optimizer.schedule",
                    "of kind step with either milestones or every, of at least 1",
                ),
                (
                    milestones.is_sorted_by(|a, b| a < b),
                    "optimizer.schedule.milestones",
                    "a list of steps, each after the one before",
                ),
                (
                    positive(*gamma) && *gamma <= 1.0,
                    "optimizer.schedule.gamma",
                    "more than 0 and at most 1",
                ),
            ],
            Self::Constant {} => Vec::new(),
        }
    }
}
