//! How fast training and inference are, and what memory they take.

use std::time::Instant;

use anyhow::Result;
use canet_model::serde_json::{Value as Json, json};
use canet_model::{
    Arithmetic, DType, Depth, Device, FrozenGpu, ModelConfig, Network, Normalisation, Params, Pass,
    Tensor,
};
use canet_ops::cuda::{Recorded, Targets, overwrite};
use canet_ops::{CrossEntropy, Judge};
use canet_train::config::{OptimizerConfig, OptimizerKind};
use canet_train::loss::{Objective, Truth, loss};
use canet_train::optim::{Gradients, Optimizer};

use crate::networks::{assignment, bytes, canet, targets as targets_on_host};

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Row {
    Train { name: &'static str, depth: Option<Depth>, size: usize, batch: usize },
    Infer { name: &'static str, batch: usize, arithmetic: Arithmetic },
}

/// Height and width of the pictures of predictions.
const FRAME: [usize; 2] = [720, 1280];

/// Those of `benches/peers/gpu.py`, and predictions in f16.
pub(crate) const ROWS: [Row; 7] = [
    Row::Train { name: "train-r50", depth: Some(Depth::D50), size: 480, batch: 16 },
    Row::Train { name: "train-r101", depth: Some(Depth::D101), size: 480, batch: 16 },
    Row::Train { name: "train-assignment", depth: None, size: 512, batch: 8 },
    Row::Infer { name: "infer-r50-b1", batch: 1, arithmetic: Arithmetic::Bf16 },
    Row::Infer { name: "infer-r50-b8", batch: 8, arithmetic: Arithmetic::Bf16 },
    Row::Infer { name: "infer-r50-b1-f16", batch: 1, arithmetic: Arithmetic::F16 },
    Row::Infer { name: "infer-r50-b8-f16", batch: 8, arithmetic: Arithmetic::F16 },
];

/// Milliseconds of a repetition: the median of blocks, after some to warm up, and what queueing one
/// takes.
fn timed(
    device: &Device,
    seconds: f64,
    mut work: impl FnMut() -> Result<()>,
) -> Result<(f64, f64)> {
    let start = Instant::now();
    for _ in 0..3 {
        work()?;
    }
    canet_ops::cuda::synchronise(device)?;
    println!("    warm after {:.1} s", start.elapsed().as_secs_f64());
    let once = Instant::now();
    work()?;
    let queueing = once.elapsed().as_secs_f64();
    canet_ops::cuda::synchronise(device)?;
    let one = once.elapsed().as_secs_f64();
    let repeats = ((seconds / 7.0 / one) as usize).max(1);
    let mut blocks = Vec::new();
    for _ in 0..7 {
        let start = Instant::now();
        for _ in 0..repeats {
            work()?;
        }
        canet_ops::cuda::synchronise(device)?;
        blocks.push(start.elapsed().as_secs_f64() / repeats as f64);
    }
    blocks.sort_by(f64::total_cmp);
    Ok((1e3 * blocks[3], 1e3 * queueing))
}

/// A recorded pass, and what it gives.
fn recorded<R>(
    device: &Device,
    draw: &Tensor,
    work: impl FnOnce() -> candle_core::Result<R>,
) -> candle_core::Result<(Recorded, R)> {
    let _turn = canet_ops::cuda::turn();
    Recorded::new(device, draw, work)
}

impl Row {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Train { name, .. } | Self::Infer { name, .. } => name,
        }
    }

    pub(crate) fn measure(&self, device: &Device, seconds: f64, profile: bool) -> Result<Json> {
        match *self {
            Self::Train { depth, size, batch, .. } => {
                let config = depth.map_or_else(assignment, canet);
                self.train(&config, device, [size, batch], seconds, profile)
            }
            Self::Infer { batch, arithmetic, .. } => {
                self.infer(device, batch, arithmetic, seconds, profile)
            }
        }
    }

    fn train(
        &self,
        model: &ModelConfig,
        device: &Device,
        [size, batch]: [usize; 2],
        seconds: f64,
        profile: bool,
    ) -> Result<Json> {
        let mut params = Params::new(1, device);
        let network = Network::new(model, &mut params)?.with_arithmetic(Arithmetic::Bf16)?;
        let kind = match model {
            ModelConfig::Canet(_) => OptimizerKind::Sgd,
            ModelConfig::Assignment(_) => OptimizerKind::AdamW,
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
        let mut optimizer = Optimizer::new(&config);
        let (bytes, objective) = (bytes(batch * size * size * 3), Objective::default());
        let pictures = Normalisation::default().buffer([batch, size, size], device)?;
        pictures.fill(&bytes)?;
        let (pixels, options) = (batch * size * size, CrossEntropy::default());
        let targets = Targets::new(pixels, model.classes(), &options, device)?;
        let classes = targets_on_host(batch, size, size)?.flatten_all()?.to_vec1::<u8>()?;
        targets.fill(&classes)?;
        let draw = Tensor::zeros(8, DType::U8, device)?;
        let pass = |number: u64| -> candle_core::Result<(Tensor, Gradients)> {
            let x = pictures.normalised(network.activations())?;
            let output = network.forward(&x, Pass::Train { draw: number });
            let output = output.map_err(candle_core::Error::wrap)?;
            let loss = loss(output, Truth::Gpu(&targets), &objective);
            let loss = loss.map_err(candle_core::Error::wrap)?;
            let value = loss.tensor().clone();
            let mut gradients = Gradients::default();
            gradients.add(&params, loss.backward()?).map_err(candle_core::Error::wrap)?;
            Ok((value, gradients))
        };
        // What the second one takes is what a pass needs; a recorded one has as much of its own.
        let mut peaks = [0; 2];
        for number in 0..2 {
            canet_ops::cuda::pool_peak(device)?;
            let (_, gradients) = pass(number)?;
            optimizer.update(&params, &gradients, 1.0, number, None)?;
            canet_ops::cuda::synchronise(device)?;
            peaks = canet_ops::cuda::pool_peak(device)?;
        }
        let spent =
            if profile { where_it_goes(device, || pass(0).map(drop))? } else { json!(null) };
        let (recorded, (last, gradients)) = recorded(device, &draw, || pass(0))?;
        // As a training does: loss and norm of a step are read when the next one is queued.
        let (mut number, losses) = (2_u64, [last]);
        let (mut judge, mut before) = (Judge::new(device)?, None);
        let mut step = || -> Result<()> {
            overwrite(&draw, &number.to_ne_bytes())?;
            recorded.replay()?;
            let told = gradients.judge(&mut judge, &losses, None)?;
            optimizer.update(&params, &gradients, 1.0, number, Some(&judge))?;
            number += 1;
            if let Some(told) = before.replace(told) {
                let verdict = judge.hear(told)?;
                anyhow::ensure!(!verdict.is_refused, "diverged: {verdict:?}");
            }
            Ok(())
        };
        let (ms, queueing) = timed(device, seconds, &mut step)?;
        let loss = Some(losses[0].to_scalar::<f32>()?);
        Ok(self.tell(batch, [ms, queueing], peaks, loss, &spent))
    }

    fn infer(
        &self,
        device: &Device,
        batch: usize,
        arithmetic: Arithmetic,
        seconds: f64,
        profile: bool,
    ) -> Result<Json> {
        let mut params = Params::new(1, device);
        let network = Network::new(&canet(Depth::D50), &mut params)?;
        let network = FrozenGpu::new(network.lower()?, arithmetic.activations(), device)?;
        let bytes = bytes(batch * FRAME[0] * FRAME[1] * 3);
        let x = Normalisation::default().batch(&bytes, FRAME, network.activations(), device)?;
        let segment = || canet_ops::cuda::best_class(&network.logits(&x)?);
        let mut peaks = [0; 2];
        for _ in 0..2 {
            canet_ops::cuda::pool_peak(device)?;
            segment()?;
            canet_ops::cuda::synchronise(device)?;
            peaks = canet_ops::cuda::pool_peak(device)?;
        }
        let spent =
            if profile { where_it_goes(device, || segment().map(drop))? } else { json!(null) };
        let draw = Tensor::zeros(8, DType::U8, device)?;
        let (recorded, _masks) = recorded(device, &draw, segment)?;
        let mut run = || -> Result<()> { Ok(recorded.replay()?) };
        let (ms, queueing) = timed(device, seconds, &mut run)?;
        Ok(self.tell(batch, [ms, queueing], peaks, None, &spent))
    }

    fn tell(
        &self,
        batch: usize,
        [ms, queueing]: [f64; 2],
        [used, reserved]: [u64; 2],
        loss: Option<f32>,
        spent: &Json,
    ) -> Json {
        let (rate, mib) = (1e3 * batch as f64 / ms, |bytes: u64| bytes >> 20);
        let name = self.name();
        println!(
            "{name}: {ms:.2} ms, {rate:.1} images/s, queued in {queueing:.2} ms, memory {} MiB of {} reserved, loss {loss:?}",
            mib(used),
            mib(reserved)
        );
        json!({
            "ms": ms, "images_per_second": rate, "queueing_ms": queueing, "used_mib": mib(used),
            "reserved_mib": mib(reserved), "loss": loss, "spent": spent,
        })
    }
}

/// The kernels of one repetition by what they take.
fn where_it_goes(device: &Device, work: impl FnOnce() -> candle_core::Result<()>) -> Result<Json> {
    let spent = canet_ops::cuda::profile(device, work)?;
    let all: f64 = spent.iter().map(|one| one.milliseconds).sum();
    println!("    kernels {all:.2} ms");
    for one in spent.iter().take(16) {
        println!("    {:8.3} ms {:4} x {}", one.milliseconds, one.count, one.name);
    }
    let row = |one: &canet_ops::cuda::Spent| json!([one.name, one.count, one.milliseconds]);
    Ok(spent.iter().map(row).collect())
}
