//! The end of a segmentation: logits are enlarged and compared in one go, and never stored.

use std::sync::atomic::{AtomicBool, Ordering};

use super::resize::{CHUNK, Chunk, Resize};
use crate::tasks::for_rows_with;

/// The class with the largest score at each pixel, the first of equals: that of `x` `(classes, H, W)`
/// resized to `(classes, h, w)`, to the last bit. `ids` is `(h, w)`. False if any of the resized
/// scores is not finite; `ids` is worth nothing then.
///
/// # Panics
/// If there are no classes, or more than 256.
#[must_use]
pub fn best_class(resize: &Resize, x: &[f32], ids: &mut [u8]) -> bool {
    let planes = x.chunks_exact(resize.input_plane());
    let classes = planes.len();
    assert!((1..=256).contains(&classes), "{classes} classes have no byte each");
    let finite = AtomicBool::new(true);
    for_rows_with(
        ids,
        resize.output()[1],
        classes,
        Chunk::new,
        #[inline(always)]
        |chunk, row, ids| {
            for (index, ids) in ids.chunks_mut(CHUNK).enumerate() {
                if !best_of_chunk(resize, planes.clone(), row, index * CHUNK, ids, chunk) {
                    // All tasks write the same, so the order does not matter.
                    finite.store(false, Ordering::Relaxed);
                }
            }
        },
    );
    finite.into_inner()
}

/// The same for the columns from `first` on of one row.
#[inline(always)]
fn best_of_chunk<'a>(
    resize: &Resize,
    planes: impl Iterator<Item = &'a [f32]>,
    row: usize,
    first: usize,
    ids: &mut [u8],
    chunk: &mut Chunk,
) -> bool {
    let (mut best, mut at) = ([f32::NEG_INFINITY; CHUNK], [0_u32; CHUNK]);
    // 0 times a score is 0, but for those that are not finite: their sum is NaN then.
    let mut zeros = [0.0_f32; CHUNK];
    for (plane, class) in planes.zip(0..) {
        chunk.prepare(resize, plane, row, first, ids.len());
        let so_far = best.iter_mut().zip(&mut at).zip(&mut zeros);
        for (score, ((best, at), zero)) in chunk.values(resize).zip(so_far) {
            let better = score > *best;
            *best = if better { score } else { *best };
            *at = if better { class } else { *at };
            *zero = score.mul_add(0.0, *zero);
        }
    }
    ids.iter_mut().zip(at).for_each(|(id, at)| *id = at as u8);
    zeros.iter().all(|zero| !zero.is_nan())
}
