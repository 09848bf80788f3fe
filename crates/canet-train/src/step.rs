//! One gradient step: forward, loss, backward, guard, update.

use candle_core::{Device, Tensor};
use canet_data::dataset::Dataset;
use canet_data::draw::Draws;
use canet_data::loader::Batch;
use canet_model::{Network, Normalisation, Params, Pass, Value};
use canet_ops::{Judge, in_pool};

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

/// A step on its way.
#[derive(Debug)]
pub(crate) struct Begun {
    /// The optimiser step of the run, from 0.
    number: u64,
    /// Their gradients are averaged.
    batches: Vec<Batch>,
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
    /// On a GPU, the steps that were begun, and the pass that is replayed.
    #[cfg(feature = "cuda")]
    pub(crate) gpu: on_gpu::GpuSteps,
}

impl Stepper<'_> {
    /// Begins optimiser step `number`, from 0, on `batches`, whose gradients are averaged. What comes back is a step
    /// that has ended: on the CPU this one, on a GPU the one before, if there was one, so that the GPU has the next
    /// queued when it is done with one.
    pub(crate) fn begin(
        &mut self,
        number: u64,
        batches: Vec<Batch>,
        dataset: &Dataset,
    ) -> Result<Option<Step>> {
        let begun = Begun { number, batches };
        #[cfg(feature = "cuda")]
        if self.network.device().is_cuda() {
            return self.go_on_on_gpu(Some(begun), dataset);
        }
        in_pool(|| self.here(&begun, dataset)).map(Some)
    }

    /// Ends the oldest step that was begun and has not ended, if there is one. Until none is left, parameters are
    /// those of a later step than the last that came back.
    #[cfg_attr(
        not(feature = "cuda"),
        expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "GPUs")
    )]
    pub(crate) fn settle(&mut self, dataset: &Dataset) -> Result<Option<Step>> {
        #[cfg(feature = "cuda")]
        return self.go_on_on_gpu(None, dataset);
        #[cfg(not(feature = "cuda"))]
        {
            let _ = dataset;
            Ok(None)
        }
    }

    /// One step from its beginning to its end.
    pub(crate) fn step(
        &mut self,
        number: u64,
        batches: Vec<Batch>,
        dataset: &Dataset,
    ) -> Result<Step> {
        let mut ended = self.begin(number, batches, dataset)?;
        if ended.is_none() {
            ended = self.settle(dataset)?;
        }
        match ended {
            Some(ended) => Ok(ended),
            None => Err(candle_core::Error::Msg("internal: a step has no end".into()).into()),
        }
    }

    /// A step that has ended when this returns.
    fn here(&mut self, begun: &Begun, dataset: &Dataset) -> Result<Step> {
        let Begun { number, batches } = begun;
        let before = Statistics::of(&self.params)?;
        let mut gradients = Gradients::default();
        let mut losses = Vec::new();
        let mut refused = None;
        for (i, batch) in batches.iter().enumerate() {
            let draw = self.draw(i, *number);
            let value = f64::from(self.pass(batch, draw, &mut gradients)?.to_scalar::<f32>()?);
            losses.push(value);
            if !value.is_finite() {
                refused = Some(not_finite_loss(value));
                break;
            }
        }
        let norm = gradients.norm()?;
        if refused.is_none() && !norm.is_finite() {
            refused = Some(not_finite_norm(norm));
        }
        if let Some(what) = refused {
            before.restore(&self.params)?;
            return Ok(Step::Refused(self.refused(begun, what, &losses, dataset)));
        }
        if let Some(limit) = self.config.optimizer.clip_norm {
            gradients.clip(norm, limit);
        }
        self.follow(&gradients, *number, None)?;
        let rate = self.rates(*number).1;
        let loss = losses.iter().sum::<f64>() / batches.len() as f64;
        Ok(Step::Done(StepReport { loss, rate, gradient_norm: norm }))
    }

    /// Moves the parameters, and then their average; with a judge, if the step counts that it has judged last.
    fn follow(&mut self, gradients: &Gradients, number: u64, judge: Option<&Judge>) -> Result<()> {
        let relative = self.rates(number).0;
        self.optimizer.update(&self.params, gradients, relative, number, judge)?;
        if let Some(average) = &self.average {
            average.update(&self.params, number, judge)?;
        }
        Ok(())
    }

    /// The learning rate of a step as a share of the configured one, and as it is.
    fn rates(&self, number: u64) -> (f64, f64) {
        let optimizer = &self.config.optimizer;
        let relative = relative_rate(number, self.total_steps, optimizer);
        (relative, optimizer.lr * relative)
    }

    /// The masks of dropout and stochastic depth are a function of (seed, step, micro-batch) and nothing else.
    fn draw(&self, micro_batch: usize, number: u64) -> u64 {
        Draws::new(self.config.seed, micro_batch as u32, number, "dropout").bits()
    }

    /// Describes a step that was refused; `losses` are those of its batches that are known.
    fn refused(&self, begun: &Begun, what: String, losses: &[f64], dataset: &Dataset) -> Refused {
        let seen = (&begun.batches[..losses.len()], losses);
        let at = (begun.number + 1, self.rates(begun.number).1);
        Refused::new(at, what, seen, dataset, &self.normalisation)
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

fn not_finite_loss(loss: f64) -> String {
    format!("the loss is {loss}")
}

fn not_finite_norm(norm: f64) -> String {
    format!("the gradient's norm is {norm}")
}

#[cfg(any(feature = "cuda", test))]
mod in_flight;
#[cfg(feature = "cuda")]
pub(crate) mod on_gpu;
#[cfg(test)]
pub(crate) mod tests;
