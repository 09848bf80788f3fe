//! ReLU and the logistic function.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::array::{by_dtype, elements, storage, tensor, with_elements};
use crate::real::Real;
use crate::{reference, simd};

/// What follows a normalisation in the same pass over memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
}

/// Elements a task works on at a time.
const BLOCK: usize = 1 << 15;

/// `max(x, 0)`; the gradient at 0 is 0, as in PyTorch (candle's own has 1 there).
pub fn relu(x: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() { x.contiguous()?.apply_op1(Relu) } else { reference::relu(x) }
}

/// `1 / (1 + exp(-x))`, written by `tanh` so that neither value nor gradient overflows.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    (((x * 0.5)?.tanh()? * 0.5)? + 0.5)?.contiguous()
}

struct Relu;

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        fn forward<T: Real>(x: &[T]) -> CpuStorage {
            let mut y = vec![T::ZERO; x.len()];
            y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).for_each(|(y, x)| {
                simd::vectorised(
                    #[inline(always)]
                    || {
                        y.iter_mut().zip(x).for_each(|(y, &x)| *y = x.larger(T::ZERO));
                    },
                );
            });
            storage(y)
        }
        let y = by_dtype!(x.dtype(), T => forward::<T>(elements(x, layout)?));
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, gy: &Tensor) -> Result<Option<Tensor>> {
        fn backward<T: Real>(y: &Tensor, gy: &Tensor) -> Result<Tensor> {
            let mut gx = vec![T::ZERO; y.elem_count()];
            with_elements::<T, _>(y, |y| {
                with_elements::<T, _>(gy, |gy| {
                    gx.par_chunks_mut(BLOCK)
                        .zip(y.par_chunks(BLOCK).zip(gy.par_chunks(BLOCK)))
                        .for_each(|(gx, (y, gy))| {
                            simd::vectorised(
                                #[inline(always)]
                                || gate(gx, y, gy),
                            );
                        });
                    Ok(())
                })
            })?;
            tensor(gx, y.shape())
        }
        if !x.track_op() {
            return Ok(None);
        }
        by_dtype!(y.dtype(), T => backward::<T>(y, &gy.contiguous()?)).map(Some)
    }
}

/// Lets the gradient through where the output was positive.
#[inline(always)]
pub(crate) fn gate<T: Real>(gx: &mut [T], y: &[T], gy: &[T]) {
    for ((gx, &y), &gy) in gx.iter_mut().zip(y).zip(gy) {
        *gx = if y > T::ZERO { gy } else { T::ZERO };
    }
}
