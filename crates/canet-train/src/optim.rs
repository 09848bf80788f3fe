//! Optimisers with a state that has names and an order, so that it can be saved and resumed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use canet_model::{Device, Kind, Param, Params, Part, TRAINING_PREFIX, Tensor};
use canet_ops::{AdamStep, SgdStep, add_in_place, sum_of_squares};
use rayon::prelude::*;

use crate::Result;
use crate::config::{OptimizerConfig, OptimizerKind};

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
        for (name, tensor) in tensors {
            if let Some(slot) = name.strip_prefix(TRAINING_PREFIX) {
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
    /// from 0.
    pub fn update(
        &mut self,
        params: &Params,
        gradients: &Gradients,
        rate: f64,
        step: u64,
    ) -> Result<()> {
        let config = self.config.clone();
        let scale = gradients.scale();
        match config.kind {
            OptimizerKind::Sgd => self.each(["momentum"], params, gradients, |param, g, [m]| {
                let (lr, weight_decay) = rates(&config, param, rate);
                let step = SgdStep { lr, momentum: config.momentum, weight_decay, scale };
                step.apply(&param.var, g, m)
            }),
            OptimizerKind::Adam => {
                self.each(["first", "second"], params, gradients, |param, g, moments| {
                    let (lr, weight_decay) = rates(&config, param, rate);
                    let (betas, eps, number) = ([0.9, 0.999], 1e-8, step + 1);
                    let step = AdamStep { lr, betas, eps, weight_decay, scale, number };
                    step.apply(&param.var, g, moments)
                })
            }
        }
    }

    /// Calls `step` with each parameter that has a gradient, and its slots of the given names.
    fn each<const N: usize>(
        &mut self,
        names: [&str; N],
        params: &Params,
        gradients: &Gradients,
        step: impl Fn(&Param, &Tensor, [&mut Tensor; N]) -> candle_core::Result<()> + Sync,
    ) -> Result<()> {
        let mut jobs = Vec::new();
        for param in params.trainable() {
            let Some(gradient) = gradients.sums.get(&param.name) else { continue };
            for name in names {
                if let Entry::Vacant(vacant) = self.slots.entry(slot(name, param)) {
                    vacant.insert(param.var.zeros_like()?);
                }
            }
            // Handles: what they refer to stays where it is.
            let memory = names.map(|name| self.slots[&slot(name, param)].clone());
            jobs.push((param, gradient, memory));
        }
        // Most parameters are small: the cores share them out, and large ones are cut besides.
        jobs.par_iter_mut()
            .try_for_each(|(param, gradient, memory)| step(param, gradient, memory.each_mut()))?;
        for (param, _, memory) in jobs {
            self.slots.extend(names.map(|name| slot(name, param)).into_iter().zip(memory));
        }
        Ok(())
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

/// Gradients by parameter name, the mean over micro-batches.
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
        let sums = self.sums.values().collect::<Vec<_>>();
        let squares = sums.into_par_iter().map(sum_of_squares);
        let squares = squares.collect::<candle_core::Result<Vec<f64>>>()?;
        Ok(squares.iter().sum::<f64>().sqrt() * self.scale())
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
mod tests {
    use super::*;
    use canet_model::{AssignmentConfig, ModelConfig, Network};

    /// Two steps with gradient 1 everywhere, by hand.
    #[test]
    fn steps_follow_the_formulas() {
        let sgd = |w: f64| {
            let first = 1.0 + 0.1 * w;
            let w = w - 0.5 * first;
            w - 0.5 * (0.9 * first + 1.0 + 0.1 * w)
        };
        // With a constant gradient Adam's direction is 1 (but for eps).
        let adam = |w: f64| (w * 0.95 - 0.5) * 0.95 - 0.5;
        let cases: [(OptimizerKind, &dyn Fn(f64) -> f64); 2] =
            [(OptimizerKind::Sgd, &sgd), (OptimizerKind::Adam, &adam)];
        for (kind, expected) in cases {
            let mut params = Params::new(1, &Device::Cpu);
            let model =
                ModelConfig::Assignment(AssignmentConfig { classes: 2, ..Default::default() });
            Network::new(&model, &mut params).unwrap();
            let param = params.get("stem.conv.weight").unwrap();
            let value = || param.var.flatten_all().unwrap().to_vec1::<f32>().unwrap()[5];
            let before = f64::from(value());
            let config = OptimizerConfig {
                kind,
                lr: 0.5,
                momentum: 0.9,
                weight_decay: 0.1,
                ..OptimizerConfig::default()
            };
            let mut optimizer = Optimizer::new(&config);
            let ones = param.var.ones_like().unwrap();
            let sums = BTreeMap::from([(param.name.clone(), ones)]);
            let gradients = Gradients { sums, ..Gradients::default() };
            optimizer.update(&params, &gradients, 1.0, 0).unwrap();
            let kept = optimizer.tensors().into_iter().collect();
            let mut resumed = Optimizer::new(&config);
            resumed.restore(&kept, &Device::Cpu).unwrap();
            resumed.update(&params, &gradients, 1.0, 1).unwrap();
            assert!((f64::from(value()) - expected(before)).abs() < 1e-5, "{kind:?}");
        }
    }

    /// Three passes, clipped, move a parameter as their shortened mean does.
    #[test]
    fn passes_are_averaged_and_clipped() {
        let config = OptimizerConfig { kind: OptimizerKind::Sgd, ..OptimizerConfig::default() };
        let moved = |passes: &[f64], limit: f64| {
            let mut params = Params::new(1, &Device::Cpu);
            let model =
                ModelConfig::Assignment(AssignmentConfig { classes: 2, ..Default::default() });
            Network::new(&model, &mut params).unwrap();
            let var = &params.get("classifier.bias").unwrap().var;
            let mut gradients = Gradients::default();
            for factor in passes {
                let ones = var.ones_like().unwrap();
                let value = canet_model::Value::variable(var);
                let found = value.backward_from((ones * *factor).unwrap()).unwrap();
                gradients.add(&params, found).unwrap();
            }
            let norm = gradients.norm().unwrap();
            gradients.clip(norm, limit);
            assert!((gradients.norm().unwrap() - norm.min(limit)).abs() < 1e-6 * norm);
            Optimizer::new(&config).update(&params, &gradients, 1.0, 0).unwrap();
            (norm, f64::from(var.to_vec1::<f32>().unwrap()[0]) / -config.lr)
        };
        let (norm, step) = moved(&[1.0, 4.0, -2.0], f64::INFINITY);
        assert!((step - 1.0).abs() < 1e-6, "{step}");
        let (same, clipped) = moved(&[1.0, 4.0, -2.0], norm / 4.0);
        assert!((same - norm).abs() < 1e-9 && (clipped - 0.25).abs() < 1e-6, "{clipped}");
    }
}
