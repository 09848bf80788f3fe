//! Bilinear resize, and the row of it that [`super::best_class`] shares.

use candle_core::Result;

use super::tasks::for_rows;
use crate::grid::{Corners, Sample, samples};

/// Columns that are made at a time, on the stack of a task.
pub(super) const CHUNK: usize = 256;
/// Input columns of a chunk that are blended before they are sampled. Enlarging never needs more;
/// where a map becomes much smaller, most of them would be blended for nothing.
const SPAN: usize = 512;

/// A bilinear resize at one size, as [`crate::resize_bilinear`].
#[derive(Debug, Clone)]
pub struct Resize {
    rows: Vec<Sample<f32>>,
    columns: Vec<Column>,
    input: [usize; 2],
}

/// [`Sample`] in half the memory.
#[derive(Debug, Clone, Copy)]
struct Column {
    low: u32,
    high: u32,
    weight: f32,
}

impl Resize {
    /// From maps of `input` = `[height, width]` to maps of `output`.
    pub fn new(input: [usize; 2], output: [usize; 2], corners: Corners) -> Result<Self> {
        if input.contains(&0) || output.contains(&0) {
            candle_core::bail!("cannot resize {input:?} pixels to {output:?}");
        }
        let column =
            |s: Sample<f32>| Column { low: s.low as u32, high: s.high as u32, weight: s.weight };
        let columns = samples(input[1], output[1], corners).into_iter().map(column).collect();
        Ok(Self { rows: samples(input[0], output[0], corners), columns, input })
    }

    /// Height and width of the result.
    pub fn output(&self) -> [usize; 2] {
        [self.rows.len(), self.columns.len()]
    }

    /// Values of a plane of the input.
    pub(super) fn input_plane(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Resizes `x` `(C, H, W)` into `y` `(C, h, w)`.
    pub fn run(&self, x: &[f32], y: &mut [f32]) {
        let (plane, [oh, ow]) = (self.input_plane(), self.output());
        for_rows(
            y,
            ow,
            2,
            #[inline(always)]
            |row, y| {
                let x = &x[row / oh * plane..][..plane];
                for (index, y) in y.chunks_mut(CHUNK).enumerate() {
                    self.chunk(x, row % oh, index * CHUNK, y);
                }
            },
        );
    }

    /// At most [`CHUNK`] columns from `first` on of row `row` of one plane: two input rows are
    /// blended, then sampled along.
    #[inline(always)]
    pub(super) fn chunk(&self, x: &[f32], row: usize, first: usize, y: &mut [f32]) {
        let (row, width) = (self.rows[row], self.input[1]);
        let columns = &self.columns[first..first + y.len()];
        let (Some(left), Some(right)) = (columns.first(), columns.last()) else { return };
        let span = left.low as usize..right.high as usize + 1;
        let low = &x[row.low * width..][span.clone()];
        let high = &x[row.high * width..][span.clone()];
        if span.len() > SPAN {
            return sample(columns, y, |at| blend(low[at], high[at], row.weight), left.low);
        }
        let mut blended = [0.0; SPAN];
        for ((to, &low), &high) in blended.iter_mut().zip(low).zip(high) {
            *to = blend(low, high, row.weight);
        }
        // The remainder is never needed; it tells the compiler that no index leaves the array.
        sample(columns, y, |at| blended[at % SPAN], left.low);
    }
}

#[inline(always)]
fn sample(columns: &[Column], y: &mut [f32], x: impl Fn(usize) -> f32, left: u32) {
    for (y, column) in y.iter_mut().zip(columns) {
        let at = |column: u32| x((column - left) as usize);
        *y = blend(at(column.low), at(column.high), column.weight);
    }
}

/// `(1 - weight) * low + weight * high`.
#[inline(always)]
fn blend(low: f32, high: f32, weight: f32) -> f32 {
    (high - low).mul_add(weight, low)
}
