//! Where there are few weights: dot products, whose operands lie as they are.

use std::ops::Range;

use rayon::prelude::*;

use super::Image;
use crate::array::DisjointWriter;
use crate::conv::dot::{Dots, MOST_ROWS, MOST_VIEWS};
use crate::conv::lowering::Lowering;
use crate::geometry::Problem;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Isa};

/// Places of the source a block takes at a time: the rows and views of a tile stay in the
/// first-level cache.
const BLOCK: usize = 1024;
/// Output channels of a task: their part of a block stays in the second-level cache.
const CHANNELS: usize = 64;
/// Taps of a task.
const TAPS: usize = 192;
/// Weights up to which the pixels are shared out, too.
const FEW_WEIGHTS: usize = 1 << 15;
/// Most parts that the pixels are cut into.
const SLABS: usize = 16;

/// Sums the shares of the images of a group. Their pixels are cut into slabs by shape alone; each
/// slab has a partial result, and they are added in order, so the sum does not depend on the threads.
pub(super) fn sum<'a, T: Real>(
    p: &Problem,
    lowering: &Lowering,
    images: impl Iterator<Item = Image<'a, T>>,
    gw: &mut [T],
) {
    let work = Work::new(p, lowering);
    let mut partial = vec![T::ZERO; gw.len() * work.slabs];
    for image in images {
        work.add_image(&image.source, image.gy, &mut partial);
    }
    gw.fill(T::ZERO);
    for slab in partial.chunks_exact(gw.len()) {
        gw.iter_mut().zip(slab).for_each(|(gw, &sum)| *gw += sum);
    }
}

/// How the work on one image is cut.
struct Work<'a> {
    lowering: &'a Lowering,
    outputs: usize,
    /// Height and width of the output.
    size: [usize; 2],
    /// Rows of a block.
    rows: usize,
    slabs: usize,
    blocks_a_slab: usize,
}

impl<'a> Work<'a> {
    fn new(p: &Problem, lowering: &'a Lowering) -> Self {
        let rows = (BLOCK / lowering.pitch).clamp(1, p.output[0]);
        let blocks = p.output[0].div_ceil(rows);
        let weights = p.group_outputs() * lowering.taps.len();
        let slabs = if weights <= FEW_WEIGHTS { blocks.min(SLABS) } else { 1 };
        let blocks_a_slab = blocks.div_ceil(slabs);
        let slabs = blocks.div_ceil(blocks_a_slab);
        let outputs = p.group_outputs();
        Self { lowering, outputs, size: p.output, rows, slabs, blocks_a_slab }
    }

    /// Adds one image's share to the slabs' results.
    fn add_image<T: Real>(&self, source: &[T], gy: &[T], partial: &mut [T]) {
        let taps = self.lowering.taps.len();
        let shares = [self.outputs.div_ceil(CHANNELS), taps.div_ceil(TAPS)];
        let writer = DisjointWriter::new(partial);
        (0..self.slabs * shares[0] * shares[1]).into_par_iter().for_each(|task| {
            let (slab, channels, share) =
                (task / (shares[0] * shares[1]), task / shares[1] % shares[0], task % shares[1]);
            let task = Task {
                work: self,
                source,
                gy,
                gw: &writer,
                start: slab * self.outputs * taps,
                channels: channels * CHANNELS..self.outputs.min((channels + 1) * CHANNELS),
                taps: share * TAPS..taps.min((share + 1) * TAPS),
            };
            let first = slab * self.blocks_a_slab * self.rows;
            let end = self.size[0].min(first + self.blocks_a_slab * self.rows);
            simd::vectorised(
                #[inline(always)]
                || task.run(first..end),
            );
        });
    }
}

/// Some channels by some taps, over a slab of rows.
struct Task<'a, T> {
    work: &'a Work<'a>,
    source: &'a [T],
    gy: &'a [T],
    gw: &'a DisjointWriter<'a, T>,
    /// Of the slab's result.
    start: usize,
    channels: Range<usize>,
    taps: Range<usize>,
}

impl<T: Real> Task<'_, T> {
    #[inline(always)]
    fn run(&self, rows: Range<usize>) {
        let [tile_rows, _] = T::dot_shape(Isa::detect());
        let height = self.channels.len().next_multiple_of(tile_rows);
        let mut scratch = Scratch::new(height * self.work.rows * self.work.lowering.pitch);
        let framed = scratch.values();
        for first in rows.clone().step_by(self.work.rows) {
            let block = first..rows.end.min(first + self.work.rows);
            // The last row needs no gap after it.
            let len = (block.len() - 1) * self.work.lowering.pitch + self.work.size[1];
            let framed = &mut framed[..height * len];
            self.frame(block, len, framed);
            self.multiply(first, len, framed);
        }
    }

    /// The gradient's rows with gaps of zeros between them, so that they lie like the source's.
    #[inline(always)]
    fn frame(&self, rows: Range<usize>, len: usize, framed: &mut [T]) {
        let [height, width] = self.work.size;
        for (i, to) in framed.chunks_exact_mut(len).enumerate() {
            let channel = self.channels.start + i;
            if channel >= self.channels.end {
                to.fill(T::ZERO);
                continue;
            }
            let from = &self.gy[(channel * height + rows.start) * width..][..rows.len() * width];
            let lines = to.chunks_mut(self.work.lowering.pitch);
            for (to, from) in lines.zip(from.chunks_exact(width)) {
                to[..width].copy_from_slice(from);
                to[width..].fill(T::ZERO);
            }
        }
    }

    /// All tiles of a block whose first row is `row`.
    #[inline(always)]
    fn multiply(&self, row: usize, len: usize, framed: &[T]) {
        let [tile_rows, tile_views] = T::dot_shape(Isa::detect());
        let offset = self.work.lowering.pixels[row * self.work.size[1]];
        let all = self.work.lowering.taps.len();
        for tap in self.taps.clone().step_by(tile_views) {
            // Views past the last tap repeat it; their sums are dropped.
            let last = self.taps.end - 1;
            let mut views = [0; MOST_VIEWS];
            for (j, view) in views.iter_mut().enumerate() {
                *view = self.work.lowering.taps[(tap + j).min(last)] + offset;
            }
            let tiles = framed.chunks_exact(tile_rows * len);
            for (rows, channel) in tiles.zip(self.channels.clone().step_by(tile_rows)) {
                let mut dots: Dots<T> = [[T::ZERO; MOST_VIEWS]; MOST_ROWS];
                T::add_dots(rows, self.source, &views, len, &mut dots);
                let used = tile_views.min(self.taps.end - tap);
                for (o, dots) in (channel..self.channels.end.min(channel + tile_rows)).zip(&dots) {
                    #[expect(unsafe_code, reason = "tasks share the result")]
                    // SAFETY: this task alone owns these channels by these taps of its slab.
                    let to = unsafe { self.gw.slice_mut(self.start + o * all + tap, used) };
                    to.iter_mut().zip(dots).for_each(|(to, &dot)| *to += dot);
                }
            }
        }
    }
}
