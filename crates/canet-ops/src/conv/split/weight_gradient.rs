//! The gradient of the weights: both operands are packed, block of pixels by block, for all threads.

use std::ops::Range;

use super::halves::{Halves, by_halves, put_turned};
use super::suits;
use super::target::Target;
use super::unit::{BLOCK, HALF, LINE, SIDE, Sums, Unit};
use super::weights::pack_rows;
use crate::array::{DisjointWriter, unspecified};
use crate::conv::after::After;
use crate::conv::lowering::Lowering;
use crate::conv::winograd;
use crate::geometry::Problem;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::MOST_LANES;
use crate::tasks::{for_chunks, for_each_task};

/// Fewest pixels of an image.
const LEAST_PIXELS: usize = 2 * SIDE;
/// Most pixels of a block: a few panels stay in the second-level cache.
const PIXELS: usize = 512;
/// Panels of a task, which reads its bands from afar once for all of them.
const PANELS: usize = 4;
/// Tasks that are aimed at, so that two or more threads end at about the same time.
const TASKS: usize = 16;

/// `gw[o][tap] = sum over images and pixels of gy[o][pixel] * lowered(x)[tap][pixel]`, if it should be done this way.
pub(in crate::conv) fn weight_gradient<T: Real>(p: &Problem, x: &[T], gy: &[T]) -> Option<Vec<T>> {
    let shape = [p.outputs, p.group_inputs(), p.kernel[0], p.kernel[1]];
    let is_winograd = winograd::suits(shape, &p.geometry);
    if is_winograd || p.output_pixels() < LEAST_PIXELS || !suits(shape, &p.geometry) {
        return None;
    }
    let (x, gy) = (T::singles(x)?, T::singles(gy)?);
    Some(T::of_singles(sum(p, x, gy)))
}

/// The sums over all images.
pub(super) fn sum(p: &Problem, x: &[f32], gy: &[f32]) -> Vec<f32> {
    let (lowering, pixels) = (Lowering::forward(p, p.inputs), p.output_pixels());
    let size = [p.outputs, lowering.taps.len()];
    let [rows, columns] = size.map(|n| n.next_multiple_of(SIDE));
    let most = pixels.div_ceil(pixels.div_ceil(PIXELS)).next_multiple_of(SIDE);
    let mut scratch = Scratch::new((rows + columns) * most);
    let mut gw = unspecified(size[0] * size[1]);
    let images = x.chunks_exact(p.inputs * p.input_pixels());
    for (number, (x, gy)) in images.zip(gy.chunks_exact(p.outputs * pixels)).enumerate() {
        let source = lowering.source(x);
        for first in (0..pixels).step_by(most) {
            let steps = most.min(pixels - first).next_multiple_of(SIDE);
            let operands = &mut scratch.values()[..(rows + columns) * steps];
            let (bands, panels) = operands.split_at_mut(rows * steps);
            pack(bands, [steps, first], |at, to| pack_gradient(gy, [p.outputs, pixels], at, to));
            pack(panels, [steps, first], |at, to| pack_taps(&lowering, &source, at, to));
            multiply([bands, panels], size, steps, number == 0 && first == 0, &mut gw);
        }
    }
    gw
}

/// Packs an operand block by block, given the first row, or column, and the first pixel of each.
fn pack(to: &mut [f32], [steps, first]: [usize; 2], block: impl Fn([usize; 2], &mut [f32]) + Sync) {
    for_chunks(to, SIDE * steps, 1, |i, to| {
        for (j, to) in to.chunks_exact_mut(BLOCK).enumerate() {
            block([i * SIDE, first + j * SIDE], to);
        }
    });
}

/// A block of the output's gradient.
fn pack_gradient(gy: &[f32], size: [usize; 2], at: [usize; 2], to: &mut [f32]) {
    by_halves!(V => pack_rows::<V>(gy, size, at, to));
}

/// A block of the lowered input: lines of pairs of pixels, a word for each tap.
fn pack_taps(lowering: &Lowering, source: &[f32], at: [usize; 2], to: &mut [f32]) {
    by_halves!(V => pack_turned::<V>(lowering, source, at, to));
}

/// The same with vectors that split.
#[inline(always)]
fn pack_turned<V: Halves>(
    lowering: &Lowering,
    source: &[f32],
    [first_tap, first]: [usize; 2],
    to: &mut [f32],
) {
    let pixels = &lowering.pixels[first..lowering.pixels.len().min(first + SIDE)];
    let is_run = pixels.len() == SIDE && pixels[SIDE - 1] == pixels[0] + SIDE - 1;
    for column in (0..SIDE).step_by(V::LANES) {
        let mut rows = [[0.0; SIDE]; MOST_LANES];
        for (row, tap) in rows.iter_mut().zip(lowering.taps.iter().skip(first_tap + column)) {
            if is_run {
                row.copy_from_slice(&source[tap + pixels[0]..][..SIDE]);
            } else {
                row.iter_mut().zip(pixels).for_each(|(to, pixel)| *to = source[tap + pixel]);
            }
        }
        let place = column / LINE * LINE * LINE + column % LINE;
        for pair in (0..LINE).step_by(V::LANES) {
            let mut pairs = [[V::splat(0.0); 2]; MOST_LANES];
            for lane in 0..V::LANES {
                pairs[lane] = V::load_by_two(&rows[lane][2 * pair..]);
            }
            put_turned(pairs, HALF, &mut to[place + pair * LINE..]);
        }
    }
}

/// Adds the products of a block to `gw`, which is of so many `rows` and `columns`.
fn multiply(
    [bands, panels]: [&[f32]; 2],
    [rows, columns]: [usize; 2],
    steps: usize,
    is_first: bool,
    gw: &mut [f32],
) {
    let len = SIDE * steps;
    let [all, groups] = [bands.len() / len, (panels.len() / len).div_ceil(PANELS)];
    let shares = (TASKS / groups).clamp(1, all);
    let bands_a_task = all.div_ceil(shares);
    let shares = all.div_ceil(bands_a_task);
    let writer = DisjointWriter::new(gw);
    let target = Target { y: &writer, rows, columns, after: After::default() };
    for_each_task(groups * shares, |task| {
        let (panel, band) = (task / shares * PANELS, task % shares * bands_a_task);
        let range = |from: usize, count: usize, all: usize| from..all.min(from + count);
        let some = [range(band, bands_a_task, all), range(panel, PANELS, panels.len() / len)];
        by_halves!(V => multiply_some::<V>([bands, panels], some, len, is_first, &target));
    });
}

/// The tiles of some bands and panels, `len` words each.
#[inline(always)]
fn multiply_some<V: Halves>(
    [bands, panels]: [&[f32]; 2],
    [some_bands, some_panels]: [Range<usize>; 2],
    len: usize,
    is_first: bool,
    target: &Target<'_>,
) {
    let (unit, mut sums) = (Unit::new(), Sums::new());
    for b in some_bands {
        for p in some_panels.clone() {
            let operands = [&bands[b * len..][..len], &panels[p * len..][..len]];
            #[expect(unsafe_code, reason = "tasks share the result")]
            // SAFETY: this task alone owns these rows of these columns.
            unsafe {
                target.tile::<V>(
                    &unit,
                    operands,
                    [b * SIDE, p * SIDE],
                    [is_first, true],
                    &mut sums,
                );
            }
        }
    }
}
