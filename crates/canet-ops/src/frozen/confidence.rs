//! How sure a segmentation is: like the best class, from enlarged logits that are never stored.

use super::resize::{CHUNK, Chunk, Resize};
use crate::math::Math;
use crate::tasks::for_rows_with;

/// The probability of the best class at each pixel: of `x` `(classes, H, W)`, resized to
/// `(classes, h, w)`, the largest value of the softmax. `to` is `(h, w)`.
///
/// It is worth nothing where a score is not finite; [`super::best_class`] tells.
pub fn confidence(resize: &Resize, x: &[f32], to: &mut [f32]) {
    let planes = x.chunks_exact(resize.input_plane());
    // Each class is enlarged twice, and its exponential costs about as much as that.
    let cost = 4 * planes.len().max(1);
    for_rows_with(
        to,
        resize.output()[1],
        cost,
        Chunk::new,
        #[inline(always)]
        |chunk, row, to| {
            for (index, to) in to.chunks_mut(CHUNK).enumerate() {
                of_chunk(resize, planes.clone(), row, index * CHUNK, to, chunk);
            }
        },
    );
}

/// The same for the columns from `first` on of one row: `1 / sum(exp(score - best))`.
#[inline(always)]
fn of_chunk<'a>(
    resize: &Resize,
    planes: impl Iterator<Item = &'a [f32]> + Clone,
    row: usize,
    first: usize,
    to: &mut [f32],
    chunk: &mut Chunk,
) {
    let mut best = [f32::NEG_INFINITY; CHUNK];
    for plane in planes.clone() {
        chunk.prepare(resize, plane, row, first, to.len());
        for (score, best) in chunk.values(resize).zip(&mut best) {
            *best = if score > *best { score } else { *best };
        }
    }
    let mut sums = [0.0_f32; CHUNK];
    for plane in planes {
        chunk.prepare(resize, plane, row, first, to.len());
        for (score, (best, sum)) in chunk.values(resize).zip(best.iter().zip(&mut sums)) {
            *sum += Math::exp(score - best);
        }
    }
    to.iter_mut().zip(sums).for_each(|(to, sum)| *to = 1.0 / sum);
}
