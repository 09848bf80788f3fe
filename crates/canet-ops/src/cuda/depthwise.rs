//! Convolutions with one filter a channel.

use candle_core::{DType, Result, Tensor};

use super::gpu::{Arg, gpu, int, long, vector, vectorised};
use super::map::ptr;
use super::norm::{Columns, adders};
use crate::geometry::Problem;

/// Weights `(C, 1, kh, kw)` as `(taps, C)`.
pub(super) fn packed(weight: &Tensor) -> Result<Tensor> {
    let ((c, _, kh, kw), gpu) = (weight.dims4()?, gpu(weight)?);
    let to = gpu.empty((kh * kw, c), DType::F32)?;
    let args = [ptr(weight)?, ptr(&to)?, int(1), int(c), int(kh * kw)];
    gpu.each("pack_weight_f32", weight.elem_count(), &args)?;
    Ok(to)
}

/// Kernel, stride, dilation, and padding at the top and left.
fn filter(p: &Problem) -> [Arg; 8] {
    let g = p.geometry;
    let ([kh, kw], [sy, sx], [dy, dx]) = (p.kernel, g.stride, g.dilation);
    [kh, kw, sy, sx, dy, dx, g.padding[0][0], g.padding[1][0]].map(int)
}

fn sizes(p: &Problem) -> [Arg; 6] {
    [p.batch, p.input[0], p.input[1], p.output[0], p.output[1], p.inputs].map(int)
}

/// `x` `(N, H, W, C)`, `weight` `(taps, C)`.
pub(super) fn forward(p: &Problem, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (gpu, v) = (gpu(x)?, vector(x.dtype(), p.inputs));
    let y = gpu.empty((p.batch, p.output[0], p.output[1], p.inputs), x.dtype())?;
    let args = [&[ptr(x)?, ptr(weight)?, ptr(&y)?][..], &sizes(p), &filter(p)].concat();
    gpu.each(&vectorised("depthwise", x.dtype(), v)?, y.elem_count() / v, &args)?;
    Ok(y)
}

/// `(N, H, W, C)`.
pub(super) fn input_gradient(p: &Problem, weight: &Tensor, gy: &Tensor) -> Result<Tensor> {
    let (gpu, v) = (gpu(gy)?, vector(gy.dtype(), p.inputs));
    let gx = gpu.empty((p.batch, p.input[0], p.input[1], p.inputs), gy.dtype())?;
    let args = [&[ptr(gy)?, ptr(weight)?, ptr(&gx)?][..], &sizes(p), &filter(p)].concat();
    gpu.each(&vectorised("depthwise_input", gy.dtype(), v)?, gx.elem_count() / v, &args)?;
    Ok(gx)
}

/// `(C, 1, kh, kw)` of `f32`.
pub(super) fn weight_gradient(p: &Problem, x: &Tensor, gy: &Tensor) -> Result<Tensor> {
    let (gpu, taps, channels) = (gpu(gy)?, p.kernel_size(), p.inputs);
    let c = Columns::new(gy.dtype(), p.batch * p.output_pixels(), channels);
    let shares = gpu.empty((taps, c.shares, channels), DType::F32)?;
    let args = [&[ptr(x)?, ptr(gy)?, ptr(&shares)?][..], &sizes(p), &[int(c.width)], &filter(p)];
    let name = vectorised("depthwise_weight", gy.dtype(), c.vector)?;
    gpu.launch(&name, [c.across, c.shares, taps], &args.concat())?;
    let to = gpu.empty((channels, 1, p.kernel[0], p.kernel[1]), DType::F32)?;
    let ends = [ptr(&shares)?, ptr(&to)?, int(c.shares), int(channels), Arg::Float(1.0)];
    let args = [&ends[..], &[long(1), long(taps)]].concat();
    gpu.launch("add_shares_f32", [adders(channels), taps, 1], &args)?;
    Ok(to)
}
