//! Whole networks: logits and gradients on the GPU against the CPU's, and logits for other engines.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use candle_core::safetensors::load;
use canet_model::serde_json::{Value as Json, json};
use canet_model::{
    Arithmetic, AssignmentConfig, CanetConfig, Checkpoint, CheckpointMeta, DType, Depth, Device,
    FrozenGpu, FrozenNorms, ModelConfig, Network, Params, Pass, Tensor,
};
use canet_train::loss::{Objective, loss};

use crate::cases::hash;
use crate::correct::distance;

const CLASSES: usize = 7;

/// Pictures, height and width that networks are compared on.
const SIZE: (usize, usize, usize) = (2, 97, 130);

/// Pictures as bytes, a function of the index.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|i| (hash(i as u64) >> 32) as u8).collect()
}

/// Targets in coarse blocks, one of 20 of which is ignored.
pub(crate) fn targets(n: usize, h: usize, w: usize) -> Result<Tensor> {
    let target = |i: usize| {
        let (image, row, column) = (i / (h * w), i / w % h, i % w);
        let hash = hash(((image << 20) + ((row / 16) << 10) + column / 16) as u64);
        if hash.is_multiple_of(20) { 255 } else { (hash / 20 % CLASSES as u64) as u8 }
    };
    let all: Vec<u8> = (0..n * h * w).map(target).collect();
    Ok(Tensor::from_vec(all, (n, h, w), &Device::Cpu)?)
}

/// CANet of a depth, with the auxiliary head.
pub(crate) fn canet(depth: Depth) -> ModelConfig {
    ModelConfig::Canet(CanetConfig { depth, classes: CLASSES, aux: true, ..CanetConfig::default() })
}

pub(crate) fn assignment() -> ModelConfig {
    ModelConfig::Assignment(AssignmentConfig { classes: CLASSES, ..AssignmentConfig::default() })
}

/// Logits in prediction, and gradients in training.
struct Seen {
    logits: Tensor,
    /// Of the frozen network.
    frozen: Tensor,
    loss: f64,
    gradients: Vec<(String, Tensor)>,
}

fn pass(config: &ModelConfig, device: &Device, arithmetic: Arithmetic) -> Result<Seen> {
    let (n, h, w) = SIZE;
    // With norms over the batch, a random network on small maps magnifies rounding beyond all bounds.
    let mut params = Params::new(3, device).with_frozen_norms(FrozenNorms::All);
    let network = Network::new(config, &mut params)?.with_arithmetic(arithmetic)?;
    let normalisation = canet_model::Normalisation::default();
    let x = normalisation.batch(&bytes(n * h * w * 3), [h, w], network.activations(), device)?;
    let home = |t: &Tensor| -> Result<Tensor> {
        Ok(t.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.contiguous()?)
    };
    let logits = home(network.forward(&x, Pass::Eval)?.logits.tensor())?;
    let frozen = if device.is_cuda() {
        home(&FrozenGpu::new(network.lower()?, network.activations(), device)?.logits(&x)?)?
    } else {
        logits.clone()
    };
    let output = network.forward(&x, Pass::Train { draw: 5 })?;
    let loss = loss(output, &targets(n, h, w)?, &Objective::default())?;
    let value = f64::from(loss.tensor().to_scalar::<f32>()?);
    let mut found = loss.backward()?;
    let mut gradients = Vec::new();
    for param in params.trainable() {
        if let Some(gradient) = found.take(&param.var) {
            gradients.push((param.name.clone(), gradient.to_device(&Device::Cpu)?));
        }
    }
    Ok(Seen { logits, frozen, loss: value, gradients })
}

/// The logits of the frozen network alone, on the picture of [`pass`].
fn frozen(config: &ModelConfig, device: &Device, arithmetic: Arithmetic) -> Result<Tensor> {
    let (n, h, w) = SIZE;
    let mut params = Params::new(3, device);
    let network = Network::new(config, &mut params)?;
    let frozen = FrozenGpu::new(network.lower()?, arithmetic.activations(), device)?;
    let x = canet_model::Normalisation::default();
    let x = x.batch(&bytes(n * h * w * 3), [h, w], arithmetic.activations(), device)?;
    Ok(frozen.logits(&x)?.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.contiguous()?)
}

/// All gradients as one vector.
fn joined(seen: &Seen) -> Result<Tensor> {
    let flat = seen.gradients.iter().map(|(_, g)| g.flatten_all());
    Ok(Tensor::cat(&flat.collect::<candle_core::Result<Vec<_>>>()?, 0)?)
}

/// Compares networks. A sign of a ReLU that flips moves all gradients before it, on any two engines, so
/// gradients are held to a bound in `f32` only.
pub(crate) fn all(device: &Device) -> Result<Json> {
    let mut report = json!({});
    let mut wrong = Vec::new();
    for (name, config) in
        [("R18", canet(Depth::D18)), ("R50", canet(Depth::D50)), ("assignment", assignment())]
    {
        let truth = pass(&config, &Device::Cpu, Arithmetic::F32)?;
        for (arithmetic, bound) in
            [(Arithmetic::F32, 1e-3), (Arithmetic::Tf32, 2e-2), (Arithmetic::Bf16, 1e-1)]
        {
            let seen = pass(&config, device, arithmetic)?;
            let logits = distance(&seen.logits, &truth.logits)?;
            let frozen = distance(&seen.frozen, &truth.logits)?;
            let gradients = distance(&joined(&seen)?, &joined(&truth)?)?;
            let key = format!("{name} {arithmetic}");
            println!(
                "network {key}: loss {:.5} (CPU {:.5}), logits {logits:.1e}, frozen {frozen:.1e}, gradients {gradients:.1e}",
                seen.loss, truth.loss
            );
            report[&key] = json!({ "logits": logits, "frozen": frozen, "gradients": gradients });
            let strict = arithmetic != Arithmetic::F32 || gradients < 1e-2;
            if !(logits <= bound && frozen <= bound && strict) {
                wrong.push(key);
            }
        }
        let halves = distance(&frozen(&config, device, Arithmetic::F16)?, &truth.logits)?;
        println!("network {name} f16: frozen {halves:.1e}");
        report[format!("{name} f16")] = json!({ "frozen": halves });
        if halves.is_nan() || halves > 1e-2 {
            wrong.push(format!("{name} f16"));
        }
    }
    if !wrong.is_empty() {
        report["error"] = format!("too far from the CPU: {}", wrong.join(", ")).into();
    }
    Ok(report)
}

fn class(i: u8) -> canet_model::Class {
    canet_model::Class { name: format!("class {i}"), color: canet_model::Rgb([30 * i, 90, 200]) }
}

/// Writes what this GPU makes of a picture, in `f32` and bf16, and the checkpoint and the picture, if they
/// are not there.
pub(crate) fn logits(device: &Device, folder: &Path) -> Result<Json> {
    let file = |name: &str| folder.join(name);
    let (weights, input) = (file("weights.safetensors"), file("input.safetensors"));
    if !weights.exists() {
        std::fs::create_dir_all(folder)?;
        let (mut params, config) = (Params::new(9, device), canet(Depth::D50));
        Network::new(&config, &mut params)?;
        let classes = canet_model::ClassSet {
            name: "seven".into(),
            classes: (0..CLASSES as u8).map(class).collect(),
        };
        Checkpoint::save(&weights, &params, &CheckpointMeta::new(config, classes), &[])?;
        let (n, h, w) = (2, 161, 225);
        let x = canet_model::Normalisation::default();
        let x = x.batch(&bytes(n * h * w * 3), [h, w], DType::F32, &Device::Cpu)?;
        candle_core::safetensors::save(&HashMap::from([("x".to_owned(), x)]), &input)?;
    }
    let checkpoint =
        Checkpoint::read(&weights).with_context(|| format!("cannot read {}", weights.display()))?;
    let (network, _) = checkpoint.network(device)?;
    let x = load(&input, device)?;
    let x = x.get("x").context("input.safetensors has no x")?;
    let mut report = json!({});
    let mut found: HashMap<String, Tensor> = HashMap::new();
    for arithmetic in [Arithmetic::F32, Arithmetic::Bf16] {
        let network = network.clone().with_arithmetic(arithmetic)?;
        let logits = network.forward(x, Pass::Eval)?.logits.into_tensor();
        let logits = logits.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.contiguous()?;
        found.insert(format!("logits-{arithmetic}"), logits);
    }
    candle_core::safetensors::save(&found, file("canet-logits.safetensors"))?;
    if let Ok(torch) = load(file("torch-logits.safetensors"), &Device::Cpu)
        && let Some(torch) = torch.get("logits")
    {
        for (name, ours) in [("f32", "logits-f32"), ("bf16", "logits-bf16")] {
            let off = distance(&found[ours], torch)?;
            println!("logits {name} against PyTorch's f32: {off:.1e}");
            report[name] = off.into();
        }
    }
    Ok(report)
}
