//! What an optimiser does to a parameter and its memory: in place, one pass over each, on all cores.
//!
//! `f32` only, as parameters are. Devices other than the CPU compute the same by candle's own
//! arithmetic, into fresh tensors.

use std::cell::Cell;

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Tensor, Var};
use rayon::prelude::*;

use crate::array::with_elements;
use crate::lanes::LANES;
use crate::real::Real;
use crate::simd;

/// Elements a task works on at a time; a smaller parameter never leaves its thread.
const BLOCK: usize = 1 << 14;

/// A step of stochastic gradient descent with momentum, in PyTorch's form:
/// `m = momentum m + (scale g + decay w)`, `w -= lr m`.
#[derive(Debug, Clone, Copy)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f64,
    /// What is left of the movement before.
    pub momentum: f64,
    /// How much of the weight is added to its gradient.
    pub weight_decay: f64,
    /// Factor on the gradient: a share, or what shortens it.
    pub scale: f64,
}

/// A step of Adam (arXiv 1412.6980) with decoupled weight decay (arXiv 1711.05101).
#[derive(Debug, Clone, Copy)]
pub struct AdamStep {
    /// Learning rate.
    pub lr: f64,
    /// What is left of the two moments before.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// The share of the weight, times the learning rate, that is taken off.
    pub weight_decay: f64,
    /// Factor on the gradient: a share, or what shortens it.
    pub scale: f64,
    /// The number of this step, from 1.
    pub number: u64,
}

impl SgdStep {
    /// Moves `weight` and its `momentum`. All three tensors are contiguous, of one shape, and share
    /// no memory.
    pub fn apply(&self, weight: &Var, gradient: &Tensor, momentum: &mut Tensor) -> Result<()> {
        check(weight, &[gradient, momentum])?;
        if !weight.device().is_cpu() {
            return self.apply_anywhere(weight, gradient, momentum);
        }
        let Self { lr, momentum: kept, weight_decay, scale } =
            self.each(|coefficient| coefficient as f32);
        with_elements::<f32, _>(gradient, |g| {
            with_elements_mut(weight, |w| {
                with_elements_mut(momentum, |m| {
                    let blocks = w.par_chunks_mut(BLOCK).zip(m.par_chunks_mut(BLOCK));
                    blocks.zip(g.par_chunks(BLOCK)).for_each(|((w, m), g)| {
                        simd::vectorised(
                            #[inline(always)]
                            || {
                                for ((w, m), &g) in w.iter_mut().zip(m).zip(g) {
                                    let g = w.fma(weight_decay, g * scale);
                                    *m = m.fma(kept, g);
                                    *w = m.fma(-lr, *w);
                                }
                            },
                        );
                    });
                })
            })
        })
    }
}
