//! Convolution and its gradients on a processor's matrix unit (Intel's AMX), which multiplies bf16 and adds in `f32`,
//! up to sixteen times as fast as vectors do.
//!
//! A number is split into the bf16 nearest to it, and the bf16 nearest to what is left: 16 bits of its 24. Of the four
//! products of such halves the smallest is left out, and three are taken. What is lost of a product is under 2^-16 of
//! it, and as such errors have either sign, some 1e-6 of a result's size: less than by Winograd's method.
//! Infinite numbers become NaN, numbers below the normal ones 0.

mod halves;
mod image;
mod lowered;
mod panels;
pub(crate) mod pooled;
mod shifts;
mod target;
mod unit;
mod weight_gradient;
mod weights;

use super::after::After;
use super::winograd;
use crate::array::unspecified;
use crate::geometry::{Algorithm, ConvGeometry, Problem};
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd;
use crate::tasks::for_chunks;
use lowered::Lowered;
use shifts::Shifts;
pub(super) use weight_gradient::weight_gradient;
pub(crate) use weights::Weights;

/// Least channels of the result: two thirds of a block.
const LEAST_OUTPUTS: usize = 22;
/// Least taps.
const LEAST_TAPS: usize = 64;
/// Least weights, where gradients will follow.
const LEAST_WEIGHTS: usize = 1 << 19;

/// Whether a convolution by `weight` `(O, I / groups, kh, kw)` can and should be done this way.
pub(crate) fn suits([outputs, inputs, kh, kw]: [usize; 4], geometry: &ConvGeometry) -> bool {
    geometry.algorithm == Algorithm::Fastest
        && geometry.groups == 1
        && outputs >= LEAST_OUTPUTS
        && inputs * kh * kw >= LEAST_TAPS
        && simd::has_matrix_unit()
}

/// One convolution at one size of picture.
#[derive(Debug)]
pub(crate) struct SplitProduct {
    way: Way,
    /// Values of the input.
    input: usize,
}

#[derive(Debug)]
enum Way {
    Shifts(Shifts),
    Lowered(Box<Lowered>),
}

/// `y = weight * x + bias`, if it should be done this way where gradients will follow: in the few large layers that are
/// most of the work, and not instead of Winograd's method. Each rounding flips a ReLU here and there, and batch norms
/// over few values enlarge that; over a hundred layers Winograd's errors add up to less.
pub(super) fn forward<T: Real>(
    p: &Problem,
    x: &[T],
    weight: &[T],
    bias: Option<&[T]>,
) -> Option<Vec<T>> {
    let shape = [p.outputs, p.group_inputs(), p.kernel[0], p.kernel[1]];
    let is_small = shape.iter().product::<usize>() < LEAST_WEIGHTS;
    if is_small || winograd::suits(shape, &p.geometry) || !suits(shape, &p.geometry) {
        return None;
    }
    let (x, weight) = (T::singles(x)?, T::singles(weight)?);
    let product = SplitProduct::forward(p);
    let after = After { bias: bias.and_then(T::singles), ..After::default() };
    Some(T::of_singles(product.run_batch(&SplitProduct::weights(p, weight), x, after)))
}

/// The gradient of `x`, by the weights turned by 180 degrees (see [`super::lowering::Lowering::input_gradient`]), if it should be
/// done this way.
pub(super) fn input_gradient<T: Real>(p: &Problem, weight: &[T], gy: &[T]) -> Option<Vec<T>> {
    if !suits([p.inputs, p.group_outputs(), p.kernel[0], p.kernel[1]], &p.geometry) {
        return None;
    }
    let (weight, gy) = (T::singles(weight)?, T::singles(gy)?);
    let (product, weights) = SplitProduct::input_gradient(p, weight);
    Some(T::of_singles(product.run_batch(&weights, gy, After::default())))
}

impl SplitProduct {
    /// For a problem that [`suits`].
    pub(crate) fn forward(p: &Problem) -> Self {
        let way = if Self::shifts_forward(p) {
            Way::Shifts(Shifts::forward(p))
        } else {
            Way::Lowered(Box::new(Lowered::forward(p)))
        };
        Self { way, input: p.inputs * p.input_pixels() }
    }

    /// The weights of [`Self::forward`].
    pub(crate) fn weights(p: &Problem, weight: &[f32]) -> Weights {
        if Self::shifts_forward(p) { Weights::panels(p, weight) } else { Weights::bands(p, weight) }
    }

    /// Which of both ways [`Self::forward`] goes, for it and its weights alike.
    fn shifts_forward(p: &Problem) -> bool {
        shifts::suits(p.inputs, p.kernel, p.geometry.stride)
    }

    /// With its weights.
    fn input_gradient(p: &Problem, weight: &[f32]) -> (Self, Weights) {
        let suits = shifts::suits(p.outputs, p.kernel, p.geometry.stride);
        let shifts = if suits { Shifts::input_gradient(p) } else { None };
        let (way, weights) = match shifts {
            Some(shifts) => (Way::Shifts(shifts), Weights::turned_panels(p, weight)),
            None => (
                Way::Lowered(Box::new(Lowered::input_gradient(p))),
                Weights::turned_bands(p, weight),
            ),
        };
        (Self { way, input: p.outputs * p.output_pixels() }, weights)
    }

    fn run_batch(&self, weights: &Weights, x: &[f32], after: After<f32>) -> Vec<f32> {
        let result = match &self.way {
            Way::Shifts(shifts) => shifts.result(),
            Way::Lowered(lowered) => lowered.result(),
        };
        let mut y = unspecified(x.len() / self.input * result);
        for_chunks(&mut y, result, 1, |image, y| {
            let mut workspace = Scratch::new(self.workspace());
            let x = &x[image * self.input..][..self.input];
            self.run(weights, x, after, y, workspace.values());
        });
        y
    }

    /// Values that [`Self::run`] needs to work in.
    pub(crate) fn workspace(&self) -> usize {
        match &self.way {
            Way::Shifts(shifts) => shifts.workspace(),
            Way::Lowered(lowered) => lowered.workspace(),
        }
    }

    /// One image.
    pub(crate) fn run(
        &self,
        weights: &Weights,
        x: &[f32],
        after: After<f32>,
        y: &mut [f32],
        workspace: &mut [f32],
    ) {
        match &self.way {
            Way::Shifts(shifts) => shifts.run(weights, x, after, y, workspace),
            Way::Lowered(lowered) => lowered.run(weights, x, after, y, workspace),
        }
    }
}

#[cfg(test)]
mod tests;
