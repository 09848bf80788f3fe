//! Depthwise convolution: one filter a channel. Each plane is a task of its own.

use rayon::prelude::*;

use super::lowering::Lowering;
use crate::geometry::Problem;
use crate::real::Real;
use crate::simd;

/// `y = weight * x + bias`, plane by plane.
pub(super) fn forward<T: Real>(p: &Problem, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
    let lowering = Lowering::forward(p, 1);
    let mut y = vec![T::ZERO; p.batch * p.outputs * p.output_pixels()];
    let planes = y.par_chunks_mut(p.output_pixels()).zip(x.par_chunks(p.input_pixels()));
    planes.enumerate().for_each(|(i, (y, x))| {
        let channel = i % p.outputs;
        let weight = &weight[channel * p.kernel_size()..][..p.kernel_size()];
        y.fill(bias.map_or(T::ZERO, |b| b[channel]));
        let source = lowering.source(x);
        simd::vectorised(
            #[inline(always)]
            || add_filtered(&lowering, &source, &weight.iter(), p.output[1], y),
        );
    });
    y
}

/// The gradient of `x`: the turned filter over the lifted gradient.
pub(super) fn input_gradient<T: Real>(p: &Problem, weight: &[T], gy: &[T]) -> Vec<T> {
    let lowering = Lowering::input_gradient(p, 1);
    let mut gx = vec![T::ZERO; p.batch * p.inputs * p.input_pixels()];
    let planes = gx.par_chunks_mut(p.input_pixels()).zip(gy.par_chunks(p.output_pixels()));
    planes.enumerate().for_each(|(i, (gx, gy))| {
        let weight = &weight[(i % p.inputs) * p.kernel_size()..][..p.kernel_size()];
        let source = lowering.source(gy);
        simd::vectorised(
            #[inline(always)]
            || add_filtered(&lowering, &source, &weight.iter().rev(), p.input[1], gx),
        );
    });
    gx
}

/// `y[pixel] += sum over taps of weight[tap] * source[tap + pixel]`, row by row.
#[inline(always)]
fn add_filtered<'a, T: Real>(
    lowering: &Lowering,
    source: &[T],
    weight: &(impl Iterator<Item = &'a T> + Clone),
    width: usize,
    y: &mut [T],
) {
    for (y, pixels) in y.chunks_exact_mut(width).zip(lowering.pixels.chunks_exact(width)) {
        let contiguous = pixels[width - 1] - pixels[0] == width - 1;
        for (&weight, &tap) in weight.clone().zip(&lowering.taps) {
            if contiguous {
                let row = &source[tap + pixels[0]..][..width];
                y.iter_mut().zip(row).for_each(|(y, &x)| *y = weight.fma(x, *y));
            } else {
                let from = &source[tap..];
                y.iter_mut().zip(pixels).for_each(|(y, &at)| *y = weight.fma(from[at], *y));
            }
        }
    }
}

/// The gradient of the filters; images are added in order.
pub(super) fn weight_gradient<T: Real>(p: &Problem, x: &[T], gy: &[T]) -> Vec<T> {
    let lowering = Lowering::forward(p, 1);
    let mut gw = vec![T::ZERO; p.outputs * p.kernel_size()];
    gw.par_chunks_mut(p.kernel_size()).enumerate().for_each(|(channel, gw)| {
        for image in 0..p.batch {
            let plane = image * p.inputs + channel;
            let source = lowering.source(&x[plane * p.input_pixels()..][..p.input_pixels()]);
            let gy = &gy[plane * p.output_pixels()..][..p.output_pixels()];
            for (gw, &tap) in gw.iter_mut().zip(&lowering.taps) {
                *gw += simd::vectorised(
                    #[inline(always)]
                    || dot(&lowering.pixels, &source[tap..], gy, p.output[1]),
                );
            }
        }
    });
    gw
}

/// `sum of source[pixel] * gy[pixel]`, in eight lanes that are added at the end of the plane.
#[inline(always)]
fn dot<T: Real>(pixels: &[usize], source: &[T], gy: &[T], width: usize) -> T {
    const LANES: usize = 8;
    let mut sums = [T::ZERO; LANES];
    for (pixels, gy) in pixels.chunks_exact(width).zip(gy.chunks_exact(width)) {
        if pixels[width - 1] - pixels[0] == width - 1 {
            let row = &source[pixels[0]..][..width];
            let (row, row_rest) = row.as_chunks::<LANES>();
            let (gy, gy_rest) = gy.as_chunks::<LANES>();
            for (x, g) in row.iter().zip(gy) {
                (0..LANES).for_each(|i| sums[i] = x[i].fma(g[i], sums[i]));
            }
            row_rest.iter().zip(gy_rest).for_each(|(&x, &g)| sums[0] = x.fma(g, sums[0]));
        } else {
            pixels.iter().zip(gy).for_each(|(&at, &g)| sums[0] = source[at].fma(g, sums[0]));
        }
    }
    sums.into_iter().sum()
}
