//! Depthwise convolution: one filter a channel. Each plane is a task of its own.

use super::after::After;
use super::lowering::Lowering;
use crate::array::unspecified;
use crate::geometry::Problem;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Vector, by_vector};
use crate::tasks::for_chunks;

/// Lanes of a sum over a plane.
const LANES: usize = 32;

/// Vectors of a piece of a row, at most.
const MOST_VECTORS: usize = 6;

/// Depthwise convolution at one size of picture.
#[derive(Debug)]
pub(crate) struct Depthwise {
    lowering: Lowering,
    /// Pixels of an input plane.
    input: usize,
    /// Width of the output.
    width: usize,
}

impl Depthwise {
    pub(crate) fn forward(p: &Problem) -> Self {
        let lowering = Lowering::forward(p, 1);
        Self { lowering, input: p.input_pixels(), width: p.output[1] }
    }

    fn input_gradient(p: &Problem) -> Self {
        let lowering = Lowering::input_gradient(p, 1);
        Self { lowering, input: p.output_pixels(), width: p.input[1] }
    }

    /// Planes `x` to planes `y`; `filters` and the bias of `after` repeat with every image.
    pub(crate) fn run<T: Real>(&self, filters: &[T], x: &[T], after: After<T>, y: &mut [T]) {
        by_vector!(T, self.run_with(filters, x, after, y));
    }

    fn run_with<T: Real, V: Vector<T>, const W: usize>(
        &self,
        filters: &[T],
        x: &[T],
        after: After<T>,
        y: &mut [T],
    ) {
        let pixels = self.lowering.pixels.len();
        let size = self.lowering.taps.len();
        let channels = filters.len() / size;
        for_chunks(y, pixels, 1, |i, y| {
            let x = &x[i * self.input..][..self.input];
            let channel = i % channels;
            let filter = &filters[channel * size..][..size];
            let mut scratch = Scratch::new(self.scratch());
            let source = self.source(x, scratch.values());
            simd::vectorised(
                #[inline(always)]
                || {
                    let bias = after.bias_of(channel);
                    for (row, y) in y.chunks_exact_mut(self.width).enumerate() {
                        let at = i * pixels + row * self.width;
                        self.filter_row::<T, V, W>(source, filter, row, (after, bias, at), y);
                    }
                },
            );
        });
    }

    /// Values that [`Self::source`] needs.
    fn scratch(&self) -> usize {
        if self.lowering.copies() { self.lowering.source_len() } else { 0 }
    }

    /// A plane and the zeros around it.
    fn source<'a, T: Real>(&self, plane: &'a [T], framed: &'a mut [T]) -> &'a [T] {
        if !self.lowering.copies() {
            return plane;
        }
        self.lowering.place(framed, plane);
        framed
    }

    /// One row of the output; `at` is where it starts in the whole result.
    #[inline(always)]
    fn filter_row<T: Real, V: Vector<T>, const W: usize>(
        &self,
        source: &[T],
        filter: &[T],
        row: usize,
        (after, bias, at): (After<T>, T, usize),
        y: &mut [T],
    ) {
        const { assert!(W.is_multiple_of(V::LANES) && W / V::LANES <= MOST_VECTORS) };
        let first = self.lowering.pixels[row * self.width];
        let (pieces, rest) = y.as_chunks_mut::<W>();
        let whole = pieces.len() * W;
        for (i, y) in pieces.iter_mut().enumerate() {
            let mut sums = [V::splat(T::ZERO); MOST_VECTORS];
            for (&weight, &tap) in filter.iter().zip(&self.lowering.taps) {
                let (values, weight) = (&source[tap + first + i * W..][..W], V::splat(weight));
                for (v, sum) in sums[..W / V::LANES].iter_mut().enumerate() {
                    *sum = weight.fma(V::load(&values[v * V::LANES..]), *sum);
                }
            }
            let mut row = [T::ZERO; W];
            for (v, sum) in sums[..W / V::LANES].iter().enumerate() {
                sum.store(&mut row[v * V::LANES..]);
            }
            after.store::<V>(y, &row, bias, at + i * W);
        }
        let mut sums = [T::ZERO; W];
        for (&weight, &tap) in filter.iter().zip(&self.lowering.taps) {
            let values = &source[tap + first + whole..][..rest.len()];
            for (sum, &v) in sums.iter_mut().zip(values) {
                *sum = weight.fma(v, *sum);
            }
        }
        let count = rest.len();
        after.store::<V>(rest, &sums[..count], bias, at + whole);
    }
}

/// `y = weight * x + bias`, plane by plane.
pub(super) fn forward<T: Real>(p: &Problem, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
    let mut y = unspecified(p.batch * p.outputs * p.output_pixels());
    Depthwise::forward(p).run(weight, x, After { bias, ..After::default() }, &mut y);
    y
}

/// The gradient of `x`: the turned filter over the lifted gradient.
pub(super) fn input_gradient<T: Real>(p: &Problem, weight: &[T], gy: &[T]) -> Vec<T> {
    let mut gx = unspecified(p.batch * p.inputs * p.input_pixels());
    let turned: Vec<T> =
        weight.chunks_exact(p.kernel_size()).flat_map(|w| w.iter().rev().copied()).collect();
    Depthwise::input_gradient(p).run(&turned, gy, After::default(), &mut gx);
    gx
}

/// The gradient of the filters; images are added in order.
pub(super) fn weight_gradient<T: Real>(p: &Problem, x: &[T], gy: &[T]) -> Vec<T> {
    let depthwise = Depthwise::forward(p);
    let lowering = &depthwise.lowering;
    let mut gw = vec![T::ZERO; p.outputs * p.kernel_size()];
    for_chunks(&mut gw, p.kernel_size(), 1, |channel, gw| {
        for image in 0..p.batch {
            let plane = image * p.inputs + channel;
            let gy = &gy[plane * p.output_pixels()..][..p.output_pixels()];
            let x = &x[plane * p.input_pixels()..][..p.input_pixels()];
            let mut scratch = Scratch::new(depthwise.scratch());
            let source = depthwise.source(x, scratch.values());
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

/// `sum of source[pixel] * gy[pixel]`, in lanes that are added at the end of the plane.
#[inline(always)]
fn dot<T: Real>(pixels: &[usize], source: &[T], gy: &[T], width: usize) -> T {
    let mut sums = [T::ZERO; LANES];
    for (pixels, gy) in pixels.chunks_exact(width).zip(gy.chunks_exact(width)) {
        let row = &source[pixels[0]..][..width];
        let (row, row_rest) = row.as_chunks::<LANES>();
        let (gy, gy_rest) = gy.as_chunks::<LANES>();
        for (x, g) in row.iter().zip(gy) {
            for i in 0..LANES {
                sums[i] = x[i].fma(g[i], sums[i]);
            }
        }
        for ((sum, &x), &g) in sums.iter_mut().zip(row_rest).zip(gy_rest) {
            *sum = x.fma(g, *sum);
        }
    }
    sums.into_iter().sum()
}
