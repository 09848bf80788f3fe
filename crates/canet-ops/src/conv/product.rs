//! Forward convolution and the gradient of its input, as blocked matrix products.

use rayon::prelude::*;

use super::lowering::Lowering;
use super::tile::{self, HEIGHT, WIDTH};
use crate::array::DisjointWriter;
use crate::geometry::Problem;
use crate::real::Real;
use crate::simd;

/// Taps a block takes at a time: a packed panel of them stays in the first-level cache.
const TAPS: usize = 256;
/// Panels a task packs at a time: with [`TAPS`] they fill a quarter of a second-level cache.
const PANELS: usize = 16;

/// `y = weight * x + bias`.
pub(crate) fn forward<T: Real>(p: &Problem, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
    let lowering = Lowering::forward(p, p.group_inputs());
    let taps = lowering.taps.len();
    let groups: Vec<Vec<T>> = weight
        .chunks_exact(p.group_outputs() * taps)
        .map(|w| tile::pack_bands(p.group_outputs(), taps, |o, k| w[o * taps + k]))
        .collect();
    let mut y = vec![T::ZERO; p.batch * p.outputs * p.output_pixels()];
    let shape = Shape { height: p.group_outputs(), pixels: p.output_pixels() };
    for_each_group(p, x, p.group_inputs() * p.input_pixels(), &mut y, shape, |group, x, y| {
        let bias = bias.map(|b| &b[group * shape.height..][..shape.height]);
        multiply(&lowering, &groups[group], &lowering.source(x), bias, y, shape);
    });
    y
}

/// The gradient of `x`, by the weights turned by 180 degrees (see [`Lowering::input_gradient`]).
pub(super) fn input_gradient<T: Real>(p: &Problem, weight: &[T], gy: &[T]) -> Vec<T> {
    let lowering = Lowering::input_gradient(p, p.group_outputs());
    let (inputs, size) = (p.group_inputs(), p.kernel_size());
    let taps = lowering.taps.len();
    let groups: Vec<Vec<T>> = weight
        .chunks_exact(p.group_outputs() * inputs * size)
        .map(|w| {
            tile::pack_bands(inputs, taps, |i, tap| {
                let (o, k) = (tap / size, tap % size);
                w[(o * inputs + i) * size + (size - 1 - k)]
            })
        })
        .collect();
    let mut gx = vec![T::ZERO; p.batch * p.inputs * p.input_pixels()];
    let shape = Shape { height: inputs, pixels: p.input_pixels() };
    for_each_group(
        p,
        gy,
        p.group_outputs() * p.output_pixels(),
        &mut gx,
        shape,
        |group, gy, gx| {
            multiply(&lowering, &groups[group], &lowering.source(gy), None, gx, shape);
        },
    );
    gx
}

/// The shape of a product's result: one group of one image.
#[derive(Clone, Copy)]
struct Shape {
    height: usize,
    pixels: usize,
}

/// Runs `work(group, its part of one image, its part of the result)`; `part` is the size of the
/// former. Images and groups run side by side where there are several; each splits further.
fn for_each_group<T: Real>(
    p: &Problem,
    from: &[T],
    part: usize,
    to: &mut [T],
    shape: Shape,
    work: impl Fn(usize, &[T], &mut [T]) + Sync,
) {
    to.par_chunks_mut(shape.height * shape.pixels)
        .zip(from.par_chunks(part))
        .enumerate()
        .for_each(|(i, (to, from))| work(i % p.geometry.groups, from, to));
}

/// `y = bands * lowered(source) + bias`, for all pixels.
fn multiply<T: Real>(
    lowering: &Lowering,
    bands: &[T],
    source: &[T],
    bias: Option<&[T]>,
    y: &mut [T],
    shape: Shape,
) {
    let writer = DisjointWriter::new(y);
    (0..shape.pixels.div_ceil(PANELS * WIDTH)).into_par_iter().for_each(|task| {
        simd::vectorised(
            #[inline(always)]
            || {
                let first = task * PANELS * WIDTH;
                let end = shape.pixels.min(first + PANELS * WIDTH);
                multiply_block(lowering, bands, source, bias, &writer, shape, first..end);
            },
        );
    });
}

/// The part of [`multiply`] that belongs to the pixels of one task.
#[inline(always)]
fn multiply_block<T: Real>(
    lowering: &Lowering,
    bands: &[T],
    source: &[T],
    bias: Option<&[T]>,
    y: &DisjointWriter<'_, T>,
    shape: Shape,
    pixels: std::ops::Range<usize>,
) {
    let all = lowering.taps.len();
    let panels = pixels.len().div_ceil(WIDTH);
    let mut packed = vec![T::ZERO; panels * WIDTH * all.min(TAPS)];
    for start in (0..all).step_by(TAPS) {
        let taps = start..all.min(start + TAPS);
        let size = taps.len() * WIDTH;
        for (j, panel) in packed.chunks_exact_mut(size).take(panels).enumerate() {
            lowering.pack_columns(source, taps.clone(), pixels.start + j * WIDTH, panel);
        }
        for (j, panel) in packed.chunks_exact(size).take(panels).enumerate() {
            let pixel = pixels.start + j * WIDTH;
            let width = WIDTH.min(pixels.end - pixel);
            for (b, band) in bands.chunks_exact(all * HEIGHT).enumerate() {
                let sums = tile::product(&band[taps.start * HEIGHT..taps.end * HEIGHT], panel);
                let rows = b * HEIGHT..shape.height.min((b + 1) * HEIGHT);
                for (row, sums) in rows.zip(&sums) {
                    #[expect(unsafe_code, reason = "tasks share the result")]
                    // SAFETY: this task alone owns these pixels, in every row, and the slice ends
                    // with this turn of the loop.
                    let to = unsafe { y.slice_mut(row * shape.pixels + pixel, width) };
                    store(to, sums, (start == 0).then(|| bias.map_or(T::ZERO, |b| b[row])));
                }
            }
        }
    }
}

/// Writes the first sums of a row, on top of the bias, or adds later ones.
#[inline(always)]
fn store<T: Real>(to: &mut [T], sums: &[T; WIDTH], first: Option<T>) {
    match (first, <&mut [T; WIDTH]>::try_from(&mut *to)) {
        (Some(bias), Ok(to)) => (0..WIDTH).for_each(|j| to[j] = sums[j] + bias),
        (None, Ok(to)) => (0..WIDTH).for_each(|j| to[j] += sums[j]),
        (Some(bias), Err(_)) => to.iter_mut().zip(sums).for_each(|(to, &sum)| *to = sum + bias),
        (None, Err(_)) => to.iter_mut().zip(sums).for_each(|(to, &sum)| *to += sum),
    }
}
