//! Where there are few weights, so many pixels for each: threads work on pixels of their own.

use std::ops::Range;

use super::Image;
use super::block::{Block, Place, rows_of};
use crate::array::DisjointWriter;
use crate::conv::lowering::Lowering;
use crate::geometry::Problem;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Vector};
use crate::tasks::for_each_task;

/// Pixels of a block: its operands stay in the second-level cache.
const BLOCK: usize = 512;
/// Output channels of a task.
const CHANNELS: usize = 96;
/// Taps of a task.
const TAPS: usize = 192;
/// Most parts that the pixels are cut into.
const SLABS: usize = 16;

/// Sums the shares of the images of a group. Their pixels are cut into slabs by shape alone; each
/// slab has a partial result, and they are added in order, so the sum does not depend on the threads.
pub(super) fn sum<'a, T: Real, V: Vector<T>, const W: usize>(
    p: &Problem,
    lowering: &Lowering,
    images: impl Iterator<Item = Image<'a, T>>,
    gw: &mut [T],
) {
    let work = Work::new(p, lowering);
    let mut partial = vec![T::ZERO; gw.len() * work.slabs];
    for image in images {
        work.add_image::<T, V, W>(&image, &mut partial);
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
        let rows = rows_of(BLOCK, p.output);
        let blocks = p.output[0].div_ceil(rows);
        let blocks_a_slab = blocks.div_ceil(blocks.min(SLABS));
        let slabs = blocks.div_ceil(blocks_a_slab);
        Self { lowering, outputs: p.group_outputs(), size: p.output, rows, slabs, blocks_a_slab }
    }

    /// Adds one image's share to the slabs' results.
    fn add_image<T: Real, V: Vector<T>, const W: usize>(
        &self,
        image: &Image<'_, T>,
        partial: &mut [T],
    ) {
        let taps = self.lowering.taps.len();
        let shares = [self.outputs.div_ceil(CHANNELS), taps.div_ceil(TAPS)];
        let writer = DisjointWriter::new(partial);
        for_each_task(self.slabs * shares[0] * shares[1], |task| {
            let (slab, channels, share) =
                (task / (shares[0] * shares[1]), task / shares[1] % shares[0], task % shares[1]);
            let task = Task {
                work: self,
                image,
                gw: &writer,
                start: slab * self.outputs * taps,
                channels: channels * CHANNELS..self.outputs.min((channels + 1) * CHANNELS),
                taps: share * TAPS..taps.min((share + 1) * TAPS),
            };
            let first = slab * self.blocks_a_slab * self.rows;
            let end = self.size[0].min(first + self.blocks_a_slab * self.rows);
            simd::vectorised(
                #[inline(always)]
                || task.run::<V, W>(first..end),
            );
        });
    }
}

/// Some channels by some taps, over a slab of rows.
struct Task<'a, T: Real> {
    work: &'a Work<'a>,
    image: &'a Image<'a, T>,
    gw: &'a DisjointWriter<'a, T>,
    /// Of the slab's result.
    start: usize,
    channels: Range<usize>,
    taps: Range<usize>,
}

impl<T: Real> Task<'_, T> {
    #[inline(always)]
    fn run<V: Vector<T>, const W: usize>(&self, rows: Range<usize>) {
        let (lowering, width) = (self.work.lowering, self.work.size[1]);
        let largest = Block::new::<T, W>(lowering, width, 0..self.work.rows);
        let len = largest.bands.turned.len(self.channels.len());
        let mut scratch = Scratch::new(len + largest.panels.turned.len(self.taps.len()));
        let (bands, panels) = scratch.values().split_at_mut(len);
        for first in rows.clone().step_by(self.work.rows) {
            let block = first..rows.end.min(first + self.work.rows);
            let block = Block::new::<T, W>(lowering, width, block);
            self.turn::<V>(&block, bands, panels);
            self.multiply::<W>(&block, bands, panels);
        }
    }

    /// The task's part of both operands.
    #[inline(always)]
    fn turn<V: Vector<T>>(&self, block: &Block, bands: &mut [T], panels: &mut [T]) {
        let plane = self.work.size[0] * self.work.size[1];
        let [bands, panels] = [DisjointWriter::new(bands), DisjointWriter::new(panels)];
        let groups = [&block.bands, &block.panels].map(|side| side.turned.group::<T, V>());
        let [channels, taps] = [self.channels.len(), self.taps.len()];
        for first in (0..channels).step_by(groups[0]) {
            let some = first..channels.min(first + groups[0]);
            let start = |channel| (self.channels.start + channel) * plane;
            #[expect(unsafe_code, reason = "the place of the operands is shared out elsewhere")]
            // SAFETY: it is this task's own.
            unsafe {
                block.bands.turn::<T, V>(self.image.gy, some, start, &bands);
            }
        }
        for first in (0..taps).step_by(groups[1]) {
            let some = first..taps.min(first + groups[1]);
            let start = |tap| self.work.lowering.taps[self.taps.start + tap];
            #[expect(unsafe_code, reason = "the place of the operands is shared out elsewhere")]
            // SAFETY: as above.
            unsafe {
                block.panels.turn::<T, V>(&self.image.source, some, start, &panels);
            }
        }
    }

    /// Adds the products of a block.
    #[inline(always)]
    fn multiply<const W: usize>(&self, block: &Block, bands: &[T], panels: &[T]) {
        let all = self.work.lowering.taps.len();
        let part = [0..self.channels.len(), 0..self.taps.len()];
        let at = self.start + self.channels.start * all + self.taps.start;
        let place = Place { at, pitch: all, is_first: false };
        #[expect(unsafe_code, reason = "tasks share the result")]
        // SAFETY: this task alone owns these channels by these taps of its slab.
        unsafe {
            block.multiply::<T, W>([bands, panels], part, place, self.gw);
        }
    }
}
