//! The first pass of losses that look at a whole batch: probabilities, where the gradient will lie.

use candle_core::Result;

use super::blocks::{BLOCK, Place, Size, Softmax};
use super::targets::Counts;
use crate::array::{DisjointWriter, unspecified, with_elements};
use crate::graph::Value;
use crate::math::Math;
use crate::simd;

/// The softmax of a block with probabilities as its values; 0 at ignored pixels, so that these drop
/// out of whatever is made of them.
pub(super) fn take<T: Math>(
    softmax: &mut Softmax<T>,
    logits: &[T],
    targets: &[u8],
    counts: &Counts,
    place: Place,
) {
    softmax.take(logits, targets, place);
    let mut shares = [T::ZERO; BLOCK];
    for ((share, &target), &sum) in shares.iter_mut().zip(targets).zip(&softmax.sums) {
        if counts.weight(target) != 0.0 {
            *share = T::of_f64(1.0) / sum;
        }
    }
    simd::vectorised(
        #[inline(always)]
        || softmax.multiply(&shares[..targets.len()]),
    );
}

/// The probabilities of all logits, and what `of_block` makes of each block, in reading order. The
/// probabilities are only stored if `keep`.
pub(super) fn probabilities<T: Math, R: Send>(
    logits: &Value,
    targets: &[u8],
    counts: &Counts,
    keep: bool,
    of_block: impl Fn(&Softmax<T>, &[u8]) -> R + Sync + Send,
) -> Result<(Vec<R>, Vec<T>)> {
    let size = Size::of(logits)?;
    let values = logits.tensor().contiguous()?;
    let mut kept = unspecified(if keep { size.elements() } else { 0 });
    let results = with_elements([&values], |[logits]| {
        let writer = DisjointWriter::new(&mut kept);
        Ok(size.map_blocks(
            || Softmax::new(size.classes),
            |softmax, place| {
                let targets = place.of(targets);
                take(softmax, logits, targets, counts, place);
                if keep {
                    for (class, values) in softmax.values.chunks_exact(BLOCK).enumerate() {
                        #[expect(unsafe_code, reason = "a block owns its pixels in all planes")]
                        // SAFETY: each pixel of each class belongs to one block.
                        let to = unsafe { writer.slice_mut(place.plane(class), place.len) };
                        to.copy_from_slice(&values[..place.len]);
                    }
                }
                of_block(softmax, targets)
            },
        ))
    })?;
    Ok((results, kept))
}

/// A block's part of each plane of `planes`, class by class.
///
/// # Safety
/// No other task may look at this block at the same time.
#[expect(unsafe_code, reason = "disjointness is the caller's promise")]
#[expect(clippy::mut_from_ref, reason = "as of the writer")]
pub(super) unsafe fn planes_of<'a, T>(
    planes: &'a DisjointWriter<T>,
    place: Place,
) -> Vec<&'a mut [T]> {
    let plane = |class: usize| {
        // SAFETY: planes do not overlap, and the block is the caller's.
        unsafe { planes.slice_mut(place.plane(class), place.len) }
    };
    (0..place.size.classes).map(plane).collect()
}
