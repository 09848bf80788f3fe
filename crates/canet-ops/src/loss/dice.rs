//! Soft Dice: how well the areas of classes overlap.

use candle_core::{Result, Tensor};

use super::overlap::{Overlap, overlap};
use super::targets::{Counts, with_targets};
use crate::array::by_dtype;
use crate::fallback::{by_reference, on_cpu};
use crate::graph::Value;
use crate::reference;

/// What counts, and how much.
#[derive(Debug, Clone)]
pub struct Dice {
    /// Pixels with targets of this value are left out, the prediction there included.
    pub ignore: u8,
    /// Which classes the mean is taken of.
    pub classes: DiceClasses,
    /// Added above and below the fraction bar, in pixels; more than 0.
    pub smooth: f64,
}

/// Which classes count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiceClasses {
    /// Those with a pixel in the batch's targets. An absent class has nothing to overlap with: its
    /// score only says how near to 0 its probabilities are, and with a small `smooth` it is nearly 0
    /// whatever the network does.
    Present,
    /// All, as the assignment's notebooks have it.
    All,
}

impl Default for Dice {
    fn default() -> Self {
        Self { ignore: 255, classes: DiceClasses::Present, smooth: 1.0 }
    }
}

/// `1 - mean over classes of (2 I + smooth) / (P + T + smooth)`; a scalar. Over the valid pixels of
/// the whole batch, `I` is the sum of the class's probability where it is the target, `P` that of its
/// probability everywhere, and `T` counts its pixels.
///
/// `logits` is `(N, C, H, W)`, `targets` `(N, H, W)` of `u8`. A batch without a valid pixel has loss
/// 0 and gradient 0. A target that is neither a class nor ignored is an error.
pub fn dice(logits: &Value, targets: &Tensor, options: &Dice) -> Result<Value> {
    if !(options.smooth > 0.0 && options.smooth.is_finite()) {
        candle_core::bail!("smooth of the Dice loss is {}, not above 0", options.smooth);
    }
    let (_, classes, _, _) = logits.dims4()?;
    with_targets(logits, targets, |targets| {
        let counts = Counts::new(targets, classes, options.ignore, None)?;
        if !on_cpu(&[logits]) {
            return by_reference(&[logits], |t| reference::dice(&t[0], targets, options));
        }
        let options =
            Overlap { smooth: options.smooth, classes: options.classes, cross_entropy: 0.0 };
        by_dtype!(logits.tensor().dtype(), T => overlap::<T>(logits, targets, &counts, &options))
    })
}
