//! `[optimizer]`: how weights follow gradients.

use canet_model::FrozenNorms;
use serde::{Deserialize, Serialize};

use super::schedule::ScheduleConfig;
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
    /// Whether SGD looks ahead along its momentum.
    pub nesterov: bool,
    /// What Adam keeps of its two moments at each step.
    pub betas: [f64; 2],
    /// Added to the root of Adam's second moment.
    pub eps: f64,
    /// Weight decay: added to the gradient by SGD and Adam, decoupled in `AdamW`.
    pub weight_decay: f64,
    /// Whether norms and biases decay too.
    pub decay_norms: bool,
    /// Which batch norms stay as they are.
    pub freeze_norms: FrozenNorms,
    /// Optimiser steps of linear warm-up, under any schedule.
    pub warmup_steps: u64,
    /// Where the warm-up starts, relative to the full rate; without it, one step above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_start: Option<f64>,
    /// Batches whose gradients are averaged into one step.
    pub accumulate: usize,
    /// Longer gradients are shortened to this norm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// The learning rate over the run.
    pub schedule: ScheduleConfig,
}

/// The optimisation method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam (arXiv 1412.6980), whose weight decay is part of the gradient, as in PyTorch's `Adam`.
    Adam,
    /// Adam with decoupled weight decay (arXiv 1711.05101), as in PyTorch's `AdamW`.
    AdamW,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::AdamW,
            lr: 1e-3,
            head_lr_factor: 1.0,
            momentum: 0.9,
            nesterov: false,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            decay_norms: false,
            freeze_norms: FrozenNorms::None,
            warmup_steps: 0,
            warmup_start: None,
            accumulate: 1,
            clip_norm: None,
            schedule: ScheduleConfig::default(),
        }
    }
}

impl OptimizerConfig {
    pub(super) fn rules(&self) -> Vec<Rule> {
        let share = |value: &f64| (0.0..1.0).contains(value);
        let mut rules = vec![
            (self.accumulate > 0, "optimizer.accumulate", "at least 1"),
            (positive(self.lr), "optimizer.lr", "more than 0"),
            (positive(self.head_lr_factor), "optimizer.head_lr_factor", "more than 0"),
            (share(&self.momentum), "optimizer.momentum", "at least 0 and below 1"),
            (
                !self.nesterov || (self.kind == OptimizerKind::Sgd && self.momentum > 0.0),
                "optimizer.nesterov",
                "false but for kind sgd with a momentum",
            ),
            (
                self.betas.iter().all(share),
                "optimizer.betas",
                "two numbers, each at least 0 and below 1",
            ),
            (positive(self.eps), "optimizer.eps", "more than 0"),
            (not_negative(self.weight_decay), "optimizer.weight_decay", "at least 0"),
            (
                self.warmup_start.is_none_or(|start| share(&start)),
                "optimizer.warmup_start",
                "at least 0 and below 1",
            ),
            (self.clip_norm.is_none_or(positive), "optimizer.clip_norm", "more than 0"),
        ];
        rules.extend(self.schedule.rules());
        rules
    }
}
