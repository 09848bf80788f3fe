//! Max pooling and adaptive average pooling.

use std::ops::Range;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::array::{by_dtype, elements, per_plane, tensor, with_elements};
use crate::grid::bin;
use crate::real::Real;
use crate::{reference, simd};

/// The largest value of each window of `x` `(N, C, H, W)`; padding never wins. Of equal values the
/// first in reading order gets the gradient, as in PyTorch.
pub fn max_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let window = MaxPool { kernel, stride, padding };
    window.output([h, w])?;
    if x.device().is_cpu() {
        x.contiguous()?.apply_op1(window)
    } else {
        reference::max_pool2d(x, kernel, stride, padding)
    }
}

/// Averages `x` `(N, C, H, W)` over `out[0] x out[1]` bins: bin `i` of `out` over `n` pixels goes
/// from `floor(i n / out)` to `ceil((i + 1) n / out)`, so bins overlap where they do not divide.
pub fn adaptive_avg_pool2d(x: &Tensor, out: [usize; 2]) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    if out.contains(&0) || h == 0 || w == 0 {
        candle_core::bail!("cannot pool {h}x{w} pixels into {out:?}");
    }
    if x.device().is_cpu() {
        x.contiguous()?.apply_op1(AdaptiveAvgPool { out })
    } else {
        reference::adaptive_avg_pool2d(x, out)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct MaxPool {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

impl MaxPool {
    pub(crate) fn output(&self, input: [usize; 2]) -> Result<[usize; 2]> {
        let Self { kernel, stride, padding } = *self;
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
    fn window(&self, i: usize, n: usize) -> Range<usize> {
        let start = i * self.stride;
        start.saturating_sub(self.padding)..(start + self.kernel - self.padding).min(n)
    }

    /// One plane: each output row is first the larger of its input rows, then reduced along.
    #[inline(always)]
    fn forward<T: Real>(&self, x: &[T], y: &mut [T], [h, w]: [usize; 2], ow: usize) {
        let mut row = vec![T::ZERO; w];
        for (i, y) in y.chunks_exact_mut(ow).enumerate() {
            let rows = self.window(i, h);
            row.copy_from_slice(&x[rows.start * w..][..w]);
            for r in rows.skip(1) {
                row.iter_mut().zip(&x[r * w..][..w]).for_each(|(m, &v)| *m = largest(*m, v));
            }
            for (column, y) in y.iter_mut().enumerate() {
                let window = &row[self.window(column, w)];
                *y = window[1..].iter().fold(window[0], |m, &v| largest(m, v));
            }
        }
    }

    /// One plane's gradient goes to the first element of each window that has the window's value.
    #[inline(always)]
    fn backward<T: Real>(
        &self,
        x: &[T],
        y: &[T],
        gy: &[T],
        gx: &mut [T],
        [h, w]: [usize; 2],
        ow: usize,
    ) {
        for (i, (y, gy)) in y.chunks_exact(ow).zip(gy.chunks_exact(ow)).enumerate() {
            for (column, (&y, &gy)) in y.iter().zip(gy).enumerate() {
                let columns = self.window(column, w);
                let of_row = |r: usize| r * w + columns.start..r * w + columns.end;
                // A NaN equals nothing, itself included.
                let is_largest = |at: &usize| x[*at] == y || x[*at].is_nan();
                if let Some(at) = self.window(i, h).flat_map(of_row).find(is_largest) {
                    gx[at] += gy;
                }
            }
        }
    }
}

/// The larger of both; NaN wins, so that it is not hidden.
#[inline(always)]
fn largest<T: Real>(a: T, b: T) -> T {
    if b > a || b.is_nan() { b } else { a }
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max-pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, c, h, w) = layout.shape().dims4()?;
        let out = self.output([h, w])?;
        let y = by_dtype!(x.dtype(), T => {
            per_plane(elements::<T>(x, layout)?, h * w, out[0] * out[1], |x, y| {
                simd::vectorised(#[inline(always)] || self.forward(x, y, [h, w], out[1]));
            })
        });
        Ok((y, Shape::from((n, c, out[0], out[1]))))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, gy: &Tensor) -> Result<Option<Tensor>> {
        let (_, _, h, w) = x.dims4()?;
        let (_, _, oh, ow) = y.dims4()?;
        by_dtype!(x.dtype(), T => {
            let mut gx = vec![T::ZERO; x.elem_count()];
            with_elements::<T, _>(x, |x| {
                with_elements::<T, _>(y, |y| {
                    with_elements::<T, _>(&gy.contiguous()?, |gy| {
                        let outputs = y.par_chunks(oh * ow).zip(gy.par_chunks(oh * ow));
                        gx.par_chunks_mut(h * w)
                            .zip(x.par_chunks(h * w).zip(outputs))
                            .for_each(|(gx, (x, (y, gy)))| self.backward(x, y, gy, gx, [h, w], ow));
                        Ok(())
                    })
                })
            })?;
            tensor(gx, x.shape()).map(Some)
        })
    }
}

struct AdaptiveAvgPool {
    out: [usize; 2],
}

impl AdaptiveAvgPool {
    /// Calls `visit(index of the output, rows, columns, 1 / their number)` for a plane.
    fn for_each<T: Real>(
        &self,
        [h, w]: [usize; 2],
        mut visit: impl FnMut(usize, Range<usize>, Range<usize>, T),
    ) {
        let [oh, ow] = self.out;
        for y in 0..oh {
            for x in 0..ow {
                let (rows, columns) = (bin(y, oh, h), bin(x, ow, w));
                let share = T::of_f64(1.0 / (rows.len() * columns.len()) as f64);
                visit(y * ow + x, rows, columns, share);
            }
        }
    }
}

impl CustomOp1 for AdaptiveAvgPool {
    fn name(&self) -> &'static str {
        "adaptive average pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, c, h, w) = layout.shape().dims4()?;
        let y = by_dtype!(x.dtype(), T => {
            per_plane(elements::<T>(x, layout)?, h * w, self.out[0] * self.out[1], |x, y| {
                self.for_each([h, w], |to, rows, columns, share: T| {
                    // Rows are summed apart, so that long bins lose little.
                    let row = |r: usize| x[r * w..][columns.clone()].iter().copied().sum::<T>();
                    y[to] = rows.map(row).sum::<T>() * share;
                });
            })
        });
        Ok((y, Shape::from((n, c, self.out[0], self.out[1]))))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, gy: &Tensor) -> Result<Option<Tensor>> {
        let (_, _, h, w) = x.dims4()?;
        by_dtype!(x.dtype(), T => with_elements::<T, _>(&gy.contiguous()?, |gy| {
            let mut gx = vec![T::ZERO; x.elem_count()];
            gx.par_chunks_mut(h * w)
                .zip(gy.par_chunks(self.out[0] * self.out[1]))
                .for_each(|(gx, gy)| {
                    self.for_each([h, w], |from, rows, columns, share: T| {
                        let g = gy[from] * share;
                        for row in rows {
                            gx[row * w..][columns.clone()].iter_mut().for_each(|gx| *gx += g);
                        }
                    });
                });
            tensor(gx, x.shape()).map(Some)
        }))
    }
}
