//! Losses of a segmentation, each with its gradient. A file is a loss.
//!
//! All take logits `(N, C, H, W)` and targets `(N, H, W)` of `u8`, and give a scalar. Targets of the
//! ignored value have no loss and no gradient; a batch of nothing else has loss 0 and gradient 0. A
//! target that is neither a class nor ignored is an error.
//!
//! Loss and gradient are computed together, in the forward pass, which keeps the gradient and nothing
//! else. [`pixelwise`] is for sums over pixels, [`probabilities`] for losses that look at a whole
//! batch before any pixel has a gradient.

use candle_core::Result;

use crate::array::tensor;
use crate::elementwise::map_gradient;
use crate::graph::{Gradient, Value};
use crate::real::Real;

mod blocks;
mod cce_dice;
mod cross_entropy;
mod dice;
mod focal;
mod lovasz;
mod ohem;
mod overlap;
mod pixelwise;
mod probabilities;
mod targets;

pub use cce_dice::{CCE_DICE_SMOOTH, cce_dice};
pub use cross_entropy::{CrossEntropy, cross_entropy};
pub use dice::{Dice, DiceClasses, dice};
pub use focal::{Focal, focal};
pub use lovasz::lovasz_softmax;
pub use ohem::{Ohem, ohem};
#[cfg(feature = "cuda")]
pub(crate) use targets::Counts;

/// A loss and its gradient, which is empty if `logits` are not tracked.
fn value<T: Real>(logits: &Value, loss: f64, gradient: Vec<T>) -> Result<Value> {
    let (n, classes, h, w) = logits.dims4()?;
    let gradient =
        tensor(gradient, if logits.is_tracked() { (n, classes, h, w) } else { (0, 0, 0, 0) })?;
    Ok(Value::of(tensor(vec![T::of_f64(loss)], ())?, &[logits], move |gy| {
        let factor = gy.tensor().to_scalar::<T>()?;
        let gradient = Gradient::Own(gradient);
        let is_whole = factor == T::of_f64(1.0);
        let gradient = if is_whole { gradient } else { map_gradient(gradient, |g: T| g * factor)? };
        Ok(vec![Some(gradient)])
    }))
}
