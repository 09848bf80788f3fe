//! Max pooling.

use std::ops::Range;

use candle_core::Result;

use crate::real::Real;
use crate::simd;
use crate::tasks::for_chunks;

/// The windows of a max-pooling; padding never wins, NaN always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPool {
    /// Side of a window.
    pub kernel: usize,
    /// Steps between windows.
    pub stride: usize,
    /// Pixels without a value around the picture.
    pub padding: usize,
}

impl MaxPool {
    /// Height and width of the result for `input` = `[height, width]`.
    pub fn output(&self, input: [usize; 2]) -> Result<[usize; 2]> {
        let Self { kernel, stride, padding } = *self;
        let length = |n: usize| {
            let free = (n + 2 * padding).checked_sub(kernel);
            free.filter(|_| stride > 0).map(|free| free / stride + 1)
        };
        match (length(input[0]), length(input[1])) {
            // A window inside the padding would have no value at all.
            (Some(h), Some(w)) if padding < kernel => Ok([h, w]),
            _ => candle_core::bail!("{self:?} does not fit {input:?}"),
        }
    }

    /// The rows (or columns) of a map of `n` that windows `windows` look at.
    pub fn reach(&self, windows: Range<usize>, n: usize) -> Range<usize> {
        self.window(windows.start, n).start..self.window(windows.end - 1, n).end
    }

    /// Pools maps of `input` = `[H, W]` into rows `rows` of `y` `(C, h, w)`, with `[h, w]` of
    /// [`MaxPool::output`]. Of the maps, `x` has just the rows that [`MaxPool::reach`] tells: it is
    /// `(C, those, W)`.
    pub fn run(
        &self,
        x: &[f32],
        input: [usize; 2],
        rows: Range<usize>,
        y: &mut [f32],
        [h, w]: [usize; 2],
    ) {
        let held = self.reach(rows.clone(), input[0]);
        let seen = held.len() * input[1];
        for_chunks(y, h * w, 1, |i, y| {
            let x = &x[i * seen..][..seen];
            let y = &mut y[rows.start * w..rows.end * w];
            simd::vectorised(
                #[inline(always)]
                || self.map(x, input, rows.clone(), y, w),
            );
        });
    }

    /// One map: its rows `rows` of the result, of `width` each, from the rows that they see.
    #[inline(always)]
    pub(crate) fn map<T: Real>(
        &self,
        x: &[T],
        input: [usize; 2],
        rows: Range<usize>,
        y: &mut [T],
        width: usize,
    ) {
        let held = self.reach(rows.clone(), input[0]);
        for (row, y) in rows.zip(y.chunks_exact_mut(width)) {
            for (number, r) in self.window(row, input[0]).enumerate() {
                let x = &x[(r - held.start) * input[1]..][..input[1]];
                self.fold(number == 0, x, y);
            }
        }
    }

    /// The rows (or columns) of window `i` inside `n`.
    #[inline(always)]
    fn window(&self, i: usize, n: usize) -> Range<usize> {
        let start = i * self.stride;
        start.saturating_sub(self.padding)..(start + self.kernel - self.padding).min(n)
    }

    /// Joins one input row to an output row, of which it may be the first.
    #[inline(always)]
    fn fold<T: Real>(&self, first: bool, x: &[T], y: &mut [T]) {
        // The two windows that networks use are vector code where no window leaves the row.
        let inside = match (self.kernel, self.stride, self.padding) {
            (2, 2, 0) => {
                let pairs = x.as_chunks::<2>().0;
                y.iter_mut().zip(pairs).for_each(|(y, p)| keep(first, y, larger(p[0], p[1])));
                0..pairs.len()
            }
            (3, 2, 1) if x.len() > 2 => {
                let pairs = x[1..].as_chunks::<2>().0;
                let windows = pairs.iter().zip(&pairs[1..]);
                let inside = 1..pairs.len();
                y[inside.clone()]
                    .iter_mut()
                    .zip(windows)
                    .for_each(|(y, (p, q))| keep(first, y, larger(larger(p[0], p[1]), q[0])));
                inside
            }
            _ => 0..0,
        };
        for column in (0..inside.start).chain(inside.end..y.len()) {
            let window = &x[self.window(column, x.len())];
            let largest = window[1..].iter().fold(window[0], |m, &v| larger(m, v));
            keep(first, &mut y[column], largest);
        }
    }
}

/// Joins a value to the largest so far, if it is not the first.
#[inline(always)]
fn keep<T: Real>(first: bool, y: &mut T, v: T) {
    *y = if first { v } else { larger(*y, v) };
}

/// The larger of both; NaN wins, so that it is not hidden.
#[inline(always)]
pub(crate) fn larger<T: Real>(a: T, b: T) -> T {
    if b > a || b.is_nan() { b } else { a }
}
