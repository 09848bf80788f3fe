//! Losses that are a sum over pixels, each of which only looks at the probability of its target:
//! their gradient at a pixel is `factor * (softmax - one-hot)`.

use candle_core::Result;

use super::blocks::{BLOCK, Size, Softmax};
use crate::array::{DisjointWriter, unspecified, with_elements};
use crate::graph::Value;
use crate::math::Math;
use crate::simd;

/// Some pixels: their softmax, and the factors of their gradient.
pub(super) struct Pixels<T> {
    pub(super) softmax: Softmax<T>,
    /// What an exponential counts in the gradient.
    factors: [T; BLOCK],
}

impl<T: Math> Pixels<T> {
    /// Gives pixel `i` the gradient `factor * (softmax - one-hot)`; a factor of 0 needs no class.
    #[inline(always)]
    pub(super) fn weigh(&mut self, i: usize, target: u8, factor: T) {
        let sum = self.softmax.sums[i];
        self.factors[i] = factor / sum;
        if factor != T::ZERO {
            // Of all classes, this one is to have the whole sum.
            self.softmax.values[usize::from(target) * BLOCK + i] -= sum;
        }
    }
}

/// Loss and gradient in one pass over the logits; without the gradient if it will not be asked for.
///
/// `of_block` gets a block with its targets, weighs each of its pixels, and says what the block's
/// losses are; what it says comes back in reading order.
pub(super) fn pixelwise<T: Math, R: Send>(
    logits: &Value,
    targets: &[u8],
    of_block: impl Fn(&mut Pixels<T>, &[u8]) -> R + Sync + Send,
) -> Result<(Vec<R>, Vec<T>)> {
    let size = Size::of(logits)?;
    let values = logits.tensor().contiguous()?;
    let tracked = logits.is_tracked();
    let mut gradient = unspecified(if tracked { size.elements() } else { 0 });
    let losses = with_elements([&values], |[logits]| {
        let writer = DisjointWriter::new(&mut gradient);
        let init = || Pixels { softmax: Softmax::new(size.classes), factors: [T::ZERO; BLOCK] };
        Ok(size.map_blocks(init, |pixels, place| {
            let targets = place.of(targets);
            pixels.softmax.take(logits, targets, place);
            let losses = of_block(pixels, targets);
            if tracked {
                for (class, values) in pixels.softmax.values.chunks_exact(BLOCK).enumerate() {
                    #[expect(unsafe_code, reason = "a block owns its pixels in all planes")]
                    // SAFETY: each pixel of each class belongs to one block.
                    let to = unsafe { writer.slice_mut(place.plane(class), place.len) };
                    multiply_into(to, values, &pixels.factors);
                }
            }
            losses
        }))
    })?;
    Ok((losses, gradient))
}

fn multiply_into<T: Math>(to: &mut [T], values: &[T], factors: &[T]) {
    simd::vectorised(
        #[inline(always)]
        || {
            for ((to, &v), &factor) in to.iter_mut().zip(values).zip(factors) {
                *to = v * factor;
            }
        },
    );
}
