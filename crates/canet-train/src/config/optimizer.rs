//! `[optimizer]`: how weights follow gradients.

use serde::{Deserialize, Serialize};

use super::{Rule, not_negative, positive};

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

impl OptimizerConfig {
    pub(super) fn rules(&self) -> Vec<Rule> {
        vec![
            (self.accumulate > 0, "optimizer.accumulate", "at least 1"),
            (positive(self.lr), "optimizer.lr", "more than 0"),
            (positive(self.head_lr_factor), "optimizer.head_lr_factor", "more than 0"),
            ((0.0..1.0).contains(&self.momentum), "optimizer.momentum", "at least 0 and below 1"),
            (not_negative(self.weight_decay), "optimizer.weight_decay", "at least 0"),
            (not_negative(self.poly_power), "optimizer.poly_power", "at least 0"),
            (self.clip_norm.is_none_or(positive), "optimizer.clip_norm", "more than 0"),
        ]
    }
}
