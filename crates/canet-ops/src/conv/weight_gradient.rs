//! The gradient of the weights: sums over all pixels of the batch. Both operands are turned, block of
//! pixels by block, into what the tile multiplies.

mod block;
mod many_pixels;
mod many_weights;

use std::borrow::Cow;

use super::lowering::Lowering;
use crate::array::unspecified;
use crate::geometry::Problem;
use crate::real::Real;
use crate::simd::by_vector;
use many_pixels::sum as over_pixels;
use many_weights::sum as over_weights;

/// Weights up to which the pixels are shared out, not the weights.
const FEW_WEIGHTS: usize = 1 << 15;

/// One group of one image.
struct Image<'a, T: Real> {
    /// The input, lowered.
    source: Cow<'a, [T]>,
    /// The gradient of the output.
    gy: &'a [T],
}

/// `gw[o][tap] = sum over images and pixels of gy[o][pixel] * lowered(x)[tap][pixel]`.
pub(super) fn weight_gradient<T: Real>(p: &Problem, x: &[T], gy: &[T]) -> Vec<T> {
    let groups = p.geometry.groups;
    let [inputs, outputs] = [p.group_inputs(), p.group_outputs()];
    let lowering = Lowering::forward(p, inputs);
    let taps = lowering.taps.len();
    let mut gw = unspecified(groups * outputs * taps);
    for (group, gw) in gw.chunks_exact_mut(outputs * taps).enumerate() {
        let images = (0..p.batch).map(|image| {
            let part = image * groups + group;
            let x = &x[part * inputs * p.input_pixels()..][..inputs * p.input_pixels()];
            let gy = &gy[part * outputs * p.output_pixels()..][..outputs * p.output_pixels()];
            Image { source: lowering.source(x), gy }
        });
        if outputs * taps <= FEW_WEIGHTS {
            by_vector!(T, over_pixels(p, &lowering, images, gw));
        } else {
            by_vector!(T, over_weights(p, &lowering, images, gw));
        }
    }
    gw
}
