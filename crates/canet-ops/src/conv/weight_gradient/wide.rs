//! Where there are many weights: both operands are turned, block of pixels by block, into what the
//! tile multiplies.

use std::ops::Range;

use rayon::prelude::*;

use super::Image;
use crate::array::DisjointWriter;
use crate::conv::lowering::Lowering;
use crate::conv::tile::{MOST_COLUMNS, MOST_ROWS, Sums, TileShape, Used};
use crate::conv::turned::Turned;
use crate::geometry::Problem;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Vector, load_within};

/// Most pixels of a block: a band of them stays in the first-level cache.
const PIXELS: usize = 1024;
/// Fewest: the sums of a block are added to those of the blocks before it.
const LEAST_PIXELS: usize = 128;
/// Values of both operands that a block is to have.
const BLOCK: usize = 1 << 21;
/// Most bands of a task.
const BANDS: usize = 16;
/// Tasks that are aimed at, so that two or more threads end at about the same time.
const TASKS: usize = 16;

/// Sums the shares of the images of a group.
pub(super) fn sum<'a, T: Real, V: Vector<T>, const W: usize>(
    p: &Problem,
    lowering: &Lowering,
    images: impl Iterator<Item = Image<'a, T>>,
    gw: &mut [T],
) {
    let (outputs, taps, [height, width]) = (p.group_outputs(), lowering.taps.len(), p.output);
    let fitting = (BLOCK / (outputs + taps)).clamp(LEAST_PIXELS, PIXELS);
    let blocks = height.div_ceil((fitting / width).max(1));
    let rows = height.div_ceil(blocks);
    let widths = [TileShape::of::<T>().rows, W];
    let most = widths.map(|width| Turned { width, steps: rows * p.output[1] });
    let len = most[0].len(outputs);
    let mut scratch = Scratch::new(len + most[1].len(taps));
    let (bands, panels) = scratch.values().split_at_mut(len);
    for (number, image) in images.enumerate() {
        for first in (0..height).step_by(rows) {
            let rows = first..height.min(first + rows);
            let turned = widths.map(|width| Turned { width, steps: rows.len() * p.output[1] });
            let is_first = number == 0 && first == 0;
            let block = Block { lowering, width, rows, turned, is_first };
            block.turn_gradient::<T, V>(image.gy, outputs, height * width, bands);
            block.turn_source::<T, V>(&image.source, panels);
            block.multiply::<T, W>(bands, panels, outputs, gw);
        }
    }
}

/// Some rows of the output.
struct Block<'a> {
    lowering: &'a Lowering,
    /// Pixels of a row.
    width: usize,
    rows: Range<usize>,
    /// How the gradient and the source are turned.
    turned: [Turned; 2],
    /// Of all images.
    is_first: bool,
}

impl Block<'_> {
    /// The bands of `gy`, planes of `plane` pixels.
    fn turn_gradient<T: Real, V: Vector<T>>(
        &self,
        gy: &[T],
        outputs: usize,
        plane: usize,
        bands: &mut [T],
    ) {
        let steps = self.turned[0].steps;
        let run = Run { start: self.rows.start * self.width, step: 0, len: steps };
        let start = |o: usize| o * plane;
        turn_all::<T, V>(self.turned[0], gy, &[run], outputs, start, bands);
    }

    /// The panels of the lowered source.
    fn turn_source<T: Real, V: Vector<T>>(&self, source: &[T], panels: &mut [T]) {
        let Lowering { taps, pixels, pitch, .. } = self.lowering;
        let (first, steps) = (pixels[self.rows.start * self.width], self.turned[1].steps);
        // Rows without a gap between them are one run.
        let len = if *pitch == self.width { steps } else { self.width };
        let steps = (0..steps).step_by(len).enumerate();
        let runs: Vec<Run> =
            steps.map(|(row, step)| Run { start: first + row * pitch, step, len }).collect();
        let start = |tap: usize| taps[tap];
        turn_all::<T, V>(self.turned[1], source, &runs, taps.len(), start, panels);
    }

    /// The products of the block.
    fn multiply<T: Real, const W: usize>(
        &self,
        bands: &[T],
        panels: &[T],
        outputs: usize,
        gw: &mut [T],
    ) {
        let taps = self.lowering.taps.len();
        let tile_rows = self.turned[0].width;
        let [count, panel_count] = [outputs.div_ceil(tile_rows), taps.div_ceil(W)];
        let bands_a_task = (count * panel_count / TASKS).clamp(1, BANDS);
        let shares = count.div_ceil(bands_a_task);
        let writer = DisjointWriter::new(gw);
        (0..shares * panel_count).into_par_iter().for_each(|task| {
            let (panel, share) = (task / shares * W, task % shares * bands_a_task);
            let rows = share * tile_rows..outputs.min((share + bands_a_task) * tile_rows);
            let columns = W.min(taps - panel);
            simd::vectorised(
                #[inline(always)]
                || {
                    let panel_values = &panels[self.turned[1].of(panel)];
                    for row in rows.step_by(tile_rows) {
                        let band = &bands[self.turned[0].of(row)];
                        let used = Used { rows: tile_rows.min(outputs - row), columns };
                        let at = row * taps + panel;
                        let place = Place { at, pitch: taps, is_first: self.is_first };
                        add_tile::<T, W>(band, panel_values, used, place, &writer);
                    }
                },
            );
        });
    }
}

/// Where a tile lies in the result.
struct Place {
    at: usize,
    /// From a row to the next.
    pitch: usize,
    /// Whether nothing was written there yet.
    is_first: bool,
}

/// Adds one tile to the rows of the result.
#[inline(always)]
fn add_tile<T: Real, const W: usize>(
    band: &[T],
    panel: &[T],
    used: Used,
    Place { at, pitch, is_first }: Place,
    gw: &DisjointWriter<'_, T>,
) {
    let mut sums: Sums<T> = [T::ZERO; MOST_ROWS * MOST_COLUMNS];
    for i in 0..used.rows {
        #[expect(unsafe_code, reason = "tasks share the result")]
        // SAFETY: the task alone owns these taps of its channels, and has no other slice of them.
        simd::prefetch(unsafe { gw.slice_mut(at + i * pitch, used.columns) });
    }
    T::product::<true>(band, panel, used, &mut sums);
    for (i, row) in sums.as_chunks::<W>().0.iter().enumerate().take(used.rows) {
        #[expect(unsafe_code, reason = "tasks share the result")]
        // SAFETY: as above.
        let to = unsafe { gw.slice_mut(at + i * pitch, used.columns) };
        if is_first {
            to.copy_from_slice(&row[..used.columns]);
        } else {
            to.iter_mut().zip(row).for_each(|(to, &sum)| *to += sum);
        }
    }
}

/// Neighbouring pixels.
struct Run {
    /// Where they start in the source, from the start of a row on.
    start: usize,
    /// The first one's number in the block.
    step: usize,
    len: usize,
}

/// Turns the runs of `rows` rows, which start at `start` of their number in `source`.
fn turn_all<T: Real, V: Vector<T>>(
    turned: Turned,
    source: &[T],
    runs: &[Run],
    rows: usize,
    start: impl Fn(usize) -> usize + Sync,
    to: &mut [T],
) {
    let group = turned.group::<T, V>();
    let to = DisjointWriter::new(to);
    (0..rows.div_ceil(group)).into_par_iter().for_each(|i| {
        let rows = i * group..rows.min((i + 1) * group);
        simd::vectorised(
            #[inline(always)]
            || {
                for run in runs {
                    for done in (0..run.len).step_by(V::LANES) {
                        let left = run.len - done;
                        #[expect(unsafe_code, reason = "tasks share the result")]
                        // SAFETY: this task alone owns these rows.
                        unsafe {
                            turned.put::<T, V>(
                                rows.clone(),
                                #[inline(always)]
                                |row| load_within(source, start(row) + run.start + done),
                                #[inline(always)]
                                |lane| (lane < left).then_some(run.step + done + lane),
                                &to,
                                0,
                            );
                        }
                    }
                }
            },
        );
    });
}
