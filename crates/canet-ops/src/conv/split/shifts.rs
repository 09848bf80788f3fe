//! Convolution with several taps on the matrix unit. Each pixel becomes lines of its channels once (see [`Image`]); a
//! tap then is a shift by some lines, where panels (see [`super::panels`]) would pack each pixel once for each tap.
//!
//! Rows of a tile are pixels here, and columns channels of the result, so results are turned in the end.

use std::ops::Range;

use super::halves::{Halves, by_halves};
use super::image::Image;
use super::unit::{BLOCK, LINE, Place, Rows, SIDE, Unit};
use super::weights::Weights;
use crate::array::DisjointWriter;
use crate::conv::after::After;
use crate::geometry::Problem;
use crate::scratch::{Scratch, aligned, slack};
use crate::simd::MOST_LANES;
use crate::tasks::for_each_task;

/// Tiles of sums that a task has at a time: a quarter of a second-level cache of 2 MiB.
const TILES: usize = 128;
/// Blocks that are multiplied before sums are put down: the lines that all taps of 32 channels see are in the
/// first-level cache.
const BLOCKS: usize = 9;
/// Most pairs of runs of pixels in a task: weights come from afar once for all of them.
const PAIRS: usize = 8;
/// Tasks that are aimed at, so that two or more threads end at about the same time.
const TASKS: usize = 16;

/// One convolution of stride 1 at one size of picture.
#[derive(Debug)]
pub(super) struct Shifts {
    image: Image,
    outputs: usize,
    output: [usize; 2],
    /// Where the lines of each block of 32 steps start: channels by channels, tap by tap; and once more.
    blocks: Vec<usize>,
    /// Blocks that are multiplied before sums are put down.
    at_a_time: usize,
}

/// Whether a convolution should be done this way, given channels of its input, and its kernel and stride.
pub(super) fn suits(inputs: usize, kernel: [usize; 2], stride: [usize; 2]) -> bool {
    // Half a block may be zeros, of few.
    let fills = 2 * inputs.next_multiple_of(SIDE) <= 3 * inputs;
    stride == [1, 1] && kernel != [1, 1] && fills
}

impl Shifts {
    pub(super) fn forward(p: &Problem) -> Self {
        let before = p.geometry.padding.map(|[before, _]| before);
        Self::new(p, [p.inputs, p.outputs], p.input, before, p.output)
    }

    /// The gradient of the input; `None` if that sees a part of the output's only.
    pub(super) fn input_gradient(p: &Problem) -> Option<Self> {
        let g = &p.geometry;
        let reach = [0, 1].map(|axis| g.dilation[axis] * (p.kernel[axis] - 1));
        let before = [0, 1].map(|axis| reach[axis].checked_sub(g.padding[axis][0]));
        let [Some(above), Some(left)] = before else { return None };
        let seen = [above + p.output[0], left + p.output[1]];
        let is_all = (0..2).all(|axis| seen[axis] <= p.input[axis] + reach[axis]);
        is_all.then(|| Self::new(p, [p.outputs, p.inputs], p.output, [above, left], p.input))
    }

    fn new(
        p: &Problem,
        [inputs, outputs]: [usize; 2],
        size: [usize; 2],
        before: [usize; 2],
        output: [usize; 2],
    ) -> Self {
        let ([kh, kw], dilation) = (p.kernel, p.geometry.dilation);
        let extent = [0, 1].map(|axis| output[axis] + dilation[axis] * (p.kernel[axis] - 1));
        let image = Image::new(inputs, size, before, extent);
        let mut blocks = Vec::new();
        for channels in 0..inputs.div_ceil(SIDE) {
            for tap in 0..kh * kw {
                let shift = image.line([tap / kw * dilation[0], tap % kw * dilation[1]]);
                blocks.push(channels * image.block() + shift);
            }
        }
        blocks.push(0);
        // All taps of some channels, as they see the same lines.
        let at_a_time = (BLOCKS / (kh * kw)).max(1) * kh * kw;
        Self { image, outputs, output, blocks, at_a_time }
    }

    /// Values that [`Self::run`] needs to work in.
    pub(super) fn workspace(&self) -> usize {
        self.image.len() + slack::<f32>()
    }

    /// Values of the result.
    pub(super) fn result(&self) -> usize {
        self.outputs * self.output[0] * self.output[1]
    }

    /// One image: cut into tasks, which are some pixels, for some bands of the result's channels.
    pub(super) fn run(
        &self,
        weights: &Weights,
        x: &[f32],
        after: After<f32>,
        y: &mut [f32],
        workspace: &mut [f32],
    ) {
        let lines = aligned(workspace);
        self.image.pack(x, lines);
        let (runs, all) = (self.output[0] * self.runs_a_row(), self.outputs.div_ceil(SIDE));
        let groups = runs.div_ceil(2 * PAIRS);
        let runs_a_task = runs.div_ceil(groups).next_multiple_of(2);
        let groups = runs.div_ceil(runs_a_task);
        let shares = (TASKS / groups).clamp(1, all).max(all.div_ceil(TILES / PAIRS));
        let bands_a_task = all.div_ceil(shares);
        let shares = all.div_ceil(bands_a_task);
        let writer = DisjointWriter::new(y);
        let task = Task { plan: self, weights, lines, after, y: &writer };
        for_each_task(groups * shares, |i| {
            let (group, share) = (i / shares * runs_a_task, i % shares * bands_a_task);
            let runs = group..runs.min(group + runs_a_task);
            let some = share..all.min(share + bands_a_task);
            by_halves!(V => task.run::<V>(runs, some));
        });
    }

    /// Runs of 16 pixels in a row of the result, of which the last one may be shorter.
    fn runs_a_row(&self) -> usize {
        self.output[1].div_ceil(LINE)
    }

    /// First row and column of a run.
    fn place(&self, run: usize) -> [usize; 2] {
        [run / self.runs_a_row(), run % self.runs_a_row() * LINE]
    }
}

/// What all tasks of a convolution share.
struct Task<'a> {
    plan: &'a Shifts,
    weights: &'a Weights,
    lines: &'a [f32],
    after: After<'a, f32>,
    y: &'a DisjointWriter<'a, f32>,
}

impl Task<'_> {
    /// The result of `bands` for `runs`.
    #[inline(always)]
    fn run<V: Halves>(&self, runs: Range<usize>, bands: Range<usize>) {
        let Shifts { image, blocks, at_a_time, .. } = self.plan;
        let (all, pairs) = (blocks.len() - 1, runs.len().div_ceil(2));
        let mut scratch = Scratch::new(bands.len() * pairs * SIDE * SIDE);
        let (sums, unit) = (scratch.values(), Unit::new());
        for first in (0..all).step_by(*at_a_time) {
            let last = all.min(first + at_a_time);
            let mut tiles = sums.as_chunks_mut::<{ SIDE * SIDE }>().0.iter_mut();
            for band in bands.clone() {
                let panel = &self.weights.band(band)[first * BLOCK..last * BLOCK];
                for (run, tile) in runs.clone().step_by(2).zip(&mut tiles) {
                    // An odd run is its own neighbour.
                    let both = [run, (run + 1).min(runs.end - 1)];
                    let starts = both.map(|run| image.line(self.plan.place(run)));
                    let (words, half) = (self.lines, image.half());
                    let blocks = &blocks[first..=last];
                    let rows = Rows { words, starts, half, blocks, are_near: true };
                    let place = Place { start: tile.as_mut_ptr(), pitch: SIDE };
                    #[expect(unsafe_code, reason = "the unit takes places")]
                    // SAFETY: the tile is this task's own.
                    unsafe {
                        unit.multiply(rows, panel, (first > 0).then_some(place), place);
                    }
                    if last == all {
                        let count = (runs.end - run).min(2);
                        for (i, run) in both.into_iter().enumerate().take(count) {
                            self.store::<V>(&tile[i * SIDE * LINE..], run, band);
                        }
                    }
                }
            }
        }
    }

    /// Turns the sums of a run of pixels, and writes them to the result.
    #[inline(always)]
    fn store<V: Halves>(&self, sums: &[f32], run: usize, band: usize) {
        let Shifts { outputs, output, .. } = *self.plan;
        let [row, column] = self.plan.place(run);
        let width = LINE.min(output[1] - column);
        let mut turned = [[0.0; LINE]; SIDE];
        for pixel in (0..LINE).step_by(V::LANES) {
            for channel in (0..SIDE).step_by(V::LANES) {
                let mut square = [V::splat(0.0); MOST_LANES];
                for lane in 0..V::LANES {
                    square[lane] = V::load(&sums[(pixel + lane) * SIDE + channel..]);
                }
                V::transpose(&mut square);
                for lane in 0..V::LANES {
                    square[lane].store(&mut turned[channel + lane][pixel..]);
                }
            }
        }
        for (i, sums) in turned.iter().enumerate().take(outputs - band * SIDE) {
            let channel = band * SIDE + i;
            let at = (channel * output[0] + row) * output[1] + column;
            #[expect(unsafe_code, reason = "tasks share the result")]
            // SAFETY: this task alone owns these pixels of these channels.
            let to = unsafe { self.y.slice_mut(at, width) };
            self.after.store::<V>(to, sums, self.after.bias_of(channel), at);
        }
    }
}
