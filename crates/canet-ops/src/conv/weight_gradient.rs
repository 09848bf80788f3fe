//! The gradient of the weights: sums over all pixels of the batch. But for few output channels both operands are turned,
//! block of pixels by block, into what the tile multiplies.

mod block;
pub(super) mod dots;
mod few_outputs;
mod many_pixels;
mod many_weights;

use std::borrow::Cow;

use super::lowering::Lowering;
use crate::array::unspecified;
use crate::geometry::Problem;
use crate::real::Real;
use crate::simd::by_vector;
use few_outputs::suits as suits_few_outputs;
use few_outputs::sum as over_few_outputs;
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
    if suits_few_outputs(p) {
        return by_vector!(T, over_few_outputs(p, x, gy));
    }
    weight_gradient_by(p, x, gy, FEW_WEIGHTS)
}

/// The same, where up to `few` weights are few.
fn weight_gradient_by<T: Real>(p: &Problem, x: &[T], gy: &[T], few: usize) -> Vec<T> {
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
        if outputs * taps <= few {
            by_vector!(T, over_pixels(p, &lowering, images, gw));
        } else {
            by_vector!(T, over_weights(p, &lowering, images, gw));
        }
    }
    gw
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::ConvGeometry;

    /// All ways, against plain sums.
    fn check<T: Real>(bound: f64) {
        let plain = ConvGeometry::default();
        for (batch, inputs, outputs, kernel, [h, w], geometry) in [
            (2, 200, 170, [1, 1], [9, 11], plain),
            (1, 40, 7, [3, 3], [13, 10], plain.with_padding(1).with_stride(2)),
            (3, 8, 50, [1, 7], [5, 70], plain.with_padding(3)),
            (2, 12, 18, [3, 3], [8, 9], plain.with_groups(2).with_dilation(2).with_padding(2)),
            (1, 3, 2, [2, 2], [2, 600], plain),
            (1, 5, 9, [1, 1], [1, 1], plain),
        ] {
            let a_group = inputs / geometry.groups;
            let shape = (outputs, a_group, kernel[0], kernel[1]);
            let p = Problem::new((batch, inputs, h, w), shape, &geometry).unwrap();
            let wave = |i: usize| T::of_f64(((i * 7919 % 1009) as f64 - 504.0) / 504.0);
            let x: Vec<T> = (0..batch * inputs * h * w).map(wave).collect();
            let gy: Vec<T> =
                (0..batch * outputs * p.output_pixels()).map(|i| wave(i + 5)).collect();
            let expected = plain_sums(&p, &x, &gy);
            let size = expected.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
            let mut ways = vec![
                weight_gradient_by(&p, &x, &gy, 0),
                weight_gradient_by(&p, &x, &gy, usize::MAX),
            ];
            if geometry.groups == 1 {
                ways.push(by_vector!(T, over_few_outputs(&p, &x, &gy)));
            }
            for (way, found) in ways.into_iter().enumerate() {
                assert_eq!(found.len(), expected.len());
                for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
                    let off = (a.as_f64() - b).abs();
                    assert!(off <= bound * size, "{p:?}, {way}: {i}: {off} of {size}");
                }
            }
        }
    }

    fn plain_sums<T: Real>(p: &Problem, x: &[T], gy: &[T]) -> Vec<f64> {
        let lowering = Lowering::forward(p, p.group_inputs());
        let (taps, outputs) = (lowering.taps.len(), p.group_outputs());
        let mut gw = vec![0.0; p.outputs * taps];
        for (image, group) in (0..p.batch).flat_map(|i| (0..p.geometry.groups).map(move |g| (i, g)))
        {
            let part = image * p.geometry.groups + group;
            let len = p.group_inputs() * p.input_pixels();
            let source = lowering.source(&x[part * len..][..len]);
            for (o, tap) in (0..outputs).flat_map(|o| (0..taps).map(move |tap| (o, tap))) {
                let gy = &gy[(part * outputs + o) * p.output_pixels()..];
                let products =
                    lowering.pixels.iter().zip(gy).map(|(&pixel, g)| {
                        source[lowering.taps[tap] + pixel].as_f64() * g.as_f64()
                    });
                gw[(group * outputs + o) * taps + tap] += products.sum::<f64>();
            }
        }
        gw
    }

    #[test]
    fn all_ways_are_the_plain_sums() {
        check::<f64>(1e-13);
        check::<f32>(1e-5);
    }
}
