//! One gradient step: forward, loss, backward, guard, update.

use candle_core::{Device, Tensor};
use canet_data::dataset::Dataset;
use canet_data::draw::Draws;
use canet_data::loader::Batch;
use canet_model::{Network, Normalisation, Params, Pass, Value};
use rayon::prelude::*;

use crate::average::Average;
use crate::config::Config;
use crate::loss::{Objective, loss};
use crate::optim::{Gradients, Optimizer};
use crate::schedule::relative_rate;
use crate::{Error, Result};

/// What a step did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepReport {
    pub(crate) loss: f64,
    pub(crate) rate: f64,
    /// Before the gradient is shortened.
    pub(crate) gradient_norm: f64,
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
}

impl Stepper<'_> {
    /// Optimiser step number `step` on `batches`, whose gradients are averaged.
    pub(crate) fn step(
        &mut self,
        step: u64,
        batches: &[Batch],
        dataset: &Dataset,
    ) -> Result<StepReport> {
        let mut gradients = Gradients::default();
        let mut loss_sum = 0.0;
        for (i, batch) in batches.iter().enumerate() {
            // The masks of dropout and stochastic depth are a function of (seed, step, micro-batch) and nothing else.
            let draw = Draws::new(self.config.seed, i as u32, step, "dropout").bits();
            let loss = self.loss(batch, Pass::Train { draw })?;
            let value = f64::from(loss.tensor().to_scalar::<f32>()?);
            if !value.is_finite() {
                return Err(diverged(step, format!("the loss is {value}"), batches, dataset));
            }
            loss_sum += value;
            gradients.add(&self.params, loss.backward()?)?;
        }
        let norm = gradients.norm()?;
        if !norm.is_finite() {
            return Err(diverged(step, format!("the gradient's norm is {norm}"), batches, dataset));
        }
        let optimizer = &self.config.optimizer;
        if let Some(limit) = optimizer.clip_norm {
            gradients.clip(norm, limit);
        }
        let relative = relative_rate(step, self.total_steps, optimizer);
        self.optimizer.update(&self.params, &gradients, relative, step)?;
        if let Some(average) = &self.average {
            average.update(&self.params, step)?;
        }
        let loss = loss_sum / batches.len() as f64;
        Ok(StepReport { loss, rate: optimizer.lr * relative, gradient_norm: norm })
    }

    /// What a checkpoint has to keep to go on, beside the parameters.
    pub(crate) fn memory(&self) -> Vec<(String, Tensor)> {
        let averages = self.average.as_ref().map(Average::tensors);
        self.optimizer.tensors().into_iter().chain(averages.into_iter().flatten()).collect()
    }

    fn loss(&self, batch: &Batch, pass: Pass) -> Result<Value> {
        let x = pictures(batch, &self.normalisation, self.network.device())?;
        loss(self.network.forward(&x, pass)?, &targets(batch)?, &self.objective)
    }
}

/// The pictures of a batch as `(N, 3, H, W)`, normalised.
fn pictures(batch: &Batch, normalisation: &Normalisation, device: &Device) -> Result<Tensor> {
    let (h, w) = (batch.height as usize, batch.width as usize);
    let planes = batch.images.par_chunks(h * w * 3).map(|pixels| normalisation.planes(pixels));
    let values = planes.collect::<Vec<_>>().concat();
    Ok(Tensor::from_vec(values, (batch.indices.len(), 3, h, w), device)?)
}

/// The masks of a batch as `(N, H, W)`; labels stay on the CPU, whose loss reads them.
fn targets(batch: &Batch) -> Result<Tensor> {
    let shape = (batch.indices.len(), batch.height as usize, batch.width as usize);
    Ok(Tensor::from_vec(batch.masks.clone(), shape, &Device::Cpu)?)
}

fn diverged(step: u64, what: String, batches: &[Batch], dataset: &Dataset) -> Error {
    let names = batches.iter().flat_map(|b| &b.indices).map(|&i| dataset.entry(i).image.as_str());
    Error::Diverged { step, what, frames: names.collect::<Vec<_>>().join(", ") }
}
