//! The gradient of the weights: their frequencies' first, then back to 3x3.

use std::ops::Range;

use super::transform::{self, FREQUENCIES, SIDE, STEP};
use super::turned::{self, Layout};
use super::{SKEW, Winograd};
use crate::array::{DisjointWriter, unspecified};
use crate::conv::tile::{MOST_COLUMNS, MOST_ROWS, Sums, TileShape, Used};
use crate::conv::turned::Turned;
use crate::geometry::Problem;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, MOST_LANES, Vector, by_vector};
use crate::tasks::for_each_task;

/// Frequencies of both sides that are kept at a time, in bytes.
const BLOCK_BYTES: usize = 32 << 20;
/// Fewest tiles of a block: the sums of a block are added to those of the blocks before it.
const LEAST_TILES: usize = 48;
/// Output channels of a task: whole tiles on every processor.
const OUTPUTS: usize = 96;
/// Input channels of a task: whole panels on every processor. Fewer channels on either side would
/// have the frequencies come from afar more often than the arithmetic takes.
const INPUTS: usize = 48;

/// `gw[o][i] = sum over images and pixels of gy[o] * x[i]` for each tap.
pub(in crate::conv) fn weight_gradient<T: Real>(p: &Problem, x: &[T], gy: &[T]) -> Vec<T> {
    let mut gw = unspecified(p.outputs * p.inputs * 9);
    by_vector!(T, sum_all(p, x, gy, &mut gw));
    gw
}

/// Sums the shares of all tiles, block by block.
fn sum_all<T: Real, V: Vector<T>, const W: usize>(p: &Problem, x: &[T], gy: &[T], gw: &mut [T]) {
    let ours = Winograd::forward(p);
    // The gradient of the outputs, cut into the same tiles, but without a border.
    let theirs =
        Winograd { inputs: p.outputs, input: p.output, before: [0; 2], ..Winograd::forward(p) };
    let shape = TileShape::of::<T>();
    let widths = [W, shape.rows];
    let channels = [p.inputs.next_multiple_of(W), p.outputs.next_multiple_of(shape.rows)];
    let all = p.batch * ours.count();
    let fitting = BLOCK_BYTES / (FREQUENCIES * (channels[0] + channels[1]) * size_of::<T>());
    let block = all.div_ceil(all.div_ceil(fitting.max(LEAST_TILES)));
    let sizes = channels.map(|channels| block * channels + SKEW);
    let mut scratch = Scratch::new(FREQUENCIES * (sizes[0] + sizes[1]));
    let (inputs, gradients) = scratch.values().split_at_mut(FREQUENCIES * sizes[0]);
    for start in (0..all).step_by(block) {
        let tiles = start..all.min(start + block);
        let turned = widths.map(|width| Turned { width, steps: tiles.len() });
        let layout = |side: usize| Layout { len: sizes[side], turned: turned[side] };
        turned::transform::<T, V, SIDE>(&ours, x, tiles.clone(), layout(0), inputs);
        turned::transform::<T, V, STEP>(&theirs, gy, tiles.clone(), layout(1), gradients);
        let parts = Products { problem: p, inputs, gradients, sizes, turned, is_first: start == 0 };
        parts.add::<V, W>(gw);
    }
}

/// The frequencies of a block of tiles, how many values a frequency has, and whether the block is the
/// first.
struct Products<'a, T> {
    problem: &'a Problem,
    inputs: &'a [T],
    gradients: &'a [T],
    sizes: [usize; 2],
    turned: [Turned; 2],
    is_first: bool,
}

impl<T: Real> Products<'_, T> {
    fn add<V: Vector<T>, const W: usize>(&self, gw: &mut [T]) {
        let p = self.problem;
        let shares = [p.outputs.div_ceil(OUTPUTS), p.inputs.div_ceil(INPUTS)];
        let writer = DisjointWriter::new(gw);
        for_each_task(shares[0] * shares[1], |task| {
            let [o, i] = [task / shares[1] * OUTPUTS, task % shares[1] * INPUTS];
            let (outputs, inputs) = (o..p.outputs.min(o + OUTPUTS), i..p.inputs.min(i + INPUTS));
            simd::vectorised(
                #[inline(always)]
                || self.run::<V, W>(outputs, inputs, &writer),
            );
        });
    }

    /// The filters between some channels.
    #[inline(always)]
    fn run<V: Vector<T>, const W: usize>(
        &self,
        outputs: Range<usize>,
        inputs: Range<usize>,
        gw: &DisjointWriter<'_, T>,
    ) {
        let size = outputs.len() * INPUTS;
        let mut scratch = Scratch::new(FREQUENCIES * size);
        let sums = scratch.values();
        for (f, sums) in sums.chunks_exact_mut(size).enumerate() {
            self.frequency::<W>(f, outputs.clone(), inputs.clone(), sums);
        }
        for (row, o) in outputs.enumerate() {
            let start = (o * self.problem.inputs + inputs.start) * 9;
            #[expect(unsafe_code, reason = "tasks share the result")]
            // SAFETY: this task alone owns the filters between these channels.
            let to = unsafe { gw.slice_mut(start, inputs.len() * 9) };
            let vectors = to.as_chunks_mut::<9>().0.chunks_mut(V::LANES);
            for (to, i) in vectors.zip((0..).step_by(V::LANES)) {
                let filters = transform::weight_gradient_tiles::<T, V>(
                    #[inline(always)]
                    |f| V::load(&sums[f * size + row * INPUTS + i..]),
                );
                let mut lanes = [[T::ZERO; MOST_LANES]; 9];
                for (lanes, filter) in lanes.iter_mut().zip(filters.as_flattened()) {
                    filter.store(lanes);
                }
                for (l, to) in to.iter_mut().enumerate() {
                    for (to, lanes) in to.iter_mut().zip(&lanes) {
                        *to = if self.is_first { lanes[l] } else { *to + lanes[l] };
                    }
                }
            }
        }
    }

    /// One frequency of all filters between some channels, `sums[output * INPUTS + input]`.
    #[inline(always)]
    fn frequency<const W: usize>(
        &self,
        f: usize,
        outputs: Range<usize>,
        inputs: Range<usize>,
        sums: &mut [T],
    ) {
        let rows = TileShape::of::<T>().rows;
        let source = &self.inputs[f * self.sizes[0]..][..self.sizes[0]];
        let gradients = &self.gradients[f * self.sizes[1]..][..self.sizes[1]];
        let mut tile: Sums<T> = [T::ZERO; MOST_ROWS * MOST_COLUMNS];
        for i in inputs.clone().step_by(W) {
            let panel = &source[self.turned[0].of(i)];
            for o in outputs.clone().step_by(rows) {
                let band = &gradients[self.turned[1].of(o)];
                let used = Used { rows: rows.min(outputs.end - o), columns: W.min(inputs.end - i) };
                T::product::<true>(band, panel, used, &mut tile);
                for (o, row) in (o..o + used.rows).zip(tile.as_chunks::<W>().0) {
                    let at = (o - outputs.start) * INPUTS + i - inputs.start;
                    sums[at..at + used.columns].copy_from_slice(&row[..used.columns]);
                }
            }
        }
    }
}
