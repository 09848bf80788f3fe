//! From a picture's bytes to planes.

use rayon::prelude::*;

use crate::tasks::TASK;

/// Writes `tables[channel][byte]` for each byte of `pixels` `(H, W, 3)` to `planes` `(3, H, W)`.
///
/// # Panics
/// If `planes` has not one value a byte.
pub fn look_up(pixels: &[u8], tables: &[[f32; 256]; 3], planes: &mut [f32]) {
    let (pixels, rest) = pixels.as_chunks::<3>();
    assert!(rest.is_empty() && planes.len() == 3 * pixels.len(), "planes must fit the pixels");
    let (red, others) = planes.split_at_mut(pixels.len());
    let (green, blue) = others.split_at_mut(pixels.len());
    red.par_chunks_mut(TASK)
        .zip(green.par_chunks_mut(TASK).zip(blue.par_chunks_mut(TASK)))
        .zip(pixels.par_chunks(TASK))
        .for_each(|((red, (green, blue)), pixels)| {
            let outputs = red.iter_mut().zip(green).zip(blue);
            for (&[r, g, b], ((red, green), blue)) in pixels.iter().zip(outputs) {
                *red = tables[0][usize::from(r)];
                *green = tables[1][usize::from(g)];
                *blue = tables[2][usize::from(b)];
            }
        });
}
