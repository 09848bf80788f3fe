//! Cross-entropy, and the class of each pixel.

use candle_core::{DType, Device, Result, Tensor};

use super::gpu::{Arg, BLOCK, gpu, int, long, typed};
use super::map::{ptr, shown, stored};
use super::uploads::Fill;
use crate::CrossEntropy;
use crate::graph::{Gradient, Value};
use crate::loss::Counts;

/// What [`best_class`] says of pixels whose logits are not all finite.
pub const NOT_FINITE: u8 = 255;

/// Blocks that pixels are shared out to: the shares of the loss.
const MOST_SHARES: usize = 2048;

/// The targets of a batch on a GPU, and what a pixel of each counts in a cross-entropy. They can be filled
/// again: a pass that is replayed reads them where they are. Before, they count nothing.
#[derive(Debug, Clone)]
pub struct Targets {
    /// `(N H W)` of `u8`.
    ids: Tensor,
    /// By target, `(256)`; the weights of all pixels add up to 1.
    weights: Tensor,
    classes: usize,
    options: CrossEntropy,
}

impl Targets {
    /// Room for so many pixels, of so many classes.
    pub fn new(
        pixels: usize,
        classes: usize,
        options: &CrossEntropy,
        device: &Device,
    ) -> Result<Self> {
        let ids = Tensor::zeros(pixels, DType::U8, device)?;
        let weights = Tensor::zeros(256, DType::F32, device)?;
        Ok(Self { ids, weights, classes, options: options.clone() })
    }

    /// Takes the targets of a batch. One that is neither a class nor ignored is an error.
    pub fn fill(&self, ids: &[u8]) -> Result<()> {
        self.fills(ids)?.iter().try_for_each(Fill::put)
    }

    /// The same, to be sent.
    pub fn fills<'a>(&'a self, ids: &'a [u8]) -> Result<[Fill<'a>; 2]> {
        let CrossEntropy { ignore, class_weights } = &self.options;
        let counts = Counts::new(ids, self.classes, *ignore, class_weights.as_deref())?;
        let weights = counts.weights.map(|weight| ((weight * counts.scale) as f32).to_ne_bytes());
        let weights = weights.as_flattened().to_vec();
        Ok([Fill::new(&self.ids, ids)?, Fill::new(&self.weights, weights)?])
    }
}

/// See [`crate::cross_entropy`].
///
/// Nothing is kept but the logits: the gradient takes the softmax again, which costs less than to write
/// it and read it.
pub fn cross_entropy(logits: &Value, targets: &Targets) -> Result<Value> {
    let x = stored(logits.tensor())?;
    let ((n, h, w, classes), gpu) = (x.dims4()?, gpu(&x)?);
    let (pixels, targets) = (n * h * w, targets.clone());
    if targets.ids.elem_count() != pixels || targets.classes != classes {
        candle_core::bail!("{:?} targets do not fit logits of {:?}", targets.ids.dims(), x.dims());
    }
    let blocks = pixels.div_ceil(BLOCK).clamp(1, MOST_SHARES);
    let shares = gpu.empty(blocks, DType::F32)?;
    let inputs = [ptr(&x)?, ptr(&targets.ids)?, ptr(&targets.weights)?];
    let args = [&inputs[..], &[ptr(&shares)?, long(pixels), int(classes)]].concat();
    gpu.launch(&typed("cross_entropy", x.dtype())?, [blocks, 1, 1], &args)?;
    let loss = gpu.empty((), DType::F32)?;
    let scale = Arg::Float(1.0);
    let args = [ptr(&shares)?, ptr(&loss)?, int(blocks), int(1), scale, long(1), long(1)];
    gpu.launch("add_shares_f32", [1, 1, 1], &args)?;
    Ok(Value::of(loss, &[logits], move |gy| {
        let gpu = super::gpu::gpu(&x)?;
        let gx = gpu.empty(x.shape(), x.dtype())?;
        let inputs = [ptr(&x)?, ptr(&targets.ids)?, ptr(&targets.weights)?, ptr(gy.tensor())?];
        let args = [&inputs[..], &[scale, ptr(&gx)?, long(pixels), int(classes)]].concat();
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
