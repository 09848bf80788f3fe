//! The largest pixel of each window, which are never stored.

use super::NONE;
use super::windows::{Block, CORNERS, Windows};
use crate::array::{DisjointWriter, unspecified};
use crate::conv::in_place::{Run, cut};
use crate::conv::product::Weights;
use crate::conv::tile::{Sums, Taps, TileShape, Used, Views};
use crate::max_pool::larger;
use crate::norm::{BatchNorm, Line};
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Vector};
use crate::tasks::for_each_task;

/// The results `(N, O, h, w)`, and the corner that each is from.
pub(super) fn largest<T: Real, V: Vector<T>, const W: usize>(
    windows: &Windows,
    filters: &[T],
    norm: &BatchNorm<T>,
    x: &[T],
) -> (Vec<T>, Vec<u8>) {
    let (mut y, mut winners) = (unspecified(windows.len()), unspecified(windows.len()));
    let weights = Weights::forward(filters, 1, windows.taps());
    let [_, width] = windows.output();
    let starts = windows.starts().enumerate();
    let pass = Pass {
        windows,
        bands: weights.bands(),
        norm,
        corners: [0, 1, 2, 3].map(|corner| {
            let seen = windows.corner(corner).map(|tap| windows.lowering.taps[tap]);
            Taps::new(seen.collect())
        }),
        runs: starts.flat_map(|(row, start)| cut(width, row, start, W)).collect(),
        y: DisjointWriter::new(&mut y),
        winners: DisjointWriter::new(&mut winners),
    };
    let blocks = windows.blocks();
    for_each_task(blocks.len(), |block| {
        let block = &blocks[block];
        let mut source = Scratch::new(windows.source_len());
        windows.fill(block, x, source.values());
        simd::vectorised(
            #[inline(always)]
            || pass.run::<W>(block, source.values()),
        );
    });
    drop(pass);
    (y, winners)
}

struct Pass<'a, T> {
    windows: &'a Windows,
    bands: &'a [T],
    norm: &'a BatchNorm<T>,
    /// Where the taps of each corner lie.
    corners: [Taps; CORNERS],
    /// The tiles of the rows of a block.
    runs: Vec<Run>,
    y: DisjointWriter<'a, T>,
    winners: DisjointWriter<'a, u8>,
}

impl<T: Real> Pass<'_, T> {
    #[inline(always)]
    fn run<const W: usize>(&self, block: &Block, source: &[T]) {
        let (rows, outputs) = (TileShape::of::<T>().rows, self.windows.outputs());
        let size = rows * self.windows.taps();
        let mut sums: [Sums<T>; CORNERS] = [[T::ZERO; _]; CORNERS];
        for (b, band) in self.bands.chunks_exact(size).enumerate() {
            let used = rows.min(outputs - b * rows);
            for &run in self.runs.iter().take_while(|run| run.row < block.rows.len()) {
                for (sums, taps) in sums.iter_mut().zip(&self.corners) {
                    let views = Views { source, start: run.start, taps };
                    T::product_of_views(band, views, Used { rows: used, columns: run.len }, sums);
                }
                for i in 0..used {
                    let corners = sums.each_ref().map(|sums| &sums[i * W..][..run.len]);
                    self.put(corners, b * rows + i, block, run);
                }
            }
        }
    }

    /// Writes the results of a run in one channel.
    #[inline(always)]
    fn put(&self, corners: [&[T]; CORNERS], channel: usize, block: &Block, run: Run) {
        let [_, width] = self.windows.output();
        let at = self.windows.place(block, channel) + run.row * width + run.column;
        #[expect(unsafe_code, reason = "tasks share the result")]
        // SAFETY: this task alone owns these rows of its image, and has no other slice of them now.
        let (y, winners) =
            unsafe { (self.y.slice_mut(at, run.len), self.winners.slice_mut(at, run.len)) };
        self.norm.line(channel).pool(corners, y, winners);
    }
}

impl<T: Real> Line<T> {
    /// Normalises the pixels of some windows, corner by corner, and keeps the largest and its number.
    #[inline(always)]
    fn pool(self, corners: [&[T]; CORNERS], y: &mut [T], winners: &mut [u8]) {
        let [a, b, c, d] = corners.map(|corner| &corner[..y.len()]);
        let value = |v: T| self.at(v).larger(T::ZERO);
        for (i, (y, winner)) in y.iter_mut().zip(winners).enumerate() {
            let best = larger((value(a[i]), 0), (value(b[i]), 1));
            let best = larger(best, (value(c[i]), 2));
            let best = larger(best, (value(d[i]), 3));
            *y = best.0;
            *winner = if best.0 <= T::ZERO { NONE } else { best.1 };
        }
    }
}
