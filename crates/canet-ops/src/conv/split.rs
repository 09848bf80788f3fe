//! Convolution and its gradients on a processor's matrix unit (Intel's AMX), which multiplies bf16 and adds in `f32`,
//! up to sixteen times as fast as vectors do.
//!
//! A number is split into the bf16 nearest to it, and the bf16 nearest to what is left: 16 bits of its 24. Of the four
//! products of such halves the smallest is left out, and three are taken. What is lost of a product is under 2^-16 of
//! it, and as such errors have either sign, some 1e-6 of a result's size: less than by Winograd's method.
//! Infinite numbers become NaN, numbers below the normal ones 0.

mod halves;
mod panels;
mod target;
mod unit;
mod weight_gradient;
mod weights;

use std::ops::Range;

use rayon::prelude::*;

use super::after::After;
use super::lowering::Lowering;
use super::winograd;
use crate::array::{DisjointWriter, unspecified};
use crate::geometry::{Algorithm, ConvGeometry, Problem};
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd;
use crate::tasks::for_each_task;
use halves::{Halves, by_halves};
use panels::Panels;
use target::Target;
use unit::{SIDE, Sums, Unit};
pub(super) use weight_gradient::weight_gradient;
pub(crate) use weights::Weights;

/// Taps a block takes at a time: with more of them a task would have fewer pixels, and read its bands for less; with
/// fewer, sums would be taken up more often.
const TAPS: usize = 512;
/// Words a task packs at a time: a quarter of a second-level cache of 2 MiB.
const PACKED: usize = 1 << 17;
/// Most pixels of a task.
const MOST_PIXELS: usize = 1024;
/// Tasks that are aimed at, so that two or more threads end at about the same time.
const TASKS: usize = 8;
/// Fewest bands that pay for packing the panels.
const LEAST_BANDS: usize = 2;
/// Least channels of the result.
const LEAST_OUTPUTS: usize = 48;
/// Least taps.
const LEAST_TAPS: usize = 64;
/// Least weights, where gradients will follow.
const LEAST_WEIGHTS: usize = 1 << 19;

/// Whether a convolution by `weight` `(O, I / groups, kh, kw)` can and should be done this way.
pub(crate) fn suits([outputs, inputs, kh, kw]: [usize; 4], geometry: &ConvGeometry) -> bool {
    geometry.algorithm == Algorithm::Fastest
        && geometry.groups == 1
        && !winograd::suits([outputs, inputs, kh, kw], geometry)
        && outputs >= LEAST_OUTPUTS
        && inputs * kh * kw >= LEAST_TAPS
        && simd::has_matrix_unit()
}

/// One convolution at one size of picture.
#[derive(Debug)]
pub(crate) struct SplitProduct {
    lowering: Lowering,
    panels: Panels,
    /// Channels of the result.
    height: usize,
    /// Values of the input.
    input: usize,
}

/// `y = weight * x + bias`, if it should be done this way where gradients will follow: in the few large layers that are
/// most of the work. Each rounding flips a ReLU here and there, and batch norms over few values enlarge that.
pub(super) fn forward<T: Real>(
    p: &Problem,
    x: &[T],
    weight: &[T],
    bias: Option<&[T]>,
) -> Option<Vec<T>> {
    let shape = [p.outputs, p.group_inputs(), p.kernel[0], p.kernel[1]];
    if shape.iter().product::<usize>() < LEAST_WEIGHTS || !suits(shape, &p.geometry) {
        return None;
    }
    let (x, weight) = (T::singles(x)?, T::singles(weight)?);
    let product = SplitProduct::forward(p);
    let after = After { bias: bias.and_then(T::singles), ..After::default() };
    Some(T::of_singles(product.run_batch(&Weights::forward(p, weight), x, after)))
}

/// The gradient of `x`, by the weights turned by 180 degrees (see [`Lowering::input_gradient`]), if it should be
/// done this way.
pub(super) fn input_gradient<T: Real>(p: &Problem, weight: &[T], gy: &[T]) -> Option<Vec<T>> {
    if !suits([p.inputs, p.group_outputs(), p.kernel[0], p.kernel[1]], &p.geometry) {
        return None;
    }
    let (weight, gy) = (T::singles(weight)?, T::singles(gy)?);
    let product = SplitProduct::input_gradient(p);
    Some(T::of_singles(product.run_batch(&Weights::turned(p, weight), gy, After::default())))
}

impl SplitProduct {
    /// For a problem that [`suits`].
    pub(crate) fn forward(p: &Problem) -> Self {
        let lowering = Lowering::forward(p, p.inputs);
        Self::new(lowering, p.outputs, p.inputs * p.input_pixels())
    }

    fn input_gradient(p: &Problem) -> Self {
        let lowering = Lowering::input_gradient(p, p.outputs);
        Self::new(lowering, p.inputs, p.outputs * p.output_pixels())
    }

    fn new(lowering: Lowering, height: usize, input: usize) -> Self {
        let panels = Panels::new(&lowering);
        Self { lowering, panels, height, input }
    }

    fn run_batch(&self, weights: &Weights, x: &[f32], after: After<f32>) -> Vec<f32> {
        let result = self.height * self.lowering.pixels.len();
        let mut y = unspecified(x.len() / self.input * result);
        let images = x.par_chunks_exact(self.input).zip(y.par_chunks_exact_mut(result));
        images.for_each(|(x, y)| {
            let mut workspace = Scratch::new(self.workspace());
            self.run(weights, x, after, y, workspace.values());
        });
        y
    }

    /// Values that [`Self::run`] needs to work in.
    pub(crate) fn workspace(&self) -> usize {
        if self.panels.copies(&self.lowering) { self.lowering.source_len() } else { 0 }
    }

    /// One image: cut into tasks, which are some pixels, for some bands.
    pub(crate) fn run(
        &self,
        weights: &Weights,
        x: &[f32],
        after: After<f32>,
        y: &mut [f32],
        workspace: &mut [f32],
    ) {
        let source = if self.panels.copies(&self.lowering) {
            let source = &mut workspace[..self.lowering.source_len()];
            self.lowering.fill(x, source);
            &*source
        } else {
            x
        };
        let (pixels, bands) = (self.lowering.pixels.len(), self.height.div_ceil(SIDE));
        let fitting = (PACKED / (weights.blocks() * SIDE).min(TAPS)).min(MOST_PIXELS);
        let blocks = pixels.div_ceil(fitting);
        let block_len = pixels.div_ceil(blocks).next_multiple_of(SIDE);
        let blocks = pixels.div_ceil(block_len);
        // Few pixels: the bands are shared out, and each task packs the panels for itself.
        let shares = (TASKS / blocks).clamp(1, bands.div_ceil(LEAST_BANDS));
        let bands_a_share = bands.div_ceil(shares);
        let shares = bands.div_ceil(bands_a_share);
        let writer = DisjointWriter::new(y);
        for_each_task(blocks * shares, |task| {
            let (block, share) = (task / shares, task % shares);
            let block = block * block_len..pixels.min((block + 1) * block_len);
            let share = share * bands_a_share..bands.min((share + 1) * bands_a_share);
            let target = Target { y: &writer, rows: self.height, columns: pixels, after };
            let task = Task { product: self, weights, source, target };
            by_halves!(V => task.run::<V>(block, share));
        });
    }
}

/// What all tasks of a product share.
struct Task<'a> {
    product: &'a SplitProduct,
    weights: &'a Weights,
    source: &'a [f32],
    target: Target<'a>,
}

impl Task<'_> {
    /// The result of `bands` for `pixels`.
    #[inline(always)]
    fn run<V: Halves>(&self, pixels: Range<usize>, bands: Range<usize>) {
        let all = self.weights.blocks() * SIDE;
        let panels = pixels.len().div_ceil(SIDE);
        let mut scratch = Scratch::new(panels * SIDE * all.min(TAPS));
        let (packed, unit) = (scratch.values(), Unit::new());
        let mut sums = Sums::new();
        for start in (0..all).step_by(TAPS) {
            let taps = start..all.min(start + TAPS);
            let size = taps.len() * SIDE;
            let packing = &self.product.panels;
            packing.pack::<V>(
                &self.product.lowering,
                self.source,
                taps.clone(),
                pixels.clone(),
                packed,
            );
            for b in bands.clone() {
                let band = &self.weights.band(b)[start * SIDE..taps.end * SIDE];
                for (panel, pixel) in packed.chunks_exact(size).zip(pixels.clone().step_by(SIDE)) {
                    let ends = [start == 0, taps.end == all];
                    let at = [b * SIDE, pixel];
                    #[expect(unsafe_code, reason = "tasks share the result")]
                    // SAFETY: this task alone owns these pixels in these rows.
                    unsafe {
                        self.target.tile::<V>(&unit, [band, panel], at, ends, &mut sums);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
