//! Each operation once more, in plain candle operations whose gradients are right.
//!
//! None of candle's convolutions, poolings, resizes, normalisations or activations is used, only
//! arithmetic, reductions, `matmul`, choices and changes of shape. Slow, and short enough to be
//! believed. Kernels are tested against this module, and devices without a kernel run it.

use candle_core::{DType, Device, Result, Shape, Tensor};

use crate::dropout::is_dropped;
use crate::geometry::ConvGeometry;
use crate::grid::{Corners, bin, samples};
use crate::{Activation, BatchStats};

mod losses;

pub use losses::{cce_dice, cross_entropy, dice, focal, lovasz_softmax, ohem};

/// See [`crate::conv2d`]: all shifted and strided views of the padded input, stacked, times the
/// weights.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    geometry: &ConvGeometry,
) -> Result<Tensor> {
    let g = geometry;
    let (n, inputs, _, _) = x.dims4()?;
    let (outputs, inputs_a_group, kh, kw) = weight.dims4()?;
    let padded = x.pad_with_zeros(2, g.padding[0][0], g.padding[0][1])?.pad_with_zeros(
        3,
        g.padding[1][0],
        g.padding[1][1],
    )?;
    let length = |axis: usize, k: usize| -> Result<usize> {
        Ok((padded.dim(2 + axis)? - g.dilation[axis] * (k - 1) - 1) / g.stride[axis] + 1)
    };
    let (oh, ow) = (length(0, kh)?, length(1, kw)?);
    let mut views = Vec::with_capacity(kh * kw);
    for ky in 0..kh {
        for kx in 0..kw {
            let rows = take(&padded, 2, ky * g.dilation[0], g.stride[0], oh)?;
            views.push(take(&rows, 3, kx * g.dilation[1], g.stride[1], ow)?);
        }
    }
    // (N, groups, I / groups * kh * kw, pixels), taps innermost as in the weights.
    let columns =
        Tensor::stack(&views, 2)?.reshape((n, g.groups, inputs / g.groups * kh * kw, oh * ow))?;
    let rows = weight.reshape((1, g.groups, outputs / g.groups, inputs_a_group * kh * kw))?;
    let y = rows.broadcast_matmul(&columns)?.reshape((n, outputs, oh, ow))?;
    match bias {
        Some(bias) => y.broadcast_add(&bias.reshape((1, outputs, 1, 1))?),
        None => Ok(y),
    }
}

/// Every `stride`-th of `count` elements of an axis, from `start`.
fn take(x: &Tensor, axis: usize, start: usize, stride: usize, count: usize) -> Result<Tensor> {
    let needed = start + count * stride;
    let x = x.pad_with_zeros(axis, 0, needed.saturating_sub(x.dim(axis)?))?;
    let x = x.narrow(axis, start, count * stride)?;
    let mut shape = x.dims().to_vec();
    shape[axis] = count;
    shape.insert(axis + 1, stride);
    x.contiguous()?.reshape(shape)?.narrow(axis + 1, 0, 1)?.squeeze(axis + 1)
}

/// See [`crate::relu`].
pub fn relu(x: &Tensor) -> Result<Tensor> {
    // Not candle's relu, whose gradient at 0 is 1.
    x * x.gt(0.0)?.to_dtype(x.dtype())?
}

/// See [`crate::sigmoid`]; by `tanh`, so that neither value nor gradient overflows.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    ((x * 0.5)?.tanh()? * 0.5)? + 0.5
}

/// See [`crate::add_relu`].
pub fn add_relu(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    relu(&(a + b)?)
}

/// See [`crate::gate`].
pub fn gate(x: &Tensor, factor: &Tensor, keep: bool) -> Result<Tensor> {
    let y = x.broadcast_mul(factor)?;
    if keep { y + x } else { Ok(y) }
}

/// See [`crate::concat`].
pub fn concat(parts: &[Tensor]) -> Result<Tensor> {
    Tensor::cat(parts, 1)
}

/// See [`crate::spread`].
pub fn spread(x: &Tensor, [h, w]: [usize; 2]) -> Result<Tensor> {
    let (n, c, _, _) = x.dims4()?;
    x.broadcast_as((n, c, h, w))?.contiguous()
}

/// See [`crate::dropout`].
pub fn dropout(x: &Tensor, p: f64, key: u64) -> Result<Tensor> {
    let scale = 1.0 / (1.0 - p);
    let mask = (0..x.elem_count() as u64).map(|i| if is_dropped(key, i, p) { 0.0 } else { scale });
    x * constant(mask.collect(), x.shape(), x)?
}

/// See [`crate::drop_samples`].
pub fn drop_samples(x: &Tensor, p: f64, key: u64) -> Result<Tensor> {
    let scale = 1.0 / (1.0 - p);
    let n = x.dim(0)?;
    let mask = (0..n as u64).map(|i| if is_dropped(key, i, p) { 0.0 } else { scale });
    let mut shape = vec![1; x.rank()];
    shape[0] = n;
    x.broadcast_mul(&constant(mask.collect(), shape, x)?)
}

/// What follows the scaling of a batch norm.
fn finish(y: Tensor, residual: Option<&Tensor>, activation: Activation) -> Result<Tensor> {
    let y = match residual {
        Some(residual) => (y + residual)?,
        None => y,
    };
    match activation {
        Activation::None => Ok(y),
        Activation::Relu => relu(&y),
    }
}

/// See [`crate::batch_norm_train`].
pub fn batch_norm_train(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
    residual: Option<&Tensor>,
    activation: Activation,
) -> Result<(Tensor, BatchStats)> {
    let (n, c, h, w) = x.dims4()?;
    let count = (n * h * w) as f64;
    let mean = (x.sum_keepdim((0, 2, 3))? / count)?;
    let centred = x.broadcast_sub(&mean)?;
    let var = (centred.sqr()?.sum_keepdim((0, 2, 3))? / count)?;
    let xhat = centred.broadcast_div(&(&var + eps)?.sqrt()?)?;
    let y = xhat
        .broadcast_mul(&weight.reshape((1, c, 1, 1))?)?
        .broadcast_add(&bias.reshape((1, c, 1, 1))?)?;
    let unbiased = (var.detach() * (count / (count - 1.0).max(1.0)))?;
    let stats = BatchStats { mean: mean.detach().flatten_all()?, var: unbiased.flatten_all()? };
    Ok((finish(y, residual, activation)?, stats))
}

/// See [`crate::batch_norm_frozen`].
#[expect(clippy::too_many_arguments, reason = "those of the operation")]
pub fn batch_norm_frozen(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    mean: &Tensor,
    var: &Tensor,
    eps: f64,
    residual: Option<&Tensor>,
    activation: Activation,
) -> Result<Tensor> {
    let over = |t: &Tensor| t.reshape((1, t.elem_count(), 1, 1));
    let (mean, var) = (mean.detach(), var.detach());
    let y = x
        .broadcast_sub(&over(&mean)?)?
        .broadcast_div(&(over(&var)? + eps)?.sqrt()?)?
        .broadcast_mul(&over(weight)?)?
        .broadcast_add(&over(bias)?)?;
    finish(y, residual, activation)
}

/// See [`crate::max_pool2d`]: a running choice between shifted views, in reading order, so that the
/// first of equal values keeps the gradient.
pub fn max_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let (oh, ow) =
        ((h + 2 * padding - kernel) / stride + 1, (w + 2 * padding - kernel) / stride + 1);
    // Padding must lose against every value.
    let least = x.detach().flatten_all()?.min(0)?.to_device(&Device::Cpu)?;
    let lowest = least.to_dtype(DType::F64)?.to_scalar::<f64>()? - 1.0;
    let lifted =
        (x - lowest)?.pad_with_zeros(2, padding, padding)?.pad_with_zeros(3, padding, padding)?;
    let mut best: Option<Tensor> = None;
    for ky in 0..kernel {
        for kx in 0..kernel {
            let view = take(&take(&lifted, 2, ky, stride, oh)?, 3, kx, stride, ow)?;
            best = Some(match best {
                None => view,
                Some(best) => view.gt(&best)?.where_cond(&view, &best)?,
            });
        }
    }
    match best {
        Some(best) => best + lowest,
        None => candle_core::bail!("a pooling window of 0x0 has no value"),
    }
}

/// See [`crate::adaptive_avg_pool2d`]: a product with a constant matrix on either side.
pub fn adaptive_avg_pool2d(x: &Tensor, out: [usize; 2]) -> Result<Tensor> {
    let matrix = |n: usize, out: usize| {
        let mut values = vec![0f64; out * n];
        for i in 0..out {
            let bin = bin(i, out, n);
            let share = 1.0 / bin.len() as f64;
            values[i * n..][bin].fill(share);
        }
        constant(values, (out, n), x)
    };
    let (_, _, h, w) = x.dims4()?;
    apply_axes(x, &matrix(h, out[0])?, &matrix(w, out[1])?)
}

/// See [`crate::resize_bilinear`]: a product with a constant matrix on either side.
pub fn resize_bilinear(x: &Tensor, out: [usize; 2], corners: Corners) -> Result<Tensor> {
    let matrix = |n: usize, out: usize| {
        let mut values = vec![0f64; out * n];
        for (row, s) in values.chunks_exact_mut(n).zip(samples::<f64>(n, out, corners)) {
            row[s.low] += 1.0 - s.weight;
            row[s.high] += s.weight;
        }
        constant(values, (out, n), x)
    };
    let (_, _, h, w) = x.dims4()?;
    apply_axes(x, &matrix(h, out[0])?, &matrix(w, out[1])?)
}

/// Numbers as a tensor of the type and device of `like`; not every device knows f64.
fn constant(values: Vec<f64>, shape: impl Into<Shape>, like: &Tensor) -> Result<Tensor> {
    let here = Tensor::from_vec(values, shape.into(), &Device::Cpu)?;
    here.to_dtype(like.dtype())?.to_device(like.device())
}

/// `rows * x * columns^T`, plane by plane.
fn apply_axes(x: &Tensor, rows: &Tensor, columns: &Tensor) -> Result<Tensor> {
    let along = x.contiguous()?.broadcast_matmul(&columns.t()?)?;
    rows.broadcast_matmul(&along)
}
