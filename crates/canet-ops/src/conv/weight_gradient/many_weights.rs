//! Where there are many weights: all threads work on one block of pixels, whose operands are turned
//! once for all of them.

use super::Image;
use super::block::{Block, Place, rows_of};
use crate::array::DisjointWriter;
use crate::conv::lowering::Lowering;
use crate::geometry::Problem;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Vector};
use crate::tasks::for_each_task;

/// Most pixels of a block: a band of them stays in the first-level cache.
const PIXELS: usize = 1024;
/// Fewest: the sums of a block are added to those of the blocks before it.
const LEAST_PIXELS: usize = 128;
/// Values of both operands that a block is to have.
const BLOCK: usize = 1 << 21;
/// Most bands of a task.
const BANDS: usize = 16;
/// Tasks that are aimed at, so that two or more threads end at about the same time.
const TASKS: usize = 16;

/// Sums the shares of the images of a group.
pub(super) fn sum<'a, T: Real, V: Vector<T>, const W: usize>(
    p: &Problem,
    lowering: &Lowering,
    images: impl Iterator<Item = Image<'a, T>>,
    gw: &mut [T],
) {
    let (outputs, taps, [height, width]) = (p.group_outputs(), lowering.taps.len(), p.output);
    let fitting = (BLOCK / (outputs + taps)).clamp(LEAST_PIXELS, PIXELS);
    let rows = rows_of(fitting, p.output);
    let largest = Block::new::<T, W>(lowering, width, 0..rows);
    let len = largest.bands.turned.len(outputs);
    let mut scratch = Scratch::new(len + largest.panels.turned.len(taps));
    let (bands, panels) = scratch.values().split_at_mut(len);
    for (number, image) in images.enumerate() {
        for first in (0..height).step_by(rows) {
            let block = Block::new::<T, W>(lowering, width, first..height.min(first + rows));
            turn_both::<T, V>(&block, &image, p, &lowering.taps, [bands, panels]);
            multiply::<T, W>(&block, [bands, panels], outputs, number == 0 && first == 0, gw);
        }
    }
}

/// Turns the operands of a block, group of rows by group.
fn turn_both<T: Real, V: Vector<T>>(
    block: &Block,
    image: &Image<'_, T>,
    p: &Problem,
    taps: &[usize],
    [bands, panels]: [&mut [T]; 2],
) {
    let (outputs, plane) = (p.group_outputs(), p.output_pixels());
    let groups = [&block.bands, &block.panels].map(|side| side.turned.group::<T, V>());
    let [bands, panels] = [DisjointWriter::new(bands), DisjointWriter::new(panels)];
    let of_bands = outputs.div_ceil(groups[0]);
    for_each_task(of_bands + taps.len().div_ceil(groups[1]), |task| {
        simd::vectorised(
            #[inline(always)]
            || {
                #[expect(unsafe_code, reason = "tasks share the operands")]
                // SAFETY: each group of either operand is one task's.
                unsafe {
                    if task < of_bands {
                        let first = task * groups[0];
                        let channels = first..outputs.min(first + groups[0]);
                        let start = |channel| channel * plane;
                        block.bands.turn::<T, V>(image.gy, channels, start, &bands);
                    } else {
                        let first = (task - of_bands) * groups[1];
                        let some = first..taps.len().min(first + groups[1]);
                        let start = |tap: usize| taps[tap];
                        block.panels.turn::<T, V>(&image.source, some, start, &panels);
                    }
                }
            },
        );
    });
}

/// The products of a block.
fn multiply<T: Real, const W: usize>(
    block: &Block,
    [bands, panels]: [&mut [T]; 2],
    outputs: usize,
    is_first: bool,
    gw: &mut [T],
) {
    let (taps, rows) = (gw.len() / outputs, block.bands.turned.width);
    let [bands_of_all, panels_of_all] = [outputs.div_ceil(rows), taps.div_ceil(W)];
    let bands_a_task = (bands_of_all * panels_of_all / TASKS).clamp(1, BANDS);
    let shares = bands_of_all.div_ceil(bands_a_task);
    let writer = DisjointWriter::new(gw);
    let (bands, panels) = (&*bands, &*panels);
    for_each_task(shares * panels_of_all, |task| {
        let (tap, share) = (task / shares * W, task % shares * bands_a_task);
        let channels = share * rows..outputs.min((share + bands_a_task) * rows);
        simd::vectorised(
            #[inline(always)]
            || {
                let taps_of_task = tap..taps.min(tap + W);
                let place = Place { at: 0, pitch: taps, is_first };
                #[expect(unsafe_code, reason = "tasks share the result")]
                // SAFETY: this task alone owns these taps of these channels.
                unsafe {
                    let part = [channels, taps_of_task];
                    block.multiply::<T, W>([bands, panels], part, place, &writer);
                }
            },
        );
    });
}
