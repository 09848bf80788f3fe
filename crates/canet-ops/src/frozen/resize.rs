//! Bilinear resize, and the row of it that [`super::best_class`] shares.

use std::ops::Range;

use candle_core::Result;

use super::tasks::for_rows_with;
use crate::grid::{Corners, Sample, samples};

/// Columns that are made at a time, on the stack of a task.
pub(super) const CHUNK: usize = 256;
/// Input columns of a chunk that are blended before they are sampled. Enlarging never needs more;
/// where a map becomes much smaller, most of them would be blended for nothing.
const SPAN: usize = CHUNK + 1;
/// Copies of a value that are written at once.
const COPIES: usize = 8;

/// A bilinear resize at one size, as [`crate::resize_bilinear`].
#[derive(Debug, Clone)]
pub struct Resize {
    rows: Vec<Sample<f32>>,
    /// The left one of the two input columns of each column.
    lows: Vec<u32>,
    /// The share of the right one.
    weights: Vec<f32>,
    /// The first column of which each input column is the left one, or a later one is; and the end.
    starts: Vec<u32>,
    input: [usize; 2],
}

impl Resize {
    /// From maps of `input` = `[height, width]` to maps of `output`.
    pub fn new(input: [usize; 2], output: [usize; 2], corners: Corners) -> Result<Self> {
        if input.contains(&0) || output.contains(&0) {
            candle_core::bail!("cannot resize {input:?} pixels to {output:?}");
        }
        let columns: Vec<Sample<f32>> = samples(input[1], output[1], corners);
        let start = |at| columns.partition_point(|column| column.low < at) as u32;
        Ok(Self {
            rows: samples(input[0], output[0], corners),
            lows: columns.iter().map(|column| column.low as u32).collect(),
            weights: columns.iter().map(|column| column.weight).collect(),
            starts: (0..=input[1]).map(start).collect(),
            input,
        })
    }

    /// Height and width of the result.
    pub fn output(&self) -> [usize; 2] {
        [self.rows.len(), self.lows.len()]
    }

    /// Values of a plane of the input.
    pub(super) fn input_plane(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Resizes `x` `(C, H, W)` into `y` `(C, h, w)`.
    pub fn run(&self, x: &[f32], y: &mut [f32]) {
        let (plane, [oh, ow]) = (self.input_plane(), self.output());
        for_rows_with(
            y,
            ow,
            1,
            Chunk::new,
            #[inline(always)]
            |chunk, row, y| {
                let x = &x[row / oh * plane..][..plane];
                for (index, y) in y.chunks_mut(CHUNK).enumerate() {
                    chunk.prepare(self, x, row % oh, index * CHUNK, y.len());
                    y.iter_mut().zip(chunk.values(self)).for_each(|(y, v)| *y = v);
                }
            },
        );
    }
}

/// Some columns of a row of one plane, on their way.
pub(super) struct Chunk {
    /// The two input rows, blended; with one more value at the end.
    blended: [f32; SPAN + 1],
    /// What is left of each column, and how far it is to what is right of it.
    values: [f32; CHUNK + COPIES],
    steps: [f32; CHUNK + COPIES],
    columns: Range<usize>,
}

impl Chunk {
    #[inline(always)]
    pub(super) fn new() -> Self {
        let (values, steps) = ([0.0; CHUNK + COPIES], [0.0; CHUNK + COPIES]);
        Self { blended: [0.0; SPAN + 1], values, steps, columns: 0..0 }
    }

    /// Takes the `count` columns from `first` on of row `row` of the plane `x`.
    #[inline(always)]
    pub(super) fn prepare(
        &mut self,
        resize: &Resize,
        x: &[f32],
        row: usize,
        first: usize,
        count: usize,
    ) {
        let (row, width) = (resize.rows[row], resize.input[1]);
        self.columns = first..first + count;
        let lows = &resize.lows[self.columns.clone()];
        let left = lows[0] as usize;
        let end = (lows[count - 1] as usize + 2).min(width);
        let [low, high] = [row.low, row.high].map(|row| &x[row * width..][left..end]);
        if end - left <= SPAN {
            for ((to, &low), &high) in self.blended.iter_mut().zip(low).zip(high) {
                *to = blend(low, high - low, row.weight);
            }
            // The last column of all has no right neighbour but itself.
            self.blended[end - left] = self.blended[end - left - 1];
            self.stretch(&resize.starts[left..lows[count - 1] as usize + 2]);
        } else {
            let at = |i: usize| blend(low[i], high[i] - low[i], row.weight);
            for (i, &column) in lows.iter().enumerate() {
                let column = column as usize - left;
                self.values[i] = at(column);
                self.steps[i] = at((column + 1).min(low.len() - 1)) - self.values[i];
            }
        }
    }

    /// Repeats each blended value, and the step to the next one, over the columns between the two:
    /// from one of `starts` to the next. Writing a few copies too many, which the next ones replace,
    /// is faster than looking each value up.
    #[inline(always)]
    fn stretch(&mut self, starts: &[u32]) {
        let columns = &self.columns;
        for (pair, ends) in self.blended.windows(2).zip(starts.windows(2)) {
            let start = (ends[0] as usize).max(columns.start) - columns.start;
            let end = (ends[1] as usize).min(columns.end) - columns.start;
            for at in (start..end).step_by(COPIES) {
                self.values[at..at + COPIES].fill(pair[0]);
                self.steps[at..at + COPIES].fill(pair[1] - pair[0]);
            }
        }
    }

    /// The resized values.
    #[inline(always)]
    pub(super) fn values(&self, resize: &Resize) -> impl Iterator<Item = f32> {
        let weights = &resize.weights[self.columns.clone()];
        let both = self.values.iter().zip(&self.steps);
        both.zip(weights).map(
            #[inline(always)]
            |((&value, &step), &weight)| blend(value, step, weight),
        )
    }
}

/// `low + weight * step`, with one rounding.
#[inline(always)]
fn blend(low: f32, step: f32, weight: f32) -> f32 {
    step.mul_add(weight, low)
}
