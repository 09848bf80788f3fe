//! Optimisers with a state that has names and an order, so that it can be saved and resumed.

use std::collections::BTreeMap;

use candle_core::{Tensor, backprop::GradStore};
use canet_model::{Device, Kind, Param, Params, Part, TRAINING_PREFIX};

use crate::Result;
use crate::config::{OptimizerConfig, OptimizerKind};

/// The optimiser's memory: one or two tensors a trainable parameter.
pub(crate) struct Optimizer {
    config: OptimizerConfig,
    slots: BTreeMap<String, Tensor>,
}

impl Optimizer {
    pub(crate) fn new(config: &OptimizerConfig) -> Self {
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
                self.slots.insert(slot.to_owned(), tensor.to_device(device)?);
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
    pub(crate) fn update(
        &mut self,
        params: &Params,
        gradients: &Gradients,
        rate: f64,
        step: u64,
    ) -> Result<()> {
        for param in params.trainable() {
            let Some(gradient) = gradients.0.get(&param.name) else { continue };
            let Kind::Trainable { part, decay } = param.kind else { continue };
            let factor = if part == Part::Head { self.config.head_lr_factor } else { 1.0 };
            let lr = self.config.lr * factor * rate;
            let decays = decay || self.config.decay_norms;
            let weight_decay = if decays { self.config.weight_decay } else { 0.0 };
            match self.config.kind {
                OptimizerKind::Sgd => self.sgd(param, gradient, lr, weight_decay)?,
                OptimizerKind::Adam => self.adam(param, gradient, lr, weight_decay, step)?,
            }
        }
        Ok(())
    }

    /// `m = momentum m + (g + decay w)`, `w -= lr m`: PyTorch's form of momentum.
    fn sgd(&mut self, param: &Param, g: &Tensor, lr: f64, decay: f64) -> Result<()> {
        let w = param.var.as_detached_tensor();
        let g = if decay > 0.0 { (g + (&w * decay)?)? } else { g.clone() };
        let moved = match self.slots.get(&slot("momentum", param)) {
            Some(m) => ((m * self.config.momentum)? + g)?,
            None => g,
        };
        param.var.set(&(w - (&moved * lr)?)?)?;
        self.slots.insert(slot("momentum", param), moved);
        Ok(())
    }

    /// Adam (arXiv 1412.6980) with decoupled weight decay (arXiv 1711.05101).
    fn adam(&mut self, param: &Param, g: &Tensor, lr: f64, decay: f64, step: u64) -> Result<()> {
        const BETAS: [f64; 2] = [0.9, 0.999];
        const EPS: f64 = 1e-8;
        let mut moment = |name: &str, beta: f64, value: Tensor| -> Result<Tensor> {
            let fresh = (value * (1.0 - beta))?;
            let moment = match self.slots.get(&slot(name, param)) {
                Some(old) => ((old * beta)? + fresh)?,
                None => fresh,
            };
            self.slots.insert(slot(name, param), moment.clone());
            Ok(moment)
        };
        let first = moment("first", BETAS[0], g.clone())?;
        let second = moment("second", BETAS[1], g.sqr()?)?;
        let correction = BETAS.map(|beta| 1.0 - beta.powf((step + 1) as f64));
        let root = ((second / correction[1])?.sqrt()? + EPS)?;
        let direction = ((first / correction[0])? / root)?;
        let w = (param.var.as_detached_tensor() * (1.0 - lr * decay))?;
        param.var.set(&(w - (direction * lr)?)?)?;
        Ok(())
    }
}

fn slot(kind: &str, param: &Param) -> String {
    format!("{kind}.{}", param.name)
}

/// Gradients by parameter name, summed over micro-batches.
#[derive(Default)]
pub(crate) struct Gradients(BTreeMap<String, Tensor>);

impl Gradients {
    /// Adds `share` times the gradients of one backward pass.
    pub(crate) fn add(&mut self, params: &Params, store: &GradStore, share: f64) -> Result<()> {
        for param in params.trainable() {
            let Some(gradient) = store.get(&param.var) else { continue };
            let gradient = if share < 1.0 { (gradient * share)? } else { gradient.clone() };
            let sum = match self.0.remove(&param.name) {
                Some(sum) => (sum + gradient)?,
                None => gradient,
            };
            self.0.insert(param.name.clone(), sum.detach());
        }
        Ok(())
    }

    /// The Euclidean norm over all parameters; not finite if any element is not.
    pub(crate) fn norm(&self) -> Result<f64> {
        let mut squares = 0.0;
        for gradient in self.0.values() {
            // Relative to its largest element, whose square may be beyond f32.
            let largest = gradient.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
            if !largest.is_finite() {
                return Ok(f64::INFINITY);
            }
            if largest > 0.0 {
                let relative = (gradient / f64::from(largest))?.sqr()?.sum_all()?;
                squares += f64::from(relative.to_scalar::<f32>()?) * f64::from(largest).powi(2);
            }
        }
        Ok(squares.sqrt())
    }

    /// Scales all gradients so that the norm is at most `limit`.
    pub(crate) fn clip(&mut self, norm: f64, limit: f64) -> Result<()> {
        if norm > limit {
            for gradient in self.0.values_mut() {
                *gradient = (&*gradient * (limit / norm))?;
            }
        }
        Ok(())
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
            let gradients = Gradients(BTreeMap::from([(param.name.clone(), ones)]));
            optimizer.update(&params, &gradients, 1.0, 0).unwrap();
            let kept = optimizer.tensors().into_iter().collect();
            let mut resumed = Optimizer::new(&config);
            resumed.restore(&kept, &Device::Cpu).unwrap();
            resumed.update(&params, &gradients, 1.0, 1).unwrap();
            assert!((f64::from(value()) - expected(before)).abs() < 1e-5, "{kind:?}");
        }
    }
}
