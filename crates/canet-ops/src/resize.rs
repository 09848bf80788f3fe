//! Bilinear resize in both corner conventions.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::array::{by_dtype, elements, per_plane, tensor, with_elements};
use crate::grid::{Corners, Sample, samples};
use crate::real::Real;
use crate::{reference, simd};

/// Resizes `x` `(N, C, H, W)` to `out` = `[height, width]`.
pub fn resize_bilinear(x: &Tensor, out: [usize; 2], corners: Corners) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    if out.contains(&0) || h == 0 || w == 0 {
        candle_core::bail!("cannot resize {h}x{w} pixels to {out:?}");
    }
    if out == [h, w] {
        return x.contiguous();
    }
    if x.device().is_cpu() {
        x.contiguous()?.apply_op1(Resize { out, corners })
    } else {
        reference::resize_bilinear(x, out, corners)
    }
}

struct Resize {
    out: [usize; 2],
    corners: Corners,
}

impl Resize {
    fn axes<T: Real>(&self, h: usize, w: usize) -> [Vec<Sample<T>>; 2] {
        [samples(h, self.out[0], self.corners), samples(w, self.out[1], self.corners)]
    }
}

impl CustomOp1 for Resize {
    fn name(&self) -> &'static str {
        "bilinear resize"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, c, h, w) = layout.shape().dims4()?;
        let y = by_dtype!(x.dtype(), T => {
            let [rows, columns] = self.axes::<T>(h, w);
            per_plane(elements::<T>(x, layout)?, h * w, self.out[0] * self.out[1], |x, y| {
                simd::vectorised(#[inline(always)] || forward(x, y, w, &rows, &columns));
            })
        });
        Ok((y, Shape::from((n, c, self.out[0], self.out[1]))))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, gy: &Tensor) -> Result<Option<Tensor>> {
        let (_, _, h, w) = x.dims4()?;
        by_dtype!(x.dtype(), T => with_elements::<T, _>(&gy.contiguous()?, |gy| {
            let [rows, columns] = self.axes::<T>(h, w);
            let mut gx = vec![T::ZERO; x.elem_count()];
            gx.par_chunks_mut(h * w)
                .zip(gy.par_chunks(self.out[0] * self.out[1]))
                .for_each(|(gx, gy)| simd::vectorised(#[inline(always)] || backward(gx, gy, w, &rows, &columns)));
            tensor(gx, x.shape()).map(Some)
        }))
    }
}

/// One plane: each output row is first blended from two input rows, then sampled along.
#[inline(always)]
fn forward<T: Real>(x: &[T], y: &mut [T], w: usize, rows: &[Sample<T>], columns: &[Sample<T>]) {
    let mut blended = vec![T::ZERO; w];
    for (y, row) in y.chunks_exact_mut(columns.len()).zip(rows) {
        let (low, high) = (&x[row.low * w..][..w], &x[row.high * w..][..w]);
        for ((to, &low), &high) in blended.iter_mut().zip(low).zip(high) {
            *to = (high - low).fma(row.weight, low);
        }
        for (y, column) in y.iter_mut().zip(columns) {
            let low = blended[column.low];
            *y = (blended[column.high] - low).fma(column.weight, low);
        }
    }
}

/// The transpose of [`forward`], step by step in reverse.
#[inline(always)]
fn backward<T: Real>(gx: &mut [T], gy: &[T], w: usize, rows: &[Sample<T>], columns: &[Sample<T>]) {
    let mut blended = vec![T::ZERO; w];
    for (gy, row) in gy.chunks_exact(columns.len()).zip(rows) {
        blended.fill(T::ZERO);
        for (&g, column) in gy.iter().zip(columns) {
            let high = g * column.weight;
            blended[column.low] += g - high;
            blended[column.high] += high;
        }
        let low = &mut gx[row.low * w..][..w];
        low.iter_mut().zip(&blended).for_each(|(gx, &g)| *gx += g - g * row.weight);
        let high = &mut gx[row.high * w..][..w];
        high.iter_mut().zip(&blended).for_each(|(gx, &g)| *gx += g * row.weight);
    }
}
