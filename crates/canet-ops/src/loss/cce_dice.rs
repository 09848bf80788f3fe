//! The loss of the assignment's notebooks, for comparison with them.

use candle_core::{Result, Tensor};

use super::dice::DiceClasses;
use super::overlap::{Overlap, overlap};
use super::targets::{Counts, with_targets};
use crate::array::by_dtype;
use crate::fallback::{by_reference, on_cpu};
use crate::graph::Value;
use crate::reference;

/// What is added above and below the fraction bar of its Dice term.
pub const CCE_DICE_SMOOTH: f64 = 1e-5;

/// `cce_dice_loss` of the Python package `segmentation_models`: the mean of the cross-entropy over
/// pixels and classes, so `1 / C` of the usual one, plus the [`crate::dice`] of all classes with
/// `smooth` = 1e-5, both over the whole batch.
///
/// The notebooks know no void. Here void pixels (`ignore`) are left out of both terms and of the
/// number of pixels, and a batch of nothing else has loss 0 and gradient 0. Keras also clips
/// probabilities to 1e-7 from both ends, and so takes the gradient from the pixels that are
/// most wrong; that is not done here, and losses differ where a probability is smaller.
///
/// `logits` is `(N, C, H, W)`, `targets` `(N, H, W)` of `u8`. A target that is neither a class nor
/// ignored is an error.
pub fn cce_dice(logits: &Value, targets: &Tensor, ignore: u8) -> Result<Value> {
    let (_, classes, _, _) = logits.dims4()?;
    with_targets(logits, targets, |targets| {
        let counts = Counts::new(targets, classes, ignore, None)?;
        if !on_cpu(&[logits]) {
            return by_reference(&[logits], |t| reference::cce_dice(&t[0], targets, ignore));
        }
        let options = Overlap {
            smooth: CCE_DICE_SMOOTH,
            classes: DiceClasses::All,
            cross_entropy: 1.0 / classes as f64,
        };
        by_dtype!(logits.tensor().dtype(), T => overlap::<T>(logits, targets, &counts, &options))
    })
}
