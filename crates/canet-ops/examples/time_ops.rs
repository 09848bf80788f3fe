//! Times each operation, forward and backward, at sizes the networks use.
//!
//! `cargo run --release -p canet-ops --example time_ops`
//!
//! A convolution's rate is printed in GFLOP/s (forward, and forward plus both gradients).

#![expect(clippy::print_stdout, reason = "the table is what the example is for")]

use std::time::Instant;

use candle_core::{Device, Result, Tensor, Var};
use canet_ops::{
    Activation, ConvGeometry, Corners, CrossEntropy, batch_norm_train, conv2d, cross_entropy,
    max_pool2d, resize_bilinear,
};

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
    let (w, b) = (Var::ones(64, candle_core::DType::F32, &Device::Cpu)?, random(64)?);
    time("batch norm + relu 64 @512, batch 4", || {
        Ok(batch_norm_train(&x, &w, &b, 1e-3, Activation::Relu)?.0)
    })?;
    time("max-pool 2/2 64 @512, batch 4", || max_pool2d(&x, 2, 2, 0))?;
    let x = random((4, 21, 128, 128))?;
    time("resize 21 128->512, batch 4", || resize_bilinear(&x, [512, 512], Corners::HalfPixel))?;
    let x = random((4, 21, 512, 512))?;
    let targets = Tensor::zeros((4, 512, 512), candle_core::DType::U8, &Device::Cpu)?;
    time("cross-entropy 21 @512, batch 4", || cross_entropy(&x, &targets, &CrossEntropy::default()))
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
    let [forward, both] = measure(|| conv2d(&x, &w, None, &geometry))?;
    println!(
        "{name:36} {:8.2} ms {:6.1} GFLOP/s | {:8.2} ms {:6.1} GFLOP/s",
        forward * 1e3,
        flops / forward * 1e-9,
        both * 1e3,
        3.0 * flops / both * 1e-9
    );
    Ok(())
}

fn time(name: &str, op: impl Fn() -> Result<Tensor>) -> Result<()> {
    let [forward, both] = measure(op)?;
    println!("{name:36} {:8.2} ms                | {:8.2} ms", forward * 1e3, both * 1e3);
    Ok(())
}

/// Medians over 5 runs: forward, and forward with backward.
fn measure(op: impl Fn() -> Result<Tensor>) -> Result<[f64; 2]> {
    let mut times = [vec![], vec![]];
    for _ in 0..5 {
        let start = Instant::now();
        let y = op()?;
        times[0].push(start.elapsed().as_secs_f64());
        y.backward()?;
        times[1].push(start.elapsed().as_secs_f64());
    }
    Ok(times.map(|mut t| {
        t.sort_by(f64::total_cmp);
        t[t.len() / 2]
    }))
}
