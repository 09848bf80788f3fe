//! The best class of each pixel, and how good it is.

use crate::{Error, Result};

/// Writes the class with the highest of `scores` `(classes, pixels)`, the first of equals.
pub(crate) fn best_classes(scores: &[f32], ids: &mut [u8]) -> Result<()> {
    let (first, rest) = scores.split_at(ids.len());
    let mut best = first.to_vec();
    ids.fill(0);
    let mut finite = best.iter().all(|score| score.is_finite());
    for (scores, id) in rest.chunks_exact(ids.len()).zip(1..) {
        for ((best, at), &score) in best.iter_mut().zip(&mut *ids).zip(scores) {
            finite &= score.is_finite();
            if score > *best {
                (*best, *at) = (score, id);
            }
        }
    }
    if finite { Ok(()) } else { Err(Error::NotFinite) }
}

/// Writes the largest of `values` `(classes, pixels)` of each pixel.
pub(super) fn largest(values: &[f32], to: &mut [f32]) {
    to.fill(0.0);
    for values in values.chunks_exact(to.len()) {
        to.iter_mut().zip(values).for_each(|(to, value)| *to = to.max(*value));
    }
}
