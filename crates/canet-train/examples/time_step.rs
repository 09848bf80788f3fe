//! What a training step costs, in time and memory.
//!
//! ```text
//! cargo run --release -p canet-train --example time_step -- NETWORK [STEPS]
//! ```
//!
//! NETWORK is `a`, the assignment's network at 512x512 with batch 4 and `AdamW`, or `b`, CANet on
//! ResNet-50 at 240x320 with batch 2 and SGD. The times are medians; the first step only warms up.

#![expect(clippy::print_stdout, reason = "the numbers are what the program is for")]

use std::time::Instant;

use canet_model::{AssignmentConfig, CanetConfig, ModelConfig, Network, Params, Pass};
use canet_model::{Device, Tensor};
use canet_train::config::{OptimizerConfig, OptimizerKind};
use canet_train::loss::{Objective, loss};
use canet_train::optim::{Gradients, Optimizer};
use canet_train::{Error, Result, memory};

#[global_allocator]
static ALLOCATOR: canet_ops::Recycling<mimalloc::MiMalloc> =
    canet_ops::Recycling::with_small(8 << 30, mimalloc::MiMalloc);

const CLASSES: usize = 21;

fn main() -> Result<()> {
    // As the training program does.
    canet_ops::in_pool(time)
}

fn time() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let steps = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(5);
    let (model, optimizer, shape) = setting(&name)?;
    let device = Device::Cpu;
    let mut params = Params::new(1, &device);
    let network = Network::new(&model, &mut params)?;
    let mut optimizer = Optimizer::new(&optimizer);
    let (pictures, targets) = batch(shape)?;
    let mut times = Vec::new();
    for step in 0..=steps {
        let start = Instant::now();
        let output = network.forward(&pictures, Pass::Train { draw: step })?;
        let loss = loss(output, &targets, &Objective::default())?;
        let value = loss.tensor().to_scalar::<f32>()?;
        let forward = start.elapsed();
        let mut gradients = Gradients::default();
        gradients.add(&params, loss.backward()?)?;
        let backward = start.elapsed();
        let norm = gradients.norm()?;
        optimizer.update(&params, &gradients, 1.0, step, None)?;
        drop(gradients);
        let whole = start.elapsed();
        println!("step {step}: loss {value:.4}, gradient {norm:.4e}, {:.0} ms", ms(whole));
        let [forward, backward, whole] = [forward, backward, whole].map(ms);
        times.push([forward, backward - forward, whole - backward, whole]);
    }
    let [forward, backward, update, whole] = medians(&times[1..]);
    println!(
        "forward and loss {forward:.0} ms, backward {backward:.0} ms, update {update:.1} ms, whole {whole:.0} ms"
    );
    println!("peak memory {} MiB", memory::peak_mib().unwrap_or(0));
    Ok(())
}

fn setting(name: &str) -> Result<(ModelConfig, OptimizerConfig, [usize; 4])> {
    let (model, kind, shape) = match name {
        "a" => {
            let config = AssignmentConfig { classes: CLASSES, ..Default::default() };
            (ModelConfig::Assignment(config), OptimizerKind::AdamW, [4, 3, 512, 512])
        }
        "b" => {
            let config = CanetConfig { classes: CLASSES, ..Default::default() };
            (ModelConfig::Canet(config), OptimizerKind::Sgd, [2, 3, 240, 320])
        }
        _ => {
            return Err(Error::Config {
                origin: "NETWORK".into(),
                reason: format!("{name:?} is neither a nor b"),
            });
        }
    };
    Ok((model, OptimizerConfig { kind, ..Default::default() }, shape))
}

/// Noise, and targets in blocks; the same at every run.
fn batch(shape: [usize; 4]) -> Result<(Tensor, Tensor)> {
    let [n, c, h, w] = shape;
    let noise = |i: usize| {
        let hash = canet_core::mix(i as u64);
        (hash >> 40) as f32 / f32::from(1_u16 << 12) / 1024.0 - 2.0
    };
    let pictures: Vec<f32> = (0..n * c * h * w).map(noise).collect();
    let targets: Vec<u8> = (0..n * h * w).map(|i| (i / 1000 % CLASSES) as u8).collect();
    let pictures = Tensor::from_vec(pictures, &shape, &Device::Cpu)?;
    Ok((pictures, Tensor::from_vec(targets, (n, h, w), &Device::Cpu)?))
}

fn ms(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn medians(times: &[[f64; 4]]) -> [f64; 4] {
    std::array::from_fn(|part| {
        let mut part: Vec<f64> = times.iter().map(|step| step[part]).collect();
        part.sort_by(f64::total_cmp);
        part.get(part.len() / 2).copied().unwrap_or(f64::NAN)
    })
}
