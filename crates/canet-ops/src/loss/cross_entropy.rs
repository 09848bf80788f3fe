//! Softmax cross-entropy over the pixels that have a class.

use candle_core::{Result, Tensor};

use super::pixelwise::pixelwise;
use super::targets::{Counts, with_targets};
use crate::array::by_dtype;
#[cfg(feature = "cuda")]
use crate::fallback::on_cuda;
use crate::fallback::{by_reference, on_cpu};
use crate::graph::Value;
use crate::math::Math;
use crate::reference;

/// What counts, and how much.
#[derive(Debug, Clone)]
pub struct CrossEntropy {
    /// Targets of this value have no loss and no gradient.
    pub ignore: u8,
    /// A weight for each class; all 1 if absent.
    pub class_weights: Option<Vec<f32>>,
}

impl Default for CrossEntropy {
    fn default() -> Self {
        Self { ignore: 255, class_weights: None }
    }
}

/// Mean over the valid pixels of `-weight[t] log softmax(logits)[t]`, divided by the sum of their
/// weights; a scalar. A batch without a valid pixel has loss 0 and gradient 0.
///
/// `logits` is `(N, C, H, W)`, `targets` `(N, H, W)` of `u8`. A target that is neither a class nor
/// ignored is an error.
pub fn cross_entropy(logits: &Value, targets: &Tensor, options: &CrossEntropy) -> Result<Value> {
    let (_, classes, _, _) = logits.dims4()?;
    with_targets(logits, targets, |targets| {
        #[cfg(feature = "cuda")]
        if on_cuda(&[logits]) {
            let device = logits.tensor().device();
            let on_gpu = crate::cuda::Targets::new(targets.len(), classes, options, device)?;
            on_gpu.fill(targets)?;
            return crate::cuda::cross_entropy(logits, &on_gpu);
        }
        let weights = options.class_weights.as_deref();
        let counts = Counts::new(targets, classes, options.ignore, weights)?;
        if !on_cpu(&[logits]) {
            return by_reference(&[logits], |t| reference::cross_entropy(&t[0], targets, options));
        }
        by_dtype!(logits.tensor().dtype(), T => kernel::<T>(logits, targets, &counts))
    })
}

fn kernel<T: Math>(logits: &Value, targets: &[u8], counts: &Counts) -> Result<Value> {
    let (losses, gradient) = pixelwise::<T, f64>(logits, targets, |pixels, targets| {
        let mut loss = 0.0;
        for (i, &target) in targets.iter().enumerate() {
            let weight = counts.weight(target);
            if weight != 0.0 {
                loss += weight * pixels.softmax.shortfalls[i].as_f64();
            }
        }
        for (i, &target) in targets.iter().enumerate() {
            let weight = counts.weight(target);
            pixels.weigh(i, target, T::of_f64(weight * counts.scale));
            if weight != 0.0 {
                loss += weight * pixels.softmax.logs[i].as_f64();
            }
        }
        loss
    })?;
    // In order, whoever computed them.
    super::value(logits, losses.iter().sum::<f64>() * counts.scale, gradient)
}
