//! What an optimiser does to a parameter and its memory: in place, one pass over each, on all cores.
//!
//! `f32` only, as parameters are. Devices other than the CPU compute the same by candle's own
//! arithmetic, into fresh tensors.

mod all;

use std::cell::Cell;

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Storage, Tensor, Var};
use rayon::prelude::*;

use crate::lanes::LANES;
use crate::real::Real;
use crate::simd;
use crate::tasks::{for_chunks, map_tasks};

pub use all::{Judge, Moved, average_all_in_place, sum_of_all_squares};

/// Elements a task works on at a time; a smaller parameter never leaves its thread.
const BLOCK: usize = 1 << 14;

/// A step of stochastic gradient descent with momentum, in PyTorch's form:
/// `g' = scale g + decay w`, `m = momentum m + g'`, `w -= lr m`; with Nesterov's look ahead
/// `w -= lr (g' + momentum m)`.
#[derive(Debug, Clone, Copy)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f64,
    /// What is left of the movement before.
    pub momentum: f64,
    /// Whether the step is taken from where the movement leads (Sutskever et al. 2013).
    pub nesterov: bool,
    /// How much of the weight is added to its gradient.
    pub weight_decay: f64,
    /// Factor on the gradient: a share, or what shortens it.
    pub scale: f64,
}

/// A step of Adam (arXiv 1412.6980), whose weight decay is part of the gradient or, as in `AdamW`
/// (arXiv 1711.05101), decoupled from it.
#[derive(Debug, Clone, Copy)]
pub struct AdamStep {
    /// Learning rate.
    pub lr: f64,
    /// What is left of the two moments before.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// The share of the weight that is added to its gradient or, decoupled, taken off it, times
    /// the learning rate.
    pub weight_decay: f64,
    /// Whether the decay is decoupled.
    pub decoupled: bool,
    /// Factor on the gradient: a share, or what shortens it.
    pub scale: f64,
    /// The number of this step, from 1.
    pub number: u64,
}

impl SgdStep {
    /// Moves `weight` and its `momentum` along `gradient`, all of one shape and apart in memory.
    pub fn apply(&self, weight: &Var, gradient: &Tensor, momentum: &mut Tensor) -> Result<()> {
        let gradient = checked(weight, gradient, [&*momentum])?;
        if !weight.device().is_cpu() {
            return self.apply_by_candle(weight, &gradient, momentum);
        }
        let [lr, keep, decay, scale] =
            [self.lr, self.momentum, self.weight_decay, self.scale].map(|v| v as f32);
        let nesterov = self.nesterov;
        let step = |w: &mut [f32], m: &mut [f32], g: &[f32]| {
            for ((w, m), &g) in w.iter_mut().zip(m).zip(g) {
                let g = w.fma(decay, g * scale);
                *m = m.fma(keep, g);
                let direction = if nesterov { m.fma(keep, g) } else { *m };
                *w = direction.fma(-lr, *w);
            }
        };
        read(&gradient, |g| {
            change(weight, |w| {
                change(momentum, |m| {
                    let blocks = w.par_chunks_mut(BLOCK).zip(m.par_chunks_mut(BLOCK));
                    blocks.zip(g.par_chunks(BLOCK)).for_each(|((w, m), g)| {
                        simd::vectorised(
                            #[inline(always)]
                            || step(w, m, g),
                        );
                    });
                    Ok(())
                })
            })
        })
    }

    fn apply_by_candle(&self, weight: &Var, g: &Tensor, momentum: &mut Tensor) -> Result<()> {
        let w = weight.as_detached_tensor();
        let g = ((g * self.scale)? + (&w * self.weight_decay)?)?;
        *momentum = ((&*momentum * self.momentum)? + &g)?;
        let direction =
            if self.nesterov { (g + (&*momentum * self.momentum)?)? } else { momentum.clone() };
        weight.set(&(w - (direction * self.lr)?)?)
    }
}

impl AdamStep {
    /// Moves `weight` and its first and second moment along `gradient`, all of one shape and apart
    /// in memory.
    pub fn apply(
        &self,
        weight: &Var,
        gradient: &Tensor,
        [first, second]: [&mut Tensor; 2],
    ) -> Result<()> {
        let gradient = checked(weight, gradient, [&*first, &*second])?;
        if !weight.device().is_cpu() {
            return self.apply_by_candle(weight, &gradient, [first, second]);
        }
        let [[keep1, keep2], [add1, add2]] = [self.betas, self.betas.map(|beta| 1.0 - beta)];
        let [correct1, correct2] = self.corrections().map(|c| 1.0 / c);
        let [keep1, keep2, add1, add2] = [keep1, keep2, add1, add2].map(|v| v as f32);
        let [in_gradient, decoupled] = self.decays();
        let [rate, correct2, in_gradient] =
            [self.lr * correct1, correct2, in_gradient].map(|v| v as f32);
        let [left, eps, scale] =
            [1.0 - self.lr * decoupled, self.eps, self.scale].map(|v| v as f32);
        let step = |w: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32]| {
            for (((w, m), v), &g) in w.iter_mut().zip(m).zip(v).zip(g) {
                // Not "plus 0 times the weight": that would turn a weight that is not finite into NaN.
                let g = if in_gradient == 0.0 { g * scale } else { w.fma(in_gradient, g * scale) };
                *m = m.fma(keep1, g * add1);
                *v = v.fma(keep2, g * g * add2);
                let direction = *m / ((*v * correct2).sqrt() + eps);
                *w = w.fma(left, -rate * direction);
            }
        };
        read(&gradient, |g| {
            change(weight, |w| {
                change(first, |m| {
                    change(second, |v| {
                        let moments = m.par_chunks_mut(BLOCK).zip(v.par_chunks_mut(BLOCK));
                        let blocks = w.par_chunks_mut(BLOCK).zip(moments);
                        blocks.zip(g.par_chunks(BLOCK)).for_each(|((w, (m, v)), g)| {
                            simd::vectorised(
                                #[inline(always)]
                                || step(w, m, v, g),
                            );
                        });
                        Ok(())
                    })
                })
            })
        })
    }

    fn apply_by_candle(
        &self,
        weight: &Var,
        g: &Tensor,
        [first, second]: [&mut Tensor; 2],
    ) -> Result<()> {
        let [in_gradient, decoupled] = self.decays();
        let w = weight.as_detached_tensor();
        let g = ((g * self.scale)? + (&w * in_gradient)?)?;
        *first = ((&*first * self.betas[0])? + (&g * (1.0 - self.betas[0]))?)?;
        *second = ((&*second * self.betas[1])? + (g.sqr()? * (1.0 - self.betas[1]))?)?;
        let [correction1, correction2] = self.corrections();
        let root = ((&*second / correction2)?.sqrt()? + self.eps)?;
        let direction = ((&*first / correction1)? / root)?;
        let w = (w * (1.0 - self.lr * decoupled))?;
        weight.set(&(w - (direction * self.lr)?)?)
    }

    /// The decay as part of the gradient, and apart from it.
    fn decays(&self) -> [f64; 2] {
        if self.decoupled { [0.0, self.weight_decay] } else { [self.weight_decay, 0.0] }
    }

    /// How much of their full size the moments have, which start from 0.
    pub(crate) fn corrections(&self) -> [f64; 2] {
        self.betas.map(|beta| 1.0 - beta.powf(self.number as f64))
    }
}

/// `average += share (value - average)`, of one shape and apart in memory: an exponential moving
/// average takes `share` of each new value.
pub fn average_in_place(average: &Var, value: &Tensor, share: f64) -> Result<()> {
    let value = checked(average, value, [])?;
    #[cfg(feature = "cuda")]
    if average.device().is_cuda() {
        return crate::cuda::average_into(average, &value, share);
    }
    if !average.device().is_cpu() {
        let old = average.as_detached_tensor();
        return average.set(&(&old + ((value - &old)? * share)?)?);
    }
    let share = share as f32;
    read(&value, |value: &[f32]| {
        change(average, |average| {
            for_chunks(average, BLOCK, 1, |i, average| {
                let pairs = average.iter_mut().zip(&value[i * BLOCK..]);
                simd::vectorised(
                    #[inline(always)]
                    || pairs.for_each(|(a, &v)| *a = (v - *a).fma(share, *a)),
                );
            });
            Ok(())
        })
    })
}

/// `sum += more`, of one shape and apart in memory.
pub fn add_in_place(sum: &mut Tensor, more: &Tensor) -> Result<()> {
    #[cfg(feature = "cuda")]
    if sum.device().is_cuda() {
        *sum = crate::cuda::add_into(sum, more)?;
        return Ok(());
    }
    if !sum.device().is_cpu() {
        *sum = (&*sum + more)?;
        return Ok(());
    }
    let more = checked(sum, more, [])?;
    read(&more, |more: &[f32]| {
        change(sum, |sum| {
            for_chunks(sum, BLOCK, 1, |i, sum| {
                simd::vectorised(
                    #[inline(always)]
                    || sum.iter_mut().zip(&more[i * BLOCK..]).for_each(|(sum, &more)| *sum += more),
                );
            });
            Ok(())
        })
    })
}

/// The sum of the squares of all elements; not finite exactly if an element is not, as the square
/// of the largest `f32` is far inside `f64`.
pub fn sum_of_squares(tensor: &Tensor) -> Result<f64> {
    if !tensor.device().is_cpu() {
        return sum_of_squares_by_candle(tensor);
    }
    read(&tensor.contiguous()?, |values: &[f32]| {
        // Each block's sum has its place, and the places are added in order.
        let blocks = map_tasks(values.len().div_ceil(BLOCK), 1, |i| {
            let block = &values[i * BLOCK..values.len().min((i + 1) * BLOCK)];
            simd::vectorised(
                #[inline(always)]
                || block_of_squares(block),
            )
        });
        Ok(blocks.iter().sum())
    })
}

#[inline(always)]
fn block_of_squares(values: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        (0..LANES).for_each(|i| lanes[i] = f64::from(block[i]).fma(block[i].into(), lanes[i]));
    }
    let rest = rest.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
    lanes.into_iter().sum::<f64>() + rest
}

/// Relative to the largest element, as not every device has `f64`.
fn sum_of_squares_by_candle(tensor: &Tensor) -> Result<f64> {
    let largest = f64::from(tensor.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?);
    if largest == 0.0 || !largest.is_finite() {
        return Ok(largest);
    }
    let relative = (tensor / largest)?.sqr()?.sum_all()?.to_scalar::<f32>()?;
    Ok(f64::from(relative) * largest * largest)
}

/// The gradient, contiguous, if all fit the weight.
fn checked<const N: usize>(
    weight: &Tensor,
    gradient: &Tensor,
    memory: [&Tensor; N],
) -> Result<Tensor> {
    for other in [gradient].into_iter().chain(memory) {
        if other.dims() != weight.dims() {
            candle_core::bail!("{:?} does not fit a weight of {:?}", other.dims(), weight.dims());
        }
    }
    gradient.contiguous()
}

/// Calls `work` with the elements of a contiguous tensor on the CPU.
fn read<R>(tensor: &Tensor, work: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(all)), Some((start, end))) => work(&all[start..end]),
        _ => candle_core::bail!("gradients are contiguous f32"),
    }
}

/// Calls `work` with the elements of a contiguous tensor on the CPU, to be changed where they are.
fn change(tensor: &Tensor, work: impl FnOnce(&mut [f32]) -> Result<()>) -> Result<()> {
    tensor.inplace_op1(&InPlace(Cell::new(Some(work))))
}

/// candle's door to the elements of a tensor; it is gone through once.
struct InPlace<F>(Cell<Option<F>>);

impl<F: FnOnce(&mut [f32]) -> Result<()>> InplaceOp1 for InPlace<F> {
    fn name(&self) -> &'static str {
        "in place"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        match (storage, layout.contiguous_offsets(), self.0.take()) {
            (CpuStorage::F32(all), Some((start, end)), Some(work)) => work(&mut all[start..end]),
            _ => candle_core::bail!("parameters are contiguous f32"),
        }
    }
}

#[cfg(test)]
mod tests;
