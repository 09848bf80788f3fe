//! Convolution by few taps and a 2x2 max-pooling after it on the matrix unit: the first of a network, whose map is the
//! largest and is never stored here. The halves of a panel are the even and the odd pixels of a run, so that the four
//! values of a window are at one place of four tiles, and neighbours' results are next to each other.

use std::ops::Range;

use super::halves::{Halves, by_halves};
use super::unit::{BLOCK, HALF, LINE, Rows, SIDE, Sums, Unit};
use super::weights::Weights;
use super::{LEAST_OUTPUTS, LEAST_TAPS};
use crate::array::DisjointWriter;
use crate::conv::after::After;
use crate::conv::lowering::Lowering;
use crate::frozen::{MaxPool, larger};
use crate::geometry::{Algorithm, ConvGeometry, Problem};
use crate::scratch::Scratch;
use crate::simd;
use crate::tasks::for_each_task;

/// Pixels of the map in a task: enough to be worth handing over, few enough for all cores to get some.
const PIXELS: usize = 1 << 11;
/// Values that are read past the last pixel of a source: two vectors.
const PAST: usize = 2 * SIDE;

/// One convolution and its pooling at one size of picture.
#[derive(Debug)]
pub(crate) struct Pooled {
    /// Of the rows that a task needs.
    lowering: Lowering,
    outputs: usize,
    /// Columns of the convolution's result.
    width: usize,
    /// Height and width of what it is pooled to.
    output: [usize; 2],
    /// Of these, rows of a task.
    rows: usize,
}

/// Whether a convolution by `weight` `(O, I / groups, kh, kw)` can and should be done this way, where a pooling follows
/// that suits.
pub(crate) fn suits([outputs, inputs, kh, kw]: [usize; 4], geometry: &ConvGeometry) -> bool {
    geometry.algorithm == Algorithm::Fastest
        && geometry.groups == 1
        && geometry.stride == [1, 1]
        && outputs >= LEAST_OUTPUTS
        && inputs * kh * kw < LEAST_TAPS
        && simd::has_matrix_unit()
}

impl Pooled {
    /// For a problem that [`suits`]; `None` if the pooling does not.
    pub(crate) fn new(p: &Problem, pool: MaxPool) -> Option<Self> {
        let output = p.output.map(|n| n / 2);
        if pool != (MaxPool { kernel: 2, stride: 2, padding: 0 }) || output.contains(&0) {
            return None;
        }
        let rows = PIXELS.div_ceil(2 * p.output[1]).min(output[0]);
        Some(Self {
            lowering: Lowering::of_rows(p, p.inputs, 2 * rows),
            outputs: p.outputs,
            width: p.output[1],
            output,
            rows,
        })
    }

    /// The weights, as [`Self::run`] takes them.
    pub(crate) fn weights(p: &Problem, weight: &[f32]) -> Weights {
        Weights::bands(p, weight)
    }

    /// Height and width of the result.
    pub(crate) fn output(&self) -> [usize; 2] {
        self.output
    }

    /// Values that a task keeps of each channel: its rows, the end of the last run, and what keeps neighbouring channels'
    /// lines from being in the same set of a cache.
    fn channel_len(&self) -> usize {
        (self.rows * self.output[1]).next_multiple_of(LINE) + 3 * LINE
    }

    /// One image: `x` `(I, H, W)` to `y` `(O, h, w)`.
    pub(crate) fn run(&self, weights: &Weights, x: &[f32], after: After<f32>, y: &mut [f32]) {
        let y = DisjointWriter::new(y);
        let task = Task { plan: self, weights, x, after, y: &y };
        for_each_task(self.output[0].div_ceil(self.rows), |i| {
            let rows = i * self.rows..self.output[0].min((i + 1) * self.rows);
            by_halves!(V => task.run::<V>(rows));
        });
    }
}

/// What all tasks share.
struct Task<'a> {
    plan: &'a Pooled,
    weights: &'a Weights,
    x: &'a [f32],
    after: After<'a, f32>,
    y: &'a DisjointWriter<'a, f32>,
}

impl Task<'_> {
    /// Some rows of the result.
    #[inline(always)]
    fn run<V: Halves>(&self, rows: Range<usize>) {
        let Pooled { lowering, outputs, width, output, .. } = self.plan;
        let panel = self.weights.blocks() * BLOCK;
        let source = lowering.source_len() + PAST;
        let channel = self.plan.channel_len();
        let bands = outputs.div_ceil(SIDE);
        let mut scratch = Scratch::new(2 * panel + bands * SIDE * channel + source);
        let (panels, rest) = scratch.values().split_at_mut(2 * panel);
        let (pooled, source) = rest.split_at_mut(bands * SIDE * channel);
        lowering.fill_rows(self.x, 2 * rows.start, source);
        let (unit, mut sums) = (Unit::new(), [Sums::new(), Sums::new()]);
        for (row, column) in self.runs(rows.len()) {
            for (i, panel) in panels.chunks_exact_mut(panel).enumerate() {
                let pixel = (2 * row + i) * width + 2 * column;
                pack::<V>(&source[lowering.pixels[pixel]..], &lowering.taps, panel);
            }
            for band in 0..bands {
                for (panel, sums) in panels.chunks_exact(panel).zip(&mut sums) {
                    let (band, place) = (Rows::of_band(self.weights.band(band)), sums.place());
                    #[expect(unsafe_code, reason = "the unit takes places")]
                    // SAFETY: the sums are this task's own.
                    unsafe {
                        unit.multiply(band, panel, None, place);
                    }
                }
                let to = &mut pooled[band * SIDE * channel + row * output[1] + column..];
                pool(&sums, channel, to);
            }
        }
        self.store::<V>(rows, pooled);
    }

    /// The runs of pixels of some rows: where each starts.
    #[inline(always)]
    fn runs(&self, rows: usize) -> impl Iterator<Item = (usize, usize)> {
        let width = self.plan.output[1];
        (0..rows).flat_map(move |row| (0..width).step_by(LINE).map(move |column| (row, column)))
    }

    /// Writes some rows of all channels to the result.
    #[inline(always)]
    fn store<V: Halves>(&self, rows: Range<usize>, pooled: &[f32]) {
        let Pooled { outputs, output: [height, width], .. } = *self.plan;
        let channels = pooled.chunks_exact(self.plan.channel_len()).take(outputs);
        for (channel, pooled) in channels.enumerate() {
            let (at, len) = ((channel * height + rows.start) * width, rows.len() * width);
            #[expect(unsafe_code, reason = "tasks share the result")]
            // SAFETY: this task alone owns these rows, and has no other slice of them now.
            let to = unsafe { self.y.slice_mut(at, len) };
            self.after.store::<V>(to, &pooled[..len], self.after.bias_of(channel), at);
        }
    }
}

/// The largest of each window, from the sums of its two rows: a run of each channel.
#[inline(always)]
fn pool([upper, lower]: &[Sums; 2], channel_len: usize, to: &mut [f32]) {
    for i in 0..SIDE {
        let (upper, lower) = (upper.row(i), lower.row(i));
        for (j, to) in to[i * channel_len..][..LINE].iter_mut().enumerate() {
            let upper = larger(upper[j], upper[LINE + j]);
            *to = larger(upper, larger(lower[j], lower[LINE + j]));
        }
    }
}

/// A panel of the 32 pixels that `source` starts with, as `taps` see them. Taps past the last are zeros.
#[inline(always)]
fn pack<V: Halves>(source: &[f32], taps: &[usize], panel: &mut [f32]) {
    for (block, taps) in panel.chunks_exact_mut(BLOCK).zip(taps.chunks(SIDE)) {
        for pair in 0..LINE {
            for j in (0..LINE).step_by(V::LANES) {
                let mut sides = [[V::splat(0.0); 2]; 2];
                for (step, tap) in taps.iter().skip(2 * pair).take(2).enumerate() {
                    let [even, odd] = V::load_by_two(&source[tap + 2 * j..]);
                    (sides[0][step], sides[1][step]) = (even, odd);
                }
                for (side, &values) in sides.iter().enumerate() {
                    let halves = V::halves(values);
                    let at = (side * LINE + pair) * LINE + j;
                    halves[0].store(&mut block[at..]);
                    halves[1].store(&mut block[HALF + at..]);
                }
            }
        }
    }
}
