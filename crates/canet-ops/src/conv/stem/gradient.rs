//! Sums over the winners of all windows: of their gradients, and of these times the patches that they see.

use rayon::prelude::*;

use super::windows::{Block, CORNERS, Windows};
use crate::conv::weight_gradient::dots::{Lines, MOST_ROWS, Operands, Table};
use crate::lanes;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Vector};

/// Sums over the windows of a slab, and of all.
pub(super) struct OfWinners {
    /// Of the gradients of each channel.
    gradients: Vec<f64>,
    /// Of their products with each tap, channel by channel.
    products: Vec<f64>,
}

impl OfWinners {
    /// Both sums of a channel.
    pub(super) fn of(&self, channel: usize) -> (f64, &[f64]) {
        let taps = self.products.len() / self.gradients.len();
        (self.gradients[channel], &self.products[channel * taps..][..taps])
    }

    fn and(mut self, other: Self) -> Self {
        let add = |to: &mut [f64], from: Vec<f64>| {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        };
        add(&mut self.gradients, other.gradients);
        add(&mut self.products, other.products);
        self
    }
}

/// The images are cut into slabs by shape alone, and their sums are added in order, so they do not depend on the threads.
pub(super) fn sum<T: Real, V: Vector<T>, const W: usize>(
    windows: &Windows,
    x: &[T],
    gy: &[T],
    winners: &[u8],
) -> OfWinners {
    let (outputs, taps) = (windows.outputs(), windows.taps());
    let slabs = windows.slabs();
    let corners = [0, 1, 2, 3]
        .map(|corner| windows.corner(corner).map(|tap| windows.lowering.taps[tap]).collect());
    let pass = Pass { windows, x, gy, winners, corners };
    let of_slabs = slabs.par_iter().map(|blocks| {
        simd::vectorised(
            #[inline(always)]
            || pass.run::<V, W>(blocks),
        )
    });
    let zero = OfWinners { gradients: vec![0.0; outputs], products: vec![0.0; outputs * taps] };
    of_slabs.collect::<Vec<_>>().into_iter().fold(zero, OfWinners::and)
}

struct Pass<'a, T> {
    windows: &'a Windows,
    x: &'a [T],
    gy: &'a [T],
    winners: &'a [u8],
    /// Where the taps of each corner lie.
    corners: [Vec<usize>; CORNERS],
}

impl<T: Real> Pass<'_, T> {
    #[inline(always)]
    fn run<V: Vector<T>, const W: usize>(&self, blocks: &[Block]) -> OfWinners {
        let w = self.windows;
        let table = Table { rows: w.outputs(), taps: w.taps() };
        let (seen, sums) = (w.source_len(), table.len::<T, V>());
        let mut scratch = Scratch::new(seen + sums + MOST_ROWS * w.lines(w.rows()).len());
        let (source, rest) = scratch.values().split_at_mut(seen);
        let (lanes, chosen) = rest.split_at_mut(sums);
        lanes.fill(T::ZERO);
        let mut gradients = vec![0.0; w.outputs()];
        for block in blocks {
            w.fill(block, self.x, source);
            let (source, lines) = (&source[w.lowering.pixels[0]..], w.lines(block.rows.len()));
            for group in table.groups::<W>() {
                for (corner, taps) in (0..).zip(&self.corners) {
                    for (channel, chosen) in group.clone().zip(chosen.chunks_exact_mut(lines.len()))
                    {
                        gradients[channel] += self.choose(block, channel, corner, lines, chosen);
                    }
                    let operands = Operands { gradients: chosen, source, lines };
                    table.add::<T, V>(&group, operands, taps, lanes);
                }
            }
        }
        OfWinners { gradients, products: table.total::<T, V, W>(lanes) }
    }

    /// The gradients of a block's windows whose winner is a corner, and their sum; the others' are 0.
    #[inline(always)]
    fn choose(
        &self,
        block: &Block,
        channel: usize,
        corner: u8,
        lines: Lines,
        chosen: &mut [T],
    ) -> f64 {
        let Lines { count, width, pitch } = lines;
        let at = self.windows.place(block, channel);
        let results = self.gy[at..].chunks_exact(width).zip(self.winners[at..].chunks_exact(width));
        for (to, (gy, winners)) in chosen.chunks_mut(pitch).zip(results.take(count)) {
            for (to, (&g, &winner)) in to.iter_mut().zip(gy.iter().zip(winners)) {
                *to = if winner == corner { g } else { T::ZERO };
            }
        }
        lines.clear_between(chosen);
        lanes::sum(chosen, |g| g).as_f64()
    }
}
