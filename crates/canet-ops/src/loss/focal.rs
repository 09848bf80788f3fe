//! Focal loss: cross-entropy that turns to the pixels that are not yet right.

use candle_core::{Result, Tensor};

use super::blocks::BLOCK;
use super::pixelwise::{Pixels, pixelwise};
use super::targets::{Counts, with_targets};
use crate::array::by_dtype;
use crate::fallback::{by_reference, on_cpu};
use crate::graph::Value;
use crate::math::Math;
use crate::{reference, simd};

/// What counts, and how much.
#[derive(Debug, Clone)]
pub struct Focal {
    /// Targets of this value have no loss and no gradient.
    pub ignore: u8,
    /// At least 0, where it is cross-entropy; the larger, the less do sure pixels count.
    pub gamma: f64,
    /// A weight for each class; all 1 if absent.
    pub class_weights: Option<Vec<f32>>,
}

impl Default for Focal {
    fn default() -> Self {
        Self { ignore: 255, gamma: 2.0, class_weights: None }
    }
}

/// Mean over the valid pixels of `-weight[t] (1 - p)^gamma log p`, where `p = softmax(logits)[t]`,
/// divided by the sum of their weights; a scalar. So `gamma` = 0 is [`crate::cross_entropy`].
///
/// Lin et al., Focal Loss for Dense Object Detection, 2017; there the sum is divided by the number of
/// positive boxes, which segmentation has not. `logits` is `(N, C, H, W)`, `targets` `(N, H, W)` of
/// `u8`. A batch without a valid pixel has loss 0 and gradient 0. A target that is neither a class
/// nor ignored is an error.
pub fn focal(logits: &Value, targets: &Tensor, options: &Focal) -> Result<Value> {
    if !(options.gamma >= 0.0 && options.gamma.is_finite()) {
        candle_core::bail!("gamma of the focal loss is {}, not a number from 0", options.gamma);
    }
    let (_, classes, _, _) = logits.dims4()?;
    with_targets(logits, targets, |targets| {
        let weights = options.class_weights.as_deref();
        let counts = Counts::new(targets, classes, options.ignore, weights)?;
        if !on_cpu(&[logits]) {
            return by_reference(&[logits], |t| reference::focal(&t[0], targets, options));
        }
        let gamma = options.gamma;
        by_dtype!(logits.tensor().dtype(), T => kernel::<T>(logits, targets, &counts, gamma))
    })
}

fn kernel<T: Math>(logits: &Value, targets: &[u8], counts: &Counts, gamma: f64) -> Result<Value> {
    let (losses, gradient) = pixelwise::<T, f64>(logits, targets, |pixels, targets| {
        let (losses, factors) = focus(pixels, targets, counts, T::of_f64(gamma));
        let mut loss = 0.0;
        for (i, &target) in targets.iter().enumerate() {
            let weight = counts.weight(target);
            pixels.weigh(i, target, T::of_f64(weight * counts.scale) * factors[i]);
            if weight != 0.0 {
                loss += weight * losses[i].as_f64();
            }
        }
        loss
    })?;
    super::value(logits, losses.iter().sum::<f64>() * counts.scale, gradient)
}

/// Of each pixel the loss, and what its gradient is to `softmax - one-hot`, without weights.
///
/// With `q = 1 - p` the latter is `q^gamma (1 - gamma p log(p) / q)`.
fn focus<T: Math>(
    pixels: &Pixels<T>,
    targets: &[u8],
    counts: &Counts,
    gamma: T,
) -> ([T; BLOCK], [T; BLOCK]) {
    let softmax = &pixels.softmax;
    let [mut exponentials, mut losses, mut factors] = [[T::ZERO; BLOCK]; 3];
    for (i, &target) in targets.iter().enumerate() {
        if counts.weight(target) != 0.0 {
            exponentials[i] = softmax.values[usize::from(target) * BLOCK + i];
        }
    }
    let one = T::of_f64(1.0);
    // Where p = 1 to the last bit, q^gamma is its limit, and so is p log(p) / q.
    let sure = if gamma == T::ZERO { one } else { T::ZERO };
    simd::vectorised(
        #[inline(always)]
        || {
            for i in 0..targets.len() {
                let (exponential, sum) = (exponentials[i], softmax.sums[i]);
                let (p, q) = (exponential / sum, (sum - exponential) / sum);
                let surprise = softmax.shortfalls[i] + softmax.logs[i];
                let unsure = q > T::ZERO;
                let power = if unsure { (gamma * q.ln()).exp() } else { sure };
                let ratio = if unsure { p * surprise / q } else { one };
                losses[i] = power * surprise;
                factors[i] = power * (one + gamma * ratio);
            }
        },
    );
    (losses, factors)
}
