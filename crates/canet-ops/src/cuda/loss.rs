//! Cross-entropy, and the class of each pixel.

use candle_core::{DType, Result, Tensor};

use super::gpu::{Arg, BLOCK, gpu, int, long, typed};
use super::map::{ptr, shown, stored};
use crate::graph::{Gradient, Value};

/// What [`best_class`] says of pixels whose logits are not all finite.
pub const NOT_FINITE: u8 = 255;

/// Blocks that pixels are shared out to: the shares of the loss.
const MOST_SHARES: usize = 2048;

/// See [`crate::cross_entropy`]. `targets` are classes or of weight 0; `weights` says what a pixel
/// counts by its target, `scale` is what the sum is multiplied by.
///
/// Nothing is kept but the logits: the gradient takes the softmax again, which costs less than to write
/// it and read it.
pub(crate) fn cross_entropy(
    logits: &Value,
    targets: &[u8],
    weights: &[f64; 256],
    scale: f64,
) -> Result<Value> {
    let x = stored(logits.tensor())?;
    let ((n, h, w, classes), gpu) = (x.dims4()?, gpu(&x)?);
    let (pixels, device) = (n * h * w, x.device());
    let targets = Tensor::from_slice(targets, pixels, device)?;
    let weights = Tensor::from_slice(&weights.map(|v| v as f32), 256, device)?;
    let blocks = pixels.div_ceil(BLOCK).clamp(1, MOST_SHARES);
    let shares = gpu.empty(blocks, DType::F32)?;
    let inputs = [ptr(&x)?, ptr(&targets)?, ptr(&weights)?];
    let args = [&inputs[..], &[ptr(&shares)?, long(pixels), int(classes)]].concat();
    gpu.launch(&typed("cross_entropy", x.dtype())?, [blocks, 1, 1], &args)?;
    let loss = gpu.empty((), DType::F32)?;
    let scale = Arg::Float(scale as f32);
    let args = [ptr(&shares)?, ptr(&loss)?, int(blocks), int(1), scale, long(1), long(1)];
    gpu.launch("add_shares_f32", [1, 1, 1], &args)?;
    Ok(Value::of(loss, &[logits], move |gy| {
        let gpu = super::gpu::gpu(&x)?;
        let gx = gpu.empty(x.shape(), x.dtype())?;
        let inputs = [ptr(&x)?, ptr(&targets)?, ptr(&weights)?, ptr(gy.tensor())?, scale];
        let args = [&inputs[..], &[ptr(&gx)?, long(pixels), int(classes)]].concat();
        gpu.each(&typed("cross_entropy_backward", x.dtype())?, pixels, &args)?;
        Ok(vec![Some(Gradient::Own(shown(&gx)?))])
    }))
}

/// The class with the largest logit of each pixel, the first of equals: `(N, C, H, W)` to `(N, H, W)` of
/// `u8`; [`NOT_FINITE`] where a logit is not.
pub fn best_class(logits: &Tensor) -> Result<Tensor> {
    let x = stored(logits)?;
    let ((n, h, w, classes), gpu) = (x.dims4()?, gpu(&x)?);
    let to = gpu.empty((n, h, w), DType::U8)?;
    let args = [ptr(&x)?, ptr(&to)?, long(n * h * w), int(classes)];
    gpu.each(&typed("best_class", x.dtype())?, n * h * w, &args)?;
    Ok(to)
}
