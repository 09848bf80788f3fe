//! One gradient step: forward, loss, backward, guard, update.

use candle_core::{Device, Tensor};
use canet_data::dataset::Dataset;
use canet_data::draw::Draws;
use canet_data::loader::Batch;
use canet_model::{Network, Normalisation, Params, Pass, Value};
use canet_ops::in_pool;

use crate::Result;
use crate::average::Average;
use crate::config::Config;
use crate::guard::{Refused, Statistics};
use crate::loss::{Objective, loss};
use crate::optim::{Gradients, Optimizer};
use crate::schedule::relative_rate;

/// What a step did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepReport {
    pub(crate) loss: f64,
    pub(crate) rate: f64,
    /// Before the gradient is shortened.
    pub(crate) gradient_norm: f64,
}

/// What became of a step.
#[derive(Debug)]
pub(crate) enum Step {
    /// Weights and optimiser have moved.
    Done(StepReport),
    /// Loss or gradient were not finite: nothing has changed.
    Refused(Refused),
}

/// Everything a step works on.
pub(crate) struct Stepper<'a> {
    pub(crate) config: &'a Config,
    pub(crate) network: Network,
    pub(crate) params: Params,
    pub(crate) normalisation: Normalisation,
    pub(crate) objective: Objective,
    pub(crate) optimizer: Optimizer,
    /// Of the parameters, if it is asked for.
    pub(crate) average: Option<Average>,
    /// Optimiser steps of the whole run.
    pub(crate) total_steps: u64,
    /// On a GPU, the pass that is replayed.
    #[cfg(feature = "cuda")]
    pub(crate) replay: replay::Replay,
}

impl Stepper<'_> {
    /// Optimiser step number `step`, from 0, on `batches`, whose gradients are averaged.
    pub(crate) fn step(&mut self, step: u64, batches: &[Batch], dataset: &Dataset) -> Result<Step> {
        // What a GPU's libraries keep, they keep for the thread that calls them.
        if self.network.device().is_cpu() {
            in_pool(|| self.step_here(step, batches, dataset))
        } else {
            self.step_here(step, batches, dataset)
        }
    }

    fn step_here(&mut self, step: u64, batches: &[Batch], dataset: &Dataset) -> Result<Step> {
        let optimizer = &self.config.optimizer;
        let relative = relative_rate(step, self.total_steps, optimizer);
        let rate = optimizer.lr * relative;
        let before = Statistics::of(&self.params)?;
        let mut gradients = Gradients::default();
        let mut losses = Vec::new();
        let mut refused = None;
        for (i, batch) in batches.iter().enumerate() {
            // The masks of dropout and stochastic depth are a function of (seed, step, micro-batch) and nothing else.
            let draw = Draws::new(self.config.seed, i as u32, step, "dropout").bits();
            // Read after the backward pass is queued: a GPU works on it meanwhile.
            let value = self.pass(batch, draw, &mut gradients)?;
            let value = f64::from(value.to_scalar::<f32>()?);
            losses.push(value);
            if !value.is_finite() {
                refused = Some(format!("the loss is {value}"));
                break;
            }
        }
        let norm = gradients.norm()?;
        if refused.is_none() && !norm.is_finite() {
            refused = Some(format!("the gradient's norm is {norm}"));
        }
        if let Some(what) = refused {
            before.restore(&self.params)?;
            let seen = (&batches[..losses.len()], losses.as_slice());
            let at = (step + 1, rate);
            return Ok(Step::Refused(Refused::new(at, what, seen, dataset, &self.normalisation)));
        }
        if let Some(limit) = optimizer.clip_norm {
            gradients.clip(norm, limit);
        }
        self.optimizer.update(&self.params, &gradients, relative, step)?;
        if let Some(average) = &self.average {
            average.update(&self.params, step)?;
        }
        let loss = losses.iter().sum::<f64>() / batches.len() as f64;
        Ok(Step::Done(StepReport { loss, rate, gradient_norm: norm }))
    }

    /// What a checkpoint has to keep to go on, beside the parameters.
    pub(crate) fn memory(&self) -> Vec<(String, Tensor)> {
        let averages = self.average.as_ref().map(Average::tensors);
        self.optimizer.tensors().into_iter().chain(averages.into_iter().flatten()).collect()
    }

    /// Forward and backward; the loss, perhaps still being computed.
    fn pass(&mut self, batch: &Batch, draw: u64, gradients: &mut Gradients) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        if let Some((loss, found)) = self.replayed(batch, draw)? {
            *gradients = found;
            return Ok(loss);
        }
        let loss = self.loss(batch, Pass::Train { draw })?;
        let value = loss.tensor().clone();
        gradients.add(&self.params, loss.backward()?)?;
        Ok(value)
    }

    fn loss(&self, batch: &Batch, pass: Pass) -> Result<Value> {
        let (size, network) = ([batch.height as usize, batch.width as usize], &self.network);
        let (dtype, device) = (network.activations(), network.device());
        let x = self.normalisation.batch(&batch.images, size, dtype, device)?;
        loss(self.network.forward(&x, pass)?, &targets(batch)?, &self.objective)
    }
}

/// The masks of a batch as `(N, H, W)`; labels stay on the CPU, whose loss reads them.
fn targets(batch: &Batch) -> Result<Tensor> {
    let shape = (batch.indices.len(), batch.height as usize, batch.width as usize);
    Ok(Tensor::from_vec(batch.masks.clone(), shape, &Device::Cpu)?)
}

#[cfg(feature = "cuda")]
pub(crate) mod replay;
#[cfg(test)]
pub(crate) mod tests;
