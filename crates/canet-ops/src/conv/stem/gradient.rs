//! Sums over the winners of all windows: of their gradients, and of these times the patches that they see.

use super::sums::Sums;
use super::windows::{Block, CORNERS, Windows};
use crate::conv::weight_gradient::dots::{Lines, MOST_ROWS, Operands, Table};
use crate::lanes;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Vector};

/// Of the gradients of each channel, and of their products with each tap.
pub(super) fn sum<T: Real, V: Vector<T>, const W: usize>(
    windows: &Windows,
    x: &[T],
    gy: &[T],
    winners: &[u8],
) -> Sums {
    let corners = [0, 1, 2, 3]
        .map(|corner| windows.corner(corner).map(|tap| windows.lowering.taps[tap]).collect());
    let pass = Pass { windows, x, gy, winners, corners };
    Sums::of_slabs(windows, [windows.outputs(), windows.taps()], |blocks| {
        simd::vectorised(
            #[inline(always)]
            || pass.run::<V, W>(blocks),
        )
    })
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
    fn run<V: Vector<T>, const W: usize>(&self, blocks: &[Block]) -> Sums {
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
        Sums { rows: gradients, products: table.total::<T, V, W>(lanes) }
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
