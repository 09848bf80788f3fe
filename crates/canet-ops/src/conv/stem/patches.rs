//! Mean and covariance of the patches that a convolution sees. They are summed in `f64`, as their difference is taken; only
//! some windows are summed in the numbers of the picture.

use super::sums::Sums;
use super::windows::{Block, CORNERS, Windows};
use crate::conv::weight_gradient::dots::{MOST_ROWS, Operands, Table};
use crate::lanes;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Vector};

pub(super) struct Patches {
    count: f64,
    means: Vec<f64>,
    /// Tap by tap.
    covariances: Vec<f64>,
}

/// Those of all pixels of `x`.
pub(super) fn sum<T: Real, V: Vector<T>, const W: usize>(windows: &Windows, x: &[T]) -> Patches {
    let (seen, taps) = (windows.seen(), windows.taps());
    let sums = Sums::of_slabs(windows, [seen; 2], |blocks| {
        simd::vectorised(
            #[inline(always)]
            || sums_of::<T, V, W>(windows, blocks, x),
        )
    });
    let count = (CORNERS * windows.count()) as f64;
    let (mut means, mut covariances) = (vec![0.0; taps], vec![0.0; taps * taps]);
    for corner in 0..CORNERS {
        let inputs: Vec<usize> = windows.corner(corner).collect();
        for (a, &first) in inputs.iter().enumerate() {
            means[a] += sums.rows[first] / count;
            for (b, &second) in inputs.iter().enumerate() {
                covariances[a * taps + b] += sums.products[first * seen + second] / count;
            }
        }
    }
    for (a, row) in covariances.chunks_exact_mut(taps).enumerate() {
        row.iter_mut().zip(&means).for_each(|(product, mean)| *product -= means[a] * mean);
    }
    Patches { count, means, covariances }
}

impl Patches {
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

/// Of the inputs of some windows, and of the products of each two.
#[inline(always)]
fn sums_of<T: Real, V: Vector<T>, const W: usize>(
    windows: &Windows,
    blocks: &[Block],
    x: &[T],
) -> Sums {
    let taps = &windows.lowering.taps;
    let table = Table { rows: taps.len(), taps: taps.len() };
    let (seen, sums) = (windows.source_len(), table.len::<T, V>());
    let mut scratch = Scratch::new(seen + sums + MOST_ROWS * windows.lines(windows.rows()).len());
    let (source, rest) = scratch.values().split_at_mut(seen);
    let (lanes, rows) = rest.split_at_mut(sums);
    lanes.fill(T::ZERO);
    let mut inputs = vec![0.0; taps.len()];
    for block in blocks {
        windows.fill(block, x, source);
        let source = &source[windows.lowering.pixels[0]..];
        let lines = windows.lines(block.rows.len());
        for group in table.groups::<W>() {
            for (tap, row) in group.clone().zip(rows.chunks_exact_mut(lines.len())) {
                row.copy_from_slice(&source[taps[tap]..][..lines.len()]);
                lines.clear_between(row);
                inputs[tap] += lanes::sum(row, |v| v).as_f64();
            }
            let operands = Operands { gradients: rows, source, lines };
            table.add::<T, V>(&group, operands, taps, lanes);
        }
    }
    Sums { rows: inputs, products: table.total::<T, V, W>(lanes) }
}
