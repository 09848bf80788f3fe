//! Average pooling in adaptive bins.

use std::ops::Range;

use candle_core::Result;

use crate::grid::bin;
use crate::lanes::sum;
use crate::tasks::for_rows;

/// Columns that are summed over rows at a time, on the stack.
const SPAN: usize = 256;
/// Values that are summed in one go; longer sums are sums of such, or they would lose digits.
const BLOCK: usize = 4096;

/// Averages over adaptive bins, as [`crate::adaptive_avg_pool2d`], at one size.
#[derive(Debug, Clone)]
pub struct AveragePool {
    rows: Vec<Range<usize>>,
    columns: Vec<Range<usize>>,
    input: [usize; 2],
    /// The columns of each bin, if all have the same and none is in two.
    even: Option<usize>,
}

impl AveragePool {
    /// From maps of `input` = `[height, width]` to `output` bins.
    pub fn new(input: [usize; 2], output: [usize; 2]) -> Result<Self> {
        if input.contains(&0) || output.contains(&0) {
            candle_core::bail!("cannot pool {input:?} pixels into {output:?}");
        }
        let bins =
            |axis: usize| (0..output[axis]).map(|i| bin(i, output[axis], input[axis])).collect();
        let even = input[1].is_multiple_of(output[1]).then_some(input[1] / output[1]);
        Ok(Self { rows: bins(0), columns: bins(1), input, even })
    }

    /// Height and width of what is averaged.
    pub fn input(&self) -> [usize; 2] {
        self.input
    }

    /// Averages `x` `(C, H, W)` into `y` `(C, h, w)`.
    pub fn run(&self, x: &[f32], y: &mut [f32]) {
        let plane = self.input[0] * self.input[1];
        let (oh, ow) = (self.rows.len(), self.columns.len());
        for_rows(
            y,
            ow,
            plane.div_ceil(oh * ow),
            #[inline(always)]
            |row, y| {
                let x = &x[row / oh * plane..][..plane];
                if oh * ow == 1 {
                    let total: f32 = x.chunks(BLOCK).map(|block| sum(block, |v| v)).sum();
                    y[0] = total / plane as f32;
                } else {
                    self.row(x, self.rows[row % oh].clone(), y);
                }
            },
        );
    }

    /// One row of bins: `rows` of the plane are summed first, then columns.
    #[inline(always)]
    fn row(&self, x: &[f32], rows: Range<usize>, y: &mut [f32]) {
        let width = self.input[1];
        let mut start = 0;
        while start < y.len() {
            let first = self.columns[start].start;
            let fitting = self.columns[start..].iter().take_while(|bin| bin.end - first <= SPAN);
            let end = start + fitting.count();
            if end == start {
                // One bin alone is too long for the stack.
                let bin = self.columns[start].clone();
                let of_row = |r: usize| sum(&x[r * width..][bin.clone()], |v| v);
                let total: f32 = rows.clone().map(of_row).sum();
                y[start] = total / (rows.len() * bin.len()) as f32;
                start += 1;
                continue;
            }
            let mut sums = [0.0; SPAN];
            let sums = &mut sums[..self.columns[end - 1].end - first];
            for r in rows.clone() {
                let x = &x[r * width + first..][..sums.len()];
                sums.iter_mut().zip(x).for_each(|(sum, &v)| *sum += v);
            }
            let y = &mut y[start..end];
            match self.even {
                Some(2) => means::<2>(sums, rows.len(), y),
                Some(4) => means::<4>(sums, rows.len(), y),
                Some(8) => means::<8>(sums, rows.len(), y),
                Some(16) => means::<16>(sums, rows.len(), y),
                _ => {
                    for (y, bin) in y.iter_mut().zip(&self.columns[start..end]) {
                        let total: f32 = sums[bin.start - first..bin.end - first].iter().sum();
                        *y = total / (rows.len() * bin.len()) as f32;
                    }
                }
            }
            start = end;
        }
    }
}

/// The means of `LEN` neighbours each in sums of so many rows.
#[inline(always)]
fn means<const LEN: usize>(sums: &[f32], rows: usize, y: &mut [f32]) {
    let count = (rows * LEN) as f32;
    for (y, bin) in y.iter_mut().zip(sums.as_chunks::<LEN>().0) {
        *y = bin.iter().sum::<f32>() / count;
    }
}
