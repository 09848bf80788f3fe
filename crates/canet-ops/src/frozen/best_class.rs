//! The end of a segmentation: logits are enlarged and compared in one go, and never stored.

use std::sync::atomic::{AtomicBool, Ordering};

use super::resize::{CHUNK, Resize};
use super::tasks::for_rows;

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
    for_rows(
        ids,
        resize.output()[1],
        classes,
        #[inline(always)]
        |row, ids| {
            for (index, ids) in ids.chunks_mut(CHUNK).enumerate() {
                if !best_of_chunk(resize, planes.clone(), row, index * CHUNK, ids) {
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
) -> bool {
    let (mut best, mut at, mut scores) = ([f32::NEG_INFINITY; CHUNK], [0_u32; CHUNK], [0.0; CHUNK]);
    // Bits that all finite numbers have not all set.
    let mut strange = [false; CHUNK];
    for (plane, class) in planes.zip(0..) {
        resize.chunk(plane, row, first, &mut scores[..ids.len()]);
        for i in 0..CHUNK {
            let score = scores[i];
            let better = score > best[i];
            best[i] = if better { score } else { best[i] };
            at[i] = if better { class } else { at[i] };
            strange[i] |= !score.is_finite();
        }
    }
    ids.iter_mut().zip(at).for_each(|(id, at)| *id = at as u8);
    !strange.contains(&true)
}
