//! Max pooling.

use std::ops::Range;

use candle_core::Result;

use crate::array::{build_both, by_dtype, by_plane, tensor, unspecified, with_elements};
#[cfg(feature = "cuda")]
use crate::fallback::on_cuda;
use crate::fallback::{by_reference, on_cpu};
use crate::graph::{Gradient, Value};
use crate::real::Real;
use crate::tasks::for_chunks;
use crate::{reference, simd};

/// The largest value of each window of `x` `(N, C, H, W)`; padding never wins. Of equal values the
/// first in reading order gets the gradient, as in PyTorch.
pub fn max_pool2d(x: &Value, kernel: usize, stride: usize, padding: usize) -> Result<Value> {
    let (_, _, h, w) = x.dims4()?;
    let window = Window { kernel, stride, padding, input: [h, w] };
    let output = window.output()?;
    // The number of a pixel in its window is kept in a byte.
    #[cfg(feature = "cuda")]
    if on_cuda(&[x]) && kernel <= 16 {
        return crate::cuda::max_pool(x, [kernel, stride, padding], output);
    }
    if !on_cpu(&[x]) || kernel > 16 {
        return by_reference(&[x], |t| reference::max_pool2d(&t[0], kernel, stride, padding));
    }
    by_dtype!(x.tensor().dtype(), T => pool::<T>(x, window, output))
}

#[derive(Clone, Copy)]
struct Window {
    kernel: usize,
    stride: usize,
    padding: usize,
    input: [usize; 2],
}

fn pool<T: Real>(x: &Value, window: Window, [oh, ow]: [usize; 2]) -> Result<Value> {
    let (n, c, h, w) = x.dims4()?;
    let values = x.tensor().contiguous()?;
    let (y, winners) = with_elements([&values], |[x]| {
        Ok(build_both(n * c * oh * ow, |at, y: &mut [T], winners: &mut [u8]| {
            by_plane(at, y, ow, |row, start, y| {
                let (plane, row) = (&x[row / oh * h * w..][..h * w], row % oh);
                let winners = &mut winners[start - at..][..y.len()];
                simd::vectorised(
                    #[inline(always)]
                    || window.largest(plane, row, start % ow, y, winners),
                );
            });
        }))
    })?;
    let y = tensor(y, (n, c, oh, ow))?;
    Ok(Value::of(y, &[x], move |gy| {
        let gx = with_elements::<T, _, _>([gy.tensor()], |[gy]| {
            let mut gx = unspecified(n * c * h * w);
            for_chunks(&mut gx, h * w, 1, |i, gx| {
                let outputs = i * oh * ow..(i + 1) * oh * ow;
                let (gy, winners) = (&gy[outputs.clone()], &winners[outputs]);
                simd::vectorised(
                    #[inline(always)]
                    || window.scatter(gx, gy, winners, ow),
                );
            });
            Ok(gx)
        })?;
        Ok(vec![Some(Gradient::Own(tensor(gx, (n, c, h, w))?))])
    }))
}

impl Window {
    fn output(&self) -> Result<[usize; 2]> {
        let Self { kernel, stride, padding, input } = *self;
        let length = |n: usize| {
            (n + 2 * padding)
                .checked_sub(kernel)
                .filter(|_| stride > 0)
                .map(|free| free / stride + 1)
        };
        match (length(input[0]), length(input[1])) {
            // A window inside the padding would have no value at all.
            (Some(h), Some(w)) if padding < kernel => Ok([h, w]),
            _ => candle_core::bail!(
                "a {kernel}x{kernel} window with stride {stride} and padding {padding} does not fit {input:?}"
            ),
        }
    }

    /// The rows (or columns) of window `i` inside `n`.
    #[inline(always)]
    fn span(&self, i: usize, n: usize) -> Range<usize> {
        let start = i * self.stride;
        start.saturating_sub(self.padding)..(start + self.kernel - self.padding).min(n)
    }

    /// The windows whose columns all lie inside.
    #[inline(always)]
    fn inner_columns(&self) -> Range<usize> {
        let (w, p) = (self.input[1], self.padding);
        let end = (w + p).checked_sub(self.kernel).map_or(0, |free| free / self.stride + 1);
        p.div_ceil(self.stride).min(end)..end
    }

    /// A piece of row `row` of a plane's result, from column `first` on, and the number of each
    /// winner in its window.
    #[inline(always)]
    fn largest<T: Real>(&self, x: &[T], row: usize, first: usize, y: &mut [T], winners: &mut [u8]) {
        let Self { kernel, stride, padding, input: [h, w] } = *self;
        let inner = self.inner_columns();
        let end = inner.end.clamp(first, first + y.len());
        let inner = inner.start.clamp(first, end)..end;
        for column in (first..inner.start).chain(inner.end..first + y.len()) {
            let at = column - first;
            (y[at], winners[at]) = self.largest_of(x, row, column);
        }
        let at = inner.start - first..inner.end - first;
        let (y, winners) = (&mut y[at.clone()], &mut winners[at]);
        for r in self.span(row, h) {
            let line = &x[r * w..][..w];
            let number = (r + padding - row * stride) * kernel;
            let is_first = r == self.span(row, h).start;
            if y.is_empty() {
                continue;
            }
            let line = &line[inner.start * stride - padding..];
            match (kernel, stride) {
                (2, 2) => merge_2(line, number as u8, is_first, y, winners),
                (3, 2) => merge_3(line, number as u8, is_first, y, winners),
                _ => {
                    for (j, (y, winner)) in y.iter_mut().zip(&mut *winners).enumerate() {
                        for (k, &v) in line[j * stride..][..kernel].iter().enumerate() {
                            let v = (v, (number + k) as u8);
                            (*y, *winner) =
                                if is_first && k == 0 { v } else { larger((*y, *winner), v) };
                        }
                    }
                }
            }
        }
    }

    /// One window, wherever it lies.
    #[inline(always)]
    fn largest_of<T: Real>(&self, x: &[T], row: usize, column: usize) -> (T, u8) {
        let [h, w] = self.input;
        let (rows, columns) = (self.span(row, h), self.span(column, w));
        let mut best = None;
        for r in rows {
            for c in columns.clone() {
                let [ky, kx] =
                    [[r, row], [c, column]].map(|[at, i]| at + self.padding - i * self.stride);
                let v = (x[r * w + c], (ky * self.kernel + kx) as u8);
                best = Some(best.map_or(v, |best| larger(best, v)));
            }
        }
        best.unwrap_or((T::LOWEST, 0))
    }

    /// Gives each gradient of a plane to the pixel that won; the others get none.
    #[inline(always)]
    fn scatter<T: Real>(&self, gx: &mut [T], gy: &[T], winners: &[u8], ow: usize) {
        let Self { kernel, stride, padding, input: [_, w] } = *self;
        let rows = gy.chunks_exact(ow).zip(winners.chunks_exact(ow));
        if [kernel, stride, padding] == [2, 2, 0] {
            let mut lines = gx.chunks_exact_mut(w);
            for (gy, winners) in rows {
                for first in [0, 2] {
                    let Some(line) = lines.next() else { return };
                    spread_2(line, first, gy, winners);
                }
            }
            lines.for_each(|line| line.fill(T::ZERO));
            return;
        }
        gx.fill(T::ZERO);
        let places: Vec<usize> =
            (0..kernel * kernel).map(|i| i / kernel * w + i % kernel).collect();
        for (i, (gy, winners)) in rows.enumerate() {
            for (j, (&g, &winner)) in gy.iter().zip(winners).enumerate() {
                let corner = (i * w + j) * stride + places[usize::from(winner)];
                gx[corner - padding * (w + 1)] += g;
            }
        }
    }
}

/// A line of windows of 2 with stride 2, whose pixels have the numbers `first` and `first + 1`.
#[inline(always)]
fn spread_2<T: Real>(line: &mut [T], first: u8, gy: &[T], winners: &[u8]) {
    let (pairs, rest) = line.as_chunks_mut::<2>();
    for ((pair, &g), &winner) in pairs.iter_mut().zip(gy).zip(winners) {
        let if_won = |number: u8| if winner == number { g } else { T::ZERO };
        *pair = [if_won(first), if_won(first + 1)];
    }
    rest.fill(T::ZERO);
}

/// The larger of two numbered values; of equals the first. NaN wins, so that it is not hidden.
#[inline(always)]
pub(crate) fn larger<T: Real>(a: (T, u8), b: (T, u8)) -> (T, u8) {
    // Written so that it becomes two comparisons and a choice.
    let is_a = (b.0 <= a.0) | a.0.is_nan();
    if is_a { a } else { b }
}

/// Windows of 2 with stride 2, from the start of `line`: what they hold is merged into the best so
/// far, or starts it. The first column has `number` in its window.
#[inline(always)]
fn merge_2<T: Real>(line: &[T], number: u8, is_first: bool, y: &mut [T], winners: &mut [u8]) {
    for ((y, winner), pair) in y.iter_mut().zip(winners).zip(line.as_chunks::<2>().0) {
        let best =
            if is_first { (pair[0], number) } else { larger((*y, *winner), (pair[0], number)) };
        (*y, *winner) = larger(best, (pair[1], number + 1));
    }
}

/// The same for windows of 3.
#[inline(always)]
fn merge_3<T: Real>(line: &[T], number: u8, is_first: bool, y: &mut [T], winners: &mut [u8]) {
    let thirds = line[1..].as_chunks::<2>().0.iter();
    let windows = line.as_chunks::<2>().0.iter().zip(thirds);
    for ((y, winner), (pair, third)) in y.iter_mut().zip(winners).zip(windows) {
        let best =
            if is_first { (pair[0], number) } else { larger((*y, *winner), (pair[0], number)) };
        let best = larger(best, (pair[1], number + 1));
        (*y, *winner) = larger(best, (third[1], number + 2));
    }
}
