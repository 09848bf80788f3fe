//! Mean and covariance of the patches that a convolution sees. They are summed in `f64`, as their difference is taken; only
//! rows of windows are summed in the numbers of the picture.

use rayon::prelude::*;

use super::windows::{CORNERS, Windows};
use crate::lanes::{dots, sum};
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd;

/// Products that are summed side by side.
const TOGETHER: usize = 4;

pub(super) struct Patches {
    count: f64,
    means: Vec<f64>,
    /// Tap by tap.
    covariances: Vec<f64>,
}

/// Sums over some windows: of their inputs, and of the products of each with itself and those after it.
struct Sums {
    inputs: Vec<f64>,
    products: Vec<f64>,
}

impl Patches {
    /// Those of all pixels of `x`.
    pub(super) fn of<T: Real>(windows: &Windows, x: &[T]) -> Self {
        let (seen, taps) = (windows.seen(), windows.taps());
        let of_blocks = windows.blocks().into_par_iter().map(|block| {
            let mut source = Scratch::new(windows.source_len());
            windows.fill(&block, x, source.values());
            simd::vectorised(
                #[inline(always)]
                || Sums::of(windows, block.rows.len(), source.values()),
            )
        });
        // In a fixed order.
        let zero = Sums { inputs: vec![0.0; seen], products: vec![0.0; seen * seen] };
        let sums = of_blocks.collect::<Vec<_>>().into_iter().fold(zero, Sums::and);
        let count = (CORNERS * windows.plane() * windows.images()) as f64;
        let (mut means, mut covariances) = (vec![0.0; taps], vec![0.0; taps * taps]);
        for corner in 0..CORNERS {
            let inputs: Vec<usize> = windows.corner(corner).collect();
            for (a, &first) in inputs.iter().enumerate() {
                means[a] += sums.inputs[first] / count;
                for (b, &second) in inputs.iter().enumerate() {
                    let at = first.min(second) * seen + first.max(second);
                    covariances[a * taps + b] += sums.products[at] / count;
                }
            }
        }
        for (a, row) in covariances.chunks_exact_mut(taps).enumerate() {
            row.iter_mut().zip(&means).for_each(|(product, mean)| *product -= means[a] * mean);
        }
        Self { count, means, covariances }
    }

    /// How many there are.
    pub(super) fn count(&self) -> f64 {
        self.count
    }

    pub(super) fn taps(&self) -> usize {
        self.means.len()
    }

    /// Mean of what a tap sees.
    pub(super) fn mean(&self, tap: usize) -> f64 {
        self.means[tap]
    }

    /// What a tap sees and what the filter makes of the patch: their covariance.
    pub(super) fn covariances<T: Real>(&self, tap: usize, filter: &[T]) -> f64 {
        let row = &self.covariances[tap * self.taps()..][..self.taps()];
        row.iter().zip(filter).map(|(product, w)| product * w.as_f64()).sum()
    }

    /// Mean and variance of what each filter makes of the patches.
    pub(super) fn moments<T: Real>(&self, filters: &[T]) -> (Vec<f64>, Vec<f64>) {
        let of_filter = |filter: &[T]| {
            let taps = filter.iter().enumerate();
            let [mean, var] = taps.fold([0.0; 2], |[mean, var], (tap, w)| {
                let w = w.as_f64();
                [mean + w * self.means[tap], var + w * self.covariances(tap, filter)]
            });
            (mean, var.max(0.0))
        };
        filters.chunks_exact(self.taps()).map(of_filter).unzip()
    }
}

impl Sums {
    /// Over `rows` rows of windows.
    #[inline(always)]
    fn of<T: Real>(windows: &Windows, rows: usize, source: &[T]) -> Self {
        let taps = &windows.lowering.taps;
        let seen = taps.len();
        let [_, width] = windows.output();
        let mut sums = Self { inputs: vec![0.0; seen], products: vec![0.0; seen * seen] };
        for start in windows.starts().take(rows) {
            let row = |tap: usize| &source[start + taps[tap]..][..width];
            for a in 0..seen {
                sums.inputs[a] += sum(row(a), |v| v).as_f64();
                let products = &mut sums.products[a * seen..][..seen];
                for b in (a..seen).step_by(TOGETHER) {
                    // Past the last it is repeated.
                    let others = [b, b + 1, b + 2, b + 3].map(|b| row(b.min(seen - 1)));
                    for (sum, found) in products[b..].iter_mut().zip(dots(row(a), others)) {
                        *sum += found.as_f64();
                    }
                }
            }
        }
        sums
    }

    fn and(mut self, other: Self) -> Self {
        let add = |to: &mut [f64], from: Vec<f64>| {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        };
        add(&mut self.inputs, other.inputs);
        add(&mut self.products, other.products);
        self
    }
}
