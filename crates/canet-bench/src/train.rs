//! Training: forward, loss, backward and update on one batch, again and again.

use anyhow::{Context as _, Result};
use canet_model::{Checkpoint, Device, Network, Params, Pass, Tensor};
use canet_ops::in_pool;
use canet_train::config::{OptimizerConfig, OptimizerKind};
use canet_train::loss::{Objective, loss};
use canet_train::optim::{Gradients, Optimizer};
use clap::ValueEnum;

use crate::{Arguments, Work};

/// The optimisers of the comparison.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    Adam,
    Sgd,
}

/// A network in training, and its only batch.
pub(crate) struct Train {
    network: Network,
    params: Params,
    optimizer: Optimizer,
    pictures: Tensor,
    targets: Tensor,
    step: u64,
    loss: f64,
}

impl Train {
    pub(crate) fn new(arguments: &Arguments) -> Result<Self> {
        let kind = match arguments.optimizer.context("--optimizer is missing")? {
            Kind::Adam => OptimizerKind::AdamW,
            Kind::Sgd => OptimizerKind::Sgd,
        };
        let config = OptimizerConfig {
            kind,
            lr: 1e-3,
            momentum: 0.9,
            weight_decay: 1e-4,
            decay_norms: false,
            head_lr_factor: 1.0,
            ..OptimizerConfig::default()
        };
        let (network, params) = Checkpoint::read(arguments.model()?)?.network(&Device::Cpu)?;
        let path = arguments.targets.as_deref().context("--targets is missing")?;
        let targets =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let (n, [h, w]) = (arguments.batch, arguments.size());
        Ok(Self {
            network,
            params,
            optimizer: Optimizer::new(&config),
            pictures: Tensor::from_vec(arguments.pictures()?, (n, 3, h, w), &Device::Cpu)?,
            targets: Tensor::from_vec(targets, (n, h, w), &Device::Cpu)?,
            step: 0,
            loss: f64::NAN,
        })
    }

    fn step(&mut self) -> Result<()> {
        let output = self.network.forward(&self.pictures, Pass::Train { draw: self.step })?;
        let loss = loss(output, &self.targets, &Objective::default())?;
        self.loss = f64::from(loss.tensor().to_scalar::<f32>()?);
        let mut gradients = Gradients::default();
        gradients.add(&self.params, loss.backward()?)?;
        self.optimizer.update(&self.params, &gradients, 1.0, self.step, None)?;
        self.step += 1;
        Ok(())
    }
}

impl Work for Train {
    fn run(&mut self) -> Result<()> {
        // As the training program does.
        in_pool(|| self.step())
    }

    fn loss(&self) -> Result<f64> {
        Ok(self.loss)
    }
}
