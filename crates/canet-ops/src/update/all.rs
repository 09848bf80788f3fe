//! What an optimiser does to all parameters at once: on the CPU one after the other on all cores, on a GPU
//! one kernel for all.

use candle_core::{Result, Tensor, Var};
use rayon::prelude::*;

#[cfg(feature = "cuda")]
use super::checked;
use super::{AdamStep, SgdStep, average_in_place, sum_of_squares};

/// A parameter in a step of all parameters: what moves, along what, with which memory. Apart from
/// rate and decay, which are its own, the step says what happens.
pub struct Moved<'a, const N: usize> {
    /// What moves.
    pub weight: &'a Var,
    /// Of the shape of the weight.
    pub gradient: &'a Tensor,
    /// The optimiser's, of the shape of the weight.
    pub memory: [Tensor; N],
    /// Learning rate.
    pub lr: f64,
    /// As in the step.
    pub weight_decay: f64,
}

/// Judges steps on a GPU; in this build there is none.
#[cfg(not(feature = "cuda"))]
#[derive(Debug)]
pub enum Judge {}
#[cfg(feature = "cuda")]
pub use crate::cuda::Judge;

/// Whether all lie on a GPU that there are kernels for.
#[cfg(feature = "cuda")]
fn on_cuda<const N: usize>(all: &[Moved<N>]) -> bool {
    all.iter().all(|one| one.weight.device().is_cuda())
}

/// What the kernel of a GPU needs of all parameters; `gradients` are contiguous.
#[cfg(feature = "cuda")]
fn rows<'a, const N: usize>(
    all: &'a [Moved<N>],
    gradients: &'a [Tensor],
) -> Vec<crate::cuda::Row<'a>> {
    let row = |(one, gradient): (&'a Moved<N>, &'a Tensor)| crate::cuda::Row {
        weight: one.weight.as_tensor(),
        gradient,
        memory: [one.memory.first(), one.memory.get(1)],
        rate: one.lr,
        decay: one.weight_decay,
    };
    all.iter().zip(gradients).map(row).collect()
}

#[cfg(feature = "cuda")]
fn gradients<const N: usize>(all: &[Moved<N>]) -> Result<Vec<Tensor>> {
    let checked = |one: &Moved<N>| checked(one.weight, one.gradient, one.memory.each_ref());
    all.iter().map(checked).collect()
}

impl SgdStep {
    /// Moves all of them, at their own rates; the step's own rate and decay are not looked at.
    /// With a judge of their GPU they are moved if the step that it has judged last counts.
    #[cfg_attr(not(feature = "cuda"), expect(unused_variables, reason = "there are no judges"))]
    pub fn apply_to_all(&self, all: &mut [Moved<1>], judge: Option<&Judge>) -> Result<()> {
        #[cfg(feature = "cuda")]
        if on_cuda(all) {
            return crate::cuda::sgd(&rows(all, &gradients(all)?), self, judge);
        }
        // Most parameters are small: the cores share them out, and large ones are cut besides.
        all.par_iter_mut().try_for_each(|one| {
            let step = Self { lr: one.lr, weight_decay: one.weight_decay, ..*self };
            step.apply(one.weight, one.gradient, &mut one.memory[0])
        })
    }
}

impl AdamStep {
    /// Moves all of them, at their own rates; the step's own rate and decay are not looked at.
    /// With a judge of their GPU they are moved if the step that it has judged last counts.
    #[cfg_attr(not(feature = "cuda"), expect(unused_variables, reason = "there are no judges"))]
    pub fn apply_to_all(&self, all: &mut [Moved<2>], judge: Option<&Judge>) -> Result<()> {
        #[cfg(feature = "cuda")]
        if on_cuda(all) {
            return crate::cuda::adam(&rows(all, &gradients(all)?), self, judge);
        }
        all.par_iter_mut().try_for_each(|one| {
            let step = Self { lr: one.lr, weight_decay: one.weight_decay, ..*self };
            step.apply(one.weight, one.gradient, one.memory.each_mut())
        })
    }
}

/// [`average_in_place`] of many: averages, and what each takes in. With a judge of their GPU it happens if the step
/// that it has judged last counts.
#[cfg_attr(not(feature = "cuda"), expect(unused_variables, reason = "there are no judges"))]
pub fn average_all_in_place(
    pairs: &[(&Var, Tensor)],
    share: f64,
    judge: Option<&Judge>,
) -> Result<()> {
    #[cfg(feature = "cuda")]
    if pairs.iter().all(|(average, _)| average.device().is_cuda()) {
        return crate::cuda::average(pairs, share, judge);
    }
    pairs.par_iter().try_for_each(|(average, value)| average_in_place(average, value, share))
}

/// [`sum_of_squares`] of many, added.
pub fn sum_of_all_squares(tensors: &[&Tensor]) -> Result<f64> {
    #[cfg(feature = "cuda")]
    if tensors.iter().all(|t| t.device().is_cuda()) {
        let tensors = tensors.iter().map(|t| t.contiguous()).collect::<Result<Vec<_>>>()?;
        return crate::cuda::sum_of_squares(&tensors.iter().collect::<Vec<_>>());
    }
    let squares = tensors.par_iter().map(|t| sum_of_squares(t)).collect::<Result<Vec<f64>>>()?;
    Ok(squares.iter().sum())
}
