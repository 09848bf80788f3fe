//! Times each operation, forward and backward, at sizes the networks use.
//!
//! `cargo run --release -p canet-ops --example time_ops`
//!
//! A convolution's rate is printed in GFLOP/s (forward, and forward plus both gradients).

#![expect(clippy::print_stdout, reason = "the table is what the example is for")]

use std::time::Instant;

use candle_core::{DType, Device, Result, Tensor, Var};
use canet_ops::{
    Activation, ConvGeometry, Corners, CrossEntropy, Dice, Focal, Ohem, Value, adaptive_avg_pool2d,
    batch_norm_train, cce_dice, concat, conv2d, cross_entropy, dice, dropout, focal, gate,
    lovasz_softmax, max_pool2d, ohem, relu, resize_bilinear, scale, sigmoid,
};

/// That of the training program: it keeps the memory it was given back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    conv("stem 3x3 3->64 @512", [3, 64, 3, 512], 1, 1)?;
    conv("3x3 64->21 @128", [64, 21, 3, 128], 1, 1)?;
    conv("1x1 64->4 @256", [64, 4, 1, 256], 1, 1)?;
    conv("3x3s2 64->8 @256", [64, 8, 3, 256], 2, 1)?;
    conv("3x3 32->32 @64", [32, 32, 3, 64], 1, 1)?;
    conv("3x3 64->64 @128", [64, 64, 3, 128], 1, 1)?;
    conv("1x1 256->1024 @64", [256, 1024, 1, 64], 1, 1)?;
    conv("3x3 d2 256->256 @64", [256, 256, 3, 64], 1, 2)?;
    conv("3x3 d4 512->512 @64", [512, 512, 3, 64], 1, 4)?;
    conv("3x3s2 128->128 @128", [128, 128, 3, 128], 2, 1)?;

    let x = random((4, 64, 512, 512))?;
    let (w, b) = (random(64)?, random(64)?);
    time("batch norm + relu 64 @512, batch 4", &[&x, &w, &b], |t| {
        Ok(batch_norm_train(&t[0], &t[1], &t[2], 1e-3, None, Activation::Relu)?.0)
    })?;
    time("max-pool 2/2 64 @512, batch 4", &[&x], |t| max_pool2d(&t[0], 2, 2, 0))?;
    time("max-pool 3/2 64 @512, batch 4", &[&x], |t| max_pool2d(&t[0], 3, 2, 1))?;
    time("relu 64 @512, batch 4", &[&x], |t| relu(&t[0]))?;
    let x = random((2, 256, 64, 64))?;
    let (w, b, r) = (random(256)?, random(256)?, random((2, 256, 64, 64))?);
    time("batch norm + relu 256 @64, batch 2", &[&x, &w, &b], |t| {
        Ok(batch_norm_train(&t[0], &t[1], &t[2], 1e-3, None, Activation::Relu)?.0)
    })?;
    time("  with a residual", &[&x, &w, &b, &r], |t| {
        let residual = Some(&t[3]);
        Ok(batch_norm_train(&t[0], &t[1], &t[2], 1e-3, residual, Activation::Relu)?.0)
    })?;
    let x = random((4, 21, 128, 128))?;
    time("resize 21 128->512, batch 4", &[&x], |t| {
        resize_bilinear(&t[0], [512, 512], Corners::HalfPixel)
    })?;
    let x = random((4, 512, 64, 64))?;
    time("average pool 512 @64->1, batch 4", &[&x], |t| adaptive_avg_pool2d(&t[0], [1, 1]))?;
    time("average pool 512 @64->32, batch 4", &[&x], |t| adaptive_avg_pool2d(&t[0], [32, 32]))?;
    let (a, g) = (random((4, 32, 128, 128))?, random((4, 32, 1, 1))?);
    let c = random((4, 64, 128, 128))?;
    time("gate 32 @128, batch 4", &[&a, &g], |t| gate(&t[0], &t[1], true))?;
    time("sigmoid 32 @128, batch 4", &[&a], |t| sigmoid(&t[0]))?;
    time("dropout 32 @128, batch 4", &[&a], |t| dropout(&t[0], 0.1, 7))?;
    time("concat 32 + 64 @128, batch 4", &[&a, &c], |t| concat(&[&t[0], &t[1]]))?;
    let x = random((4, 21, 512, 512))?;
    let targets = (0..4 * 512 * 512).map(|i| (i / 100 % 21) as u8).collect();
    let targets = Tensor::from_vec::<_, u8>(targets, (4, 512, 512), &Device::Cpu)?;
    let options = CrossEntropy::default();
    time("cross-entropy 21 @512, batch 4", &[&x], |t| cross_entropy(&t[0], &targets, &options))?;
    time("  focal", &[&x], |t| focal(&t[0], &targets, &Focal::default()))?;
    time("  ohem", &[&x], |t| ohem(&t[0], &targets, &Ohem::default()))?;
    time("  dice", &[&x], |t| dice(&t[0], &targets, &Dice::default()))?;
    time("  cce_dice", &[&x], |t| cce_dice(&t[0], &targets, 255))?;
    time("  lovasz", &[&x], |t| lovasz_softmax(&t[0], &targets, 255))
}

fn random(shape: impl Into<candle_core::Shape>) -> Result<Var> {
    Var::randn(0f32, 1.0, shape, &Device::Cpu)
}

fn conv(name: &str, [i, o, k, side]: [usize; 4], stride: usize, dilation: usize) -> Result<()> {
    let (x, w) = (random((1, i, side, side))?, random((o, i, k, k))?);
    let geometry = ConvGeometry::default()
        .with_stride(stride)
        .with_dilation(dilation)
        .with_padding(dilation * (k / 2));
    let flops = (2 * i * o * k * k * (side / stride) * (side / stride)) as f64;
    let [forward, both] = measure(&[&x, &w], |t| conv2d(&t[0], &t[1], None, &geometry))?;
    println!(
        "{name:36} {:8.2} ms {:6.1} GFLOP/s | {:8.2} ms {:6.1} GFLOP/s",
        forward * 1e3,
        flops / forward * 1e-9,
        both * 1e3,
        3.0 * flops / both * 1e-9
    );
    Ok(())
}

fn time(name: &str, inputs: &[&Var], op: impl Fn(&[Value]) -> Result<Value>) -> Result<()> {
    let [forward, both] = measure(inputs, op)?;
    println!("{name:36} {:8.2} ms                | {:8.2} ms", forward * 1e3, both * 1e3);
    Ok(())
}

/// Medians: forward, and forward with backward. The gradient that comes in is made by another
/// operation, whose time is taken off again: the one at hand may work in its memory, as in the middle
/// of a network.
fn measure(inputs: &[&Var], op: impl Fn(&[Value]) -> Result<Value>) -> Result<[f64; 2]> {
    const RUNS: usize = 9;
    let values: Vec<Value> = inputs.iter().map(|var| Value::variable(var)).collect();
    let (mut forward, mut with, mut without) = (vec![], vec![], vec![]);
    for _ in 0..RUNS {
        let (seconds, y) = seconds(|| op(&values))?;
        forward.push(seconds);
        with.push(backward_of_copy(y)?);
    }
    let shape = op(&values)?.tensor().shape().clone();
    let plain = Value::variable(&Var::zeros(shape, DType::F32, &Device::Cpu)?);
    for _ in 0..RUNS {
        without.push(backward_of_copy(plain.clone())?);
    }
    let [forward, with, without] = [forward, with, without].map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    Ok([forward, forward + with - without])
}

/// Seconds of a backward pass through `y`, and through an operation after it that copies.
fn backward_of_copy(y: Value) -> Result<f64> {
    let last = scale(&y, 1.0)?;
    let seed = last.tensor().clone();
    drop(y);
    Ok(seconds(|| last.backward_from(seed))?.0)
}

fn seconds<R>(work: impl FnOnce() -> Result<R>) -> Result<(f64, R)> {
    let start = Instant::now();
    let result = work()?;
    Ok((start.elapsed().as_secs_f64(), result))
}
