//! The gradient of the weights: their frequencies' first, then back to 3x3.

use std::ops::Range;

use rayon::prelude::*;

use super::inputs::{self, Layout};
use super::transform::{self, FREQUENCIES, SIDE, STEP};
use super::{BLOCK_BYTES, SKEW, Winograd};
use crate::array::DisjointWriter;
use crate::conv::dot::{Dots, MOST_ROWS, MOST_VIEWS};
use crate::geometry::Problem;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Isa, MOST_LANES, Vector, by_vector};

/// Output channels of a task: whole tiles on every processor.
const OUTPUTS: usize = 96;
/// Input channels of a task: whole vectors on every processor. Fewer channels on either side would
/// have the frequencies come from afar more often than the arithmetic takes.
const INPUTS: usize = 48;
/// Tiles are counted in whole cache lines, so that rows of them start on one.
const LINE: usize = 16;

/// `gw[o][i] = sum over images and pixels of gy[o] * x[i]` for each tap.
pub(in crate::conv) fn weight_gradient<T: Real>(p: &Problem, x: &[T], gy: &[T]) -> Vec<T> {
    let mut gw = vec![T::ZERO; p.outputs * p.inputs * 9];
    by_vector!(T, add_all(p, x, gy, &mut gw));
    gw
}

/// Adds the shares of all tiles, block by block.
fn add_all<T: Real, V: Vector<T>, const W: usize>(p: &Problem, x: &[T], gy: &[T], gw: &mut [T]) {
    let ours = Winograd::forward(p);
    // The gradient of the outputs, cut into the same tiles, but without a border.
    let theirs =
        Winograd { inputs: p.outputs, input: p.output, before: [0; 2], ..Winograd::forward(p) };
    let [rows, _] = T::dot_shape(Isa::detect());
    let outputs = p.outputs.next_multiple_of(rows);
    let all = p.batch * ours.count();
    let fitting = BLOCK_BYTES / (FREQUENCIES * (p.inputs + outputs) * size_of::<T>());
    let block = all.div_ceil(all.div_ceil(fitting.max(LINE))).next_multiple_of(LINE);
    let sizes = [block * p.inputs + SKEW, block * outputs + SKEW];
    let mut scratch = Scratch::new(FREQUENCIES * (sizes[0] + sizes[1]));
    let (inputs, gradients) = scratch.values().split_at_mut(FREQUENCIES * sizes[0]);
    for start in (0..all).step_by(block) {
        let tiles = start..all.min(start + block);
        if tiles.len() < block {
            // The columns without a tile.
            inputs.fill(T::ZERO);
            gradients.fill(T::ZERO);
        }
        let layout = |len: usize| Layout { len, columns: block };
        inputs::transform::<T, V, SIDE>(&ours, x, tiles.clone(), layout(sizes[0]), inputs);
        let layout = layout(sizes[1]);
        inputs::transform::<T, V, STEP>(&theirs, gy, tiles, layout, gradients);
        let parts = Products { problem: p, inputs, gradients, sizes, block };
        parts.add::<V>(gw);
    }
}

/// The frequencies of a block of tiles: `[frequency][channel][tile]`, and how many values a
/// frequency has.
struct Products<'a, T> {
    problem: &'a Problem,
    inputs: &'a [T],
    gradients: &'a [T],
    sizes: [usize; 2],
    block: usize,
}

impl<T: Real> Products<'_, T> {
    fn add<V: Vector<T>>(&self, gw: &mut [T]) {
        let p = self.problem;
        let shares = [p.outputs.div_ceil(OUTPUTS), p.inputs.div_ceil(INPUTS)];
        let writer = DisjointWriter::new(gw);
        (0..shares[0] * shares[1]).into_par_iter().for_each(|task| {
            let [o, i] = [task / shares[1] * OUTPUTS, task % shares[1] * INPUTS];
            let (outputs, inputs) = (o..p.outputs.min(o + OUTPUTS), i..p.inputs.min(i + INPUTS));
            simd::vectorised(
                #[inline(always)]
                || self.run::<V>(outputs, inputs, &writer),
            );
        });
    }

    /// The filters between some channels.
    #[inline(always)]
    fn run<V: Vector<T>>(
        &self,
        outputs: Range<usize>,
        inputs: Range<usize>,
        gw: &DisjointWriter<'_, T>,
    ) {
        let size = outputs.len() * INPUTS;
        let mut scratch = Scratch::new(FREQUENCIES * size);
        let sums = scratch.values();
        for (f, sums) in sums.chunks_exact_mut(size).enumerate() {
            self.frequency(f, outputs.clone(), inputs.clone(), sums);
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
                    to.iter_mut().zip(&lanes).for_each(|(to, lanes)| *to += lanes[l]);
                }
            }
        }
    }

    /// One frequency of all filters between some channels, `sums[output * INPUTS + input]`.
    #[inline(always)]
    fn frequency(&self, f: usize, outputs: Range<usize>, inputs: Range<usize>, sums: &mut [T]) {
        let [rows, views] = T::dot_shape(Isa::detect());
        let source = &self.inputs[f * self.sizes[0]..][..self.sizes[0]];
        let gradients = &self.gradients[f * self.sizes[1]..][..self.sizes[1]];
        for i in inputs.clone().step_by(views) {
            let mut at = [0; MOST_VIEWS];
            for (j, at) in at.iter_mut().enumerate() {
                // Views past the last channel repeat it; their sums are dropped.
                *at = (i + j).min(inputs.end - 1) * self.block;
            }
            let used = views.min(inputs.end - i);
            for o in outputs.clone().step_by(rows) {
                let mut dots: Dots<T> = [[T::ZERO; MOST_VIEWS]; MOST_ROWS];
                let gy = &gradients[o * self.block..][..rows * self.block];
                T::add_dots(gy, source, &at, self.block, &mut dots);
                for (o, dots) in (o..outputs.end.min(o + rows)).zip(&dots) {
                    let at = (o - outputs.start) * INPUTS + i - inputs.start;
                    sums[at..at + used].copy_from_slice(&dots[..used]);
                }
            }
        }
    }
}
