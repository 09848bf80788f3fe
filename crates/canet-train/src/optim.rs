//! Optimisers with a state that has names and an order, so that it can be saved and resumed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use canet_model::{Device, Kind, Param, Params, Part, TRAINING_PREFIX, Tensor};
use canet_ops::{AdamStep, Judge, Moved, SgdStep, add_in_place, sum_of_all_squares};

use crate::Result;
use crate::config::{OptimizerConfig, OptimizerKind};

/// What the names of slots start with.
const SLOTS: [&str; 3] = ["momentum.", "first.", "second."];

/// The optimiser's memory: one or two tensors a trainable parameter.
pub struct Optimizer {
    config: OptimizerConfig,
    slots: BTreeMap<String, Tensor>,
}

impl Optimizer {
    /// One that has made no step.
    pub fn new(config: &OptimizerConfig) -> Self {
        Self { config: config.clone(), slots: BTreeMap::new() }
    }

    /// Goes on from the tensors of a checkpoint, as [`Self::tensors`] gave them.
    pub(crate) fn restore(
        &mut self,
        tensors: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<()> {
        let ours = |slot: &&str| SLOTS.iter().any(|kind| slot.starts_with(kind));
        for (name, tensor) in tensors {
            if let Some(slot) = name.strip_prefix(TRAINING_PREFIX).filter(ours) {
                // Steps change it in place, and others may hold the one that was given.
                self.slots.insert(slot.to_owned(), tensor.to_device(device)?.copy()?);
            }
        }
        Ok(())
    }

    /// What a checkpoint has to keep, under names that inference ignores.
    pub(crate) fn tensors(&self) -> Vec<(String, Tensor)> {
        let named = |(name, t): (&String, &Tensor)| (format!("{TRAINING_PREFIX}{name}"), t.clone());
        self.slots.iter().map(named).collect()
    }

    /// Moves all parameters along `gradients` at `rate` times the configured rate. `step` counts
    /// from 0. With a judge they move if the step counts that it has judged last.
    pub fn update(
        &mut self,
        params: &Params,
        gradients: &Gradients,
        rate: f64,
        step: u64,
        judge: Option<&Judge>,
    ) -> Result<()> {
        let config = self.config.clone();
        let scale = gradients.scale();
        match config.kind {
            OptimizerKind::Sgd => {
                let OptimizerConfig { lr, momentum, nesterov, weight_decay, .. } = config;
                let step = SgdStep { lr, momentum, nesterov, weight_decay, scale };
                let mut moved = self.moved(["momentum"], params, gradients, rate)?;
                step.apply_to_all(&mut moved, judge)?;
                self.keep(["momentum"], params, moved);
            }
            kind @ (OptimizerKind::Adam | OptimizerKind::AdamW) => {
                let (decoupled, number) = (kind == OptimizerKind::AdamW, step + 1);
                let OptimizerConfig { lr, betas, eps, weight_decay, .. } = config;
                let step = AdamStep { lr, betas, eps, weight_decay, decoupled, scale, number };
                let mut moved = self.moved(["first", "second"], params, gradients, rate)?;
                step.apply_to_all(&mut moved, judge)?;
                self.keep(["first", "second"], params, moved);
            }
        }
        Ok(())
    }

    /// Each parameter that has a gradient, with its slots of the given names, at `rate` times its
    /// configured rate.
    fn moved<'a, const N: usize>(
        &mut self,
        names: [&str; N],
        params: &'a Params,
        gradients: &'a Gradients,
        rate: f64,
    ) -> Result<Vec<Moved<'a, N>>> {
        let mut all = Vec::new();
        for param in params.trainable() {
            let Some(gradient) = gradients.sums.get(&param.name) else { continue };
            for name in names {
                if let Entry::Vacant(vacant) = self.slots.entry(slot(name, param)) {
                    vacant.insert(param.var.zeros_like()?);
                }
            }
            // Handles: what they refer to stays where it is.
            let memory = names.map(|name| self.slots[&slot(name, param)].clone());
            let (lr, weight_decay) = rates(&self.config, param, rate);
            all.push(Moved { weight: &param.var, gradient, memory, lr, weight_decay });
        }
        Ok(all)
    }

    /// Puts the slots back: some devices move into fresh tensors.
    fn keep<const N: usize>(&mut self, names: [&str; N], params: &Params, moved: Vec<Moved<N>>) {
        let mut moved = moved.into_iter().peekable();
        for param in params.trainable() {
            let is_it = |one: &Moved<N>| one.weight.id() == param.var.id();
            if let Some(one) = moved.next_if(is_it) {
                self.slots.extend(names.map(|name| slot(name, param)).into_iter().zip(one.memory));
            }
        }
    }
}

/// Learning rate and weight decay of a parameter.
fn rates(config: &OptimizerConfig, param: &Param, rate: f64) -> (f64, f64) {
    let Kind::Trainable { part, decay } = param.kind else { return (0.0, 0.0) };
    let factor = if part == Part::Head { config.head_lr_factor } else { 1.0 };
    let decays = decay || config.decay_norms;
    (config.lr * factor * rate, if decays { config.weight_decay } else { 0.0 })
}

fn slot(kind: &str, param: &Param) -> String {
    format!("{kind}.{}", param.name)
}

/// Gradients by parameter name, the mean over micro-batches. Clones share the numbers.
#[derive(Clone)]
pub struct Gradients {
    /// Summed over micro-batches.
    sums: BTreeMap<String, Tensor>,
    passes: u32,
    /// What is left of the mean's length.
    shortened: f64,
}

impl Default for Gradients {
    fn default() -> Self {
        Self { sums: BTreeMap::new(), passes: 0, shortened: 1.0 }
    }
}

impl Gradients {
    /// Adds what a backward pass has found, with the same weight as the passes before.
    pub fn add(&mut self, params: &Params, mut found: canet_model::Gradients) -> Result<()> {
        for param in params.trainable() {
            let Some(gradient) = found.take(&param.var) else { continue };
            let sum = match self.sums.remove(&param.name) {
                None => gradient,
                // What a pass has found may be in use elsewhere; a sum is our own.
                Some(first) if self.passes == 1 => (first + gradient)?,
                Some(mut sum) => {
                    add_in_place(&mut sum, &gradient)?;
                    sum
                }
            };
            self.sums.insert(param.name.clone(), sum);
        }
        self.passes += 1;
        Ok(())
    }

    /// The Euclidean norm over all parameters; not finite if any element is not.
    pub fn norm(&self) -> Result<f64> {
        let squares = sum_of_all_squares(&self.sums.values().collect::<Vec<_>>())?;
        Ok(squares.sqrt() * self.scale())
    }

    /// Queues the verdict on the step that has these gradients and `losses`: its norm is to be at most `limit`.
    #[cfg(feature = "cuda")]
    pub fn judge(
        &self,
        judge: &mut Judge,
        losses: &[Tensor],
        limit: Option<f64>,
    ) -> Result<canet_ops::cuda::Told> {
        let sums = self.sums.values().map(Tensor::contiguous);
        let sums = sums.collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(judge.judge(&sums.iter().collect::<Vec<_>>(), losses, self.scale(), limit)?)
    }

    /// Scales all gradients, whose norm is `norm`, so that it is at most `limit`.
    pub fn clip(&mut self, norm: f64, limit: f64) {
        if norm > limit {
            self.shortened *= limit / norm;
        }
    }

    /// The factor from the sums to what is followed; it costs nothing to apply with the step.
    fn scale(&self) -> f64 {
        self.shortened / f64::from(self.passes.max(1))
    }
}

#[cfg(test)]
mod tests;
