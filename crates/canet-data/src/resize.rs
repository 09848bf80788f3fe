//! Resizing on whole pixels: antialiased for pictures, nearest for masks.
//!
//! Pictures use the triangle filter, widened by the factor when shrinking (what Pillow and `image`
//! call bilinear and triangle), with weights in fixed point and sums in integers, so every machine
//! gets the same bytes. Both functions compute only a window of the resized whole. That is what makes
//! a crop cheap, and since the filter still sees the source beyond the window, it is the same, to the
//! bit, as resizing the whole and cutting the window out of it.

use canet_core::Mask;
use image::RgbImage;

/// A part of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Window {
    /// All of a picture of this size.
    pub(crate) fn whole((width, height): (u32, u32)) -> Self {
        Self { x: 0, y: 0, width, height }
    }
}

/// Weights are whole multiples of 2^-22: 255 times a full weight still fits an `i32`.
const PRECISION: u32 = 22;

/// The source pixels that one output pixel is a mean of.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// The taps of the output positions `from..from + count` when `input` pixels become `output`.
fn taps(input: u32, output: u32, from: u32, count: u32) -> Vec<Taps> {
    let ratio = f64::from(input) / f64::from(output);
    let reach = ratio.max(1.0);
    let tap = |position: u32| {
        let centre = (f64::from(position) + 0.5) * ratio;
        let first = (centre - reach).floor().max(0.0) as u32;
        let last = ((centre + reach).ceil() as u32).min(input);
        let raw: Vec<f64> = (first..last)
            .map(|j| (1.0 - (f64::from(j) + 0.5 - centre).abs() / reach).max(0.0))
            .collect();
        let sum: f64 = raw.iter().sum();
        let fixed = |w: f64| (w / sum * f64::from(1u32 << PRECISION)).round() as i32;
        let mut weights: Vec<i32> = raw.into_iter().map(fixed).collect();
        let zeros = weights.iter().take_while(|&&w| w == 0).count();
        weights.drain(..zeros);
        while weights.last() == Some(&0) {
            weights.pop();
        }
        Taps { first: first as usize + zeros, weights }
    };
    (from..from + count).map(tap).collect()
}

fn narrow(sum: i32) -> u8 {
    ((sum + (1 << (PRECISION - 1))) >> PRECISION).clamp(0, 255) as u8
}

/// The `window` of `source` resized to `size`. The window must lie within `size`.
pub(crate) fn image(source: &RgbImage, size: (u32, u32), window: Window) -> RgbImage {
    let columns = taps(source.width(), size.0, window.x, window.width);
    let rows = taps(source.height(), size.1, window.y, window.height);
    let top = rows.first().map_or(0, |t| t.first);
    let bottom = rows.last().map_or(0, |t| t.first + t.weights.len());
    let (stride_in, stride) = (source.width() as usize * 3, window.width as usize * 3);

    // First along the rows that matter, then down the columns.
    let mut narrowed = vec![0u8; (bottom - top) * stride];
    let lines = source.as_raw().chunks_exact(stride_in).skip(top);
    for (out, line) in narrowed.chunks_exact_mut(stride.max(1)).zip(lines) {
        squeeze_line(line, &columns, out);
    }
    let mut pixels = vec![0u8; rows.len() * stride];
    let mut sums = vec![0i32; stride];
    for (out, row) in pixels.chunks_exact_mut(stride.max(1)).zip(&rows) {
        sums.fill(0);
        for (k, &weight) in row.weights.iter().enumerate() {
            let line = &narrowed[(row.first - top + k) * stride..][..stride];
            for (sum, &value) in sums.iter_mut().zip(line) {
                *sum += i32::from(value) * weight;
            }
        }
        for (value, &sum) in out.iter_mut().zip(&sums) {
            *value = narrow(sum);
        }
    }
    RgbImage::from_raw(window.width, window.height, pixels).unwrap_or_default()
}

fn squeeze_line(line: &[u8], columns: &[Taps], out: &mut [u8]) {
    for (pixel, column) in out.chunks_exact_mut(3).zip(columns) {
        let mut sums = [0i32; 3];
        let source = line[column.first * 3..].chunks_exact(3);
        for (rgb, &weight) in source.zip(&column.weights) {
            for (sum, &value) in sums.iter_mut().zip(rgb) {
                *sum += i32::from(value) * weight;
            }
        }
        for (value, sum) in pixel.iter_mut().zip(sums) {
            *value = narrow(sum);
        }
    }
}

/// The source position whose pixel holds the centre of output position `at`:
/// `floor((at + 1/2) * input / output)`, in whole numbers.
fn nearest(at: u32, input: u32, output: u32) -> usize {
    ((2 * u64::from(at) + 1) * u64::from(input) / (2 * u64::from(output))) as usize
}

/// The `window` of `source` resized to `size` without making up ids. The window must lie within `size`.
pub(crate) fn mask(source: &Mask, size: (u32, u32), window: Window) -> Mask {
    let across = |x| nearest(window.x + x, source.width(), size.0);
    let columns: Vec<usize> = (0..window.width).map(across).collect();
    let mut ids = Vec::new();
    for y in 0..window.height {
        let row = nearest(window.y + y, source.height(), size.1) * source.width() as usize;
        ids.extend(columns.iter().map(|&x| source.ids()[row + x]));
    }
    Mask::from_ids(window.width, window.height, ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draws;

    fn noise(width: u32, height: u32) -> RgbImage {
        let mut draws = Draws::new(1, 0, 0, "noise");
        RgbImage::from_fn(width, height, |_, _| image::Rgb([0; 3].map(|_: u8| draws.bits() as u8)))
    }

    const SIZES: [(u32, u32); 8] =
        [(40, 30), (20, 15), (80, 60), (13, 77), (1, 1), (3, 200), (41, 29), (400, 3)];

    #[test]
    fn pictures_agree_with_the_image_crate_within_rounding() {
        let source = noise(40, 30);
        for size in SIZES {
            let ours = super::image(&source, size, Window::whole(size));
            let filter = image::imageops::FilterType::Triangle;
            let theirs = image::imageops::resize(&source, size.0, size.1, filter);
            let apart =
                ours.as_raw().iter().zip(theirs.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(apart <= Some(1), "{size:?}: {apart:?}");
        }
    }

    #[test]
    fn a_window_is_cut_from_the_whole() {
        let source = noise(40, 30);
        let ids = Mask::from_ids(40, 30, (0..1200).map(|i| (i % 251) as u8).collect());
        for size in SIZES {
            let (whole, ids_whole) = (
                super::image(&source, size, Window::whole(size)),
                mask(&ids, size, Window::whole(size)),
            );
            let (width, height) = (size.0.div_ceil(2), size.1.div_ceil(3));
            let window = Window { x: size.0 - width, y: (size.1 - height) / 2, width, height };
            let (part, ids_part) = (super::image(&source, size, window), mask(&ids, size, window));
            for y in 0..height {
                for x in 0..width {
                    let (at_x, at_y) = (window.x + x, window.y + y);
                    assert_eq!(part.get_pixel(x, y), whole.get_pixel(at_x, at_y), "{size:?}");
                    assert_eq!(ids_part.at(x, y), ids_whole.at(at_x, at_y), "{size:?}");
                }
            }
        }
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        let source = noise(17, 9);
        assert_eq!(super::image(&source, (17, 9), Window::whole((17, 9))), source);
        let white = RgbImage::from_pixel(301, 7, image::Rgb([255; 3]));
        let small = super::image(&white, (2, 3), Window::whole((2, 3)));
        assert!(small.as_raw().iter().all(|&v| v == 255));
    }

    #[test]
    fn nearest_takes_the_pixel_under_the_centre() {
        for (input, output, expected) in [
            (4, 2, vec![1, 3]),
            (2, 4, vec![0, 0, 1, 1]),
            (3, 2, vec![0, 2]),
            (5, 1, vec![2]),
            (1, 3, vec![0, 0, 0]),
        ] {
            let found: Vec<usize> = (0..output).map(|i| nearest(i, input, output)).collect();
            assert_eq!(found, expected, "{input} to {output}");
        }
    }
}
