//! Sums over the winners of all windows: of their gradients, and of these times the patches that they see.
//!
//! As for other weights ([`crate::conv::weight_gradient`]) both operands are turned, so that the tile sums along the
//! pixels. The gradients of a block are turned once; for each corner, those of other winners are put to 0.

use std::ops::Range;

use rayon::prelude::*;

use super::NONE;
use super::windows::{Block, CORNERS, Windows};
use crate::array::DisjointWriter;
use crate::conv::weight_gradient::block::{Block as Turning, Operand, Place};
use crate::lanes::LANES;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Vector};

/// Most parts that the blocks of an image are cut into.
const SLABS: usize = 8;

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
}

/// The sums of some blocks.
struct Partial<T> {
    gradients: Vec<f64>,
    /// `[corner][channel][input of the window]`.
    products: Vec<T>,
}

/// The images are cut into slabs by shape alone, and their sums are added in order, so they do not depend on the threads.
pub(super) fn sum<T: Real, V: Vector<T>, const W: usize>(
    windows: &Windows,
    x: &[T],
    gy: &[T],
    winners: &[u8],
) -> OfWinners {
    let (outputs, seen, taps) = (windows.outputs(), windows.seen(), windows.taps());
    let blocks = windows.blocks();
    let blocks_a_slab = blocks.len().div_ceil((windows.images() * SLABS).min(blocks.len()));
    let pass = Pass { windows, x, gy, winners };
    let of_slabs = blocks.par_chunks(blocks_a_slab).map(|blocks| {
        simd::vectorised(
            #[inline(always)]
            || pass.run::<V, W>(blocks),
        )
    });
    let mut all = OfWinners { gradients: vec![0.0; outputs], products: vec![0.0; outputs * taps] };
    for slab in of_slabs.collect::<Vec<_>>() {
        all.gradients.iter_mut().zip(slab.gradients).for_each(|(sum, g)| *sum += g);
        for (corner, products) in slab.products.chunks_exact(outputs * seen).enumerate() {
            let inputs: Vec<usize> = windows.corner(corner).collect();
            let channels = all.products.chunks_exact_mut(taps).zip(products.chunks_exact(seen));
            for (sums, products) in channels {
                let of_taps = inputs.iter().map(|&input| products[input].as_f64());
                sums.iter_mut().zip(of_taps).for_each(|(sum, product)| *sum += product);
            }
        }
    }
    all
}

struct Pass<'a, T> {
    windows: &'a Windows,
    x: &'a [T],
    gy: &'a [T],
    winners: &'a [u8],
}

impl<T: Real> Pass<'_, T> {
    #[inline(always)]
    fn run<V: Vector<T>, const W: usize>(&self, blocks: &[Block]) -> Partial<T> {
        let w = self.windows;
        let (outputs, seen, [_, width]) = (w.outputs(), w.seen(), w.output());
        let mut partial = Partial {
            gradients: vec![0.0; outputs],
            products: vec![T::ZERO; CORNERS * outputs * seen],
        };
        let largest = Turning::new::<T, W>(&w.lowering, width, 0..w.rows());
        let (bands, panels) = (largest.bands.turned.len(outputs), largest.panels.turned.len(seen));
        let numbers = outputs * w.rows() * width;
        let mut scratch = Scratch::new(w.source_len() + 3 * bands + panels + numbers);
        let (source, rest) = scratch.values().split_at_mut(w.source_len());
        let (gradients, rest) = rest.split_at_mut(bands);
        let (turned_numbers, rest) = rest.split_at_mut(bands);
        let (chosen, rest) = rest.split_at_mut(bands);
        let (panels, numbers) = rest.split_at_mut(panels);
        for block in blocks {
            let turning = Turning::new::<T, W>(&w.lowering, width, 0..block.rows.len());
            let steps = turning.bands.turned.steps;
            w.fill(block, self.x, source);
            for channel in 0..outputs {
                let (gy, winners) = self.rows(block, channel);
                partial.gradients[channel] += gradient_of(gy, winners);
                let numbers = &mut numbers[channel * steps..][..steps];
                let of_bytes = winners.iter().map(|&w| T::of_f64(f64::from(w)));
                numbers.iter_mut().zip(of_bytes).for_each(|(to, number)| *to = number);
            }
            let start = |channel| self.place(block, channel);
            turn::<T, V>(&turning.bands, self.gy, outputs, start, gradients);
            turn::<T, V>(&turning.bands, numbers, outputs, |c| c * steps, turned_numbers);
            turn::<T, V>(&turning.panels, source, seen, |tap| w.lowering.taps[tap], panels);
            for (corner, products) in partial.products.chunks_exact_mut(outputs * seen).enumerate()
            {
                let corner = T::of_f64(corner as f64);
                let winners = gradients.iter().zip(&*turned_numbers);
                for (to, (&g, &number)) in chosen.iter_mut().zip(winners) {
                    *to = if number == corner { g } else { T::ZERO };
                }
                let place = Place { at: 0, pitch: seen, is_first: false };
                let part: [Range<usize>; 2] = [0..outputs, 0..seen];
                #[expect(unsafe_code, reason = "other kernels of its kind share the result")]
                // SAFETY: the result is this task's own.
                unsafe {
                    let products = DisjointWriter::new(products);
                    turning.multiply::<T, W>([chosen, panels], part, place, &products);
                }
            }
        }
        partial
    }

    /// Where a block starts in a channel of its image.
    #[inline(always)]
    fn place(&self, block: &Block, channel: usize) -> usize {
        let [height, width] = self.windows.output();
        let plane = block.image * self.windows.outputs() + channel;
        (plane * height + block.rows.start) * width
    }

    /// A block's gradients and winners in one channel.
    #[inline(always)]
    fn rows(&self, block: &Block, channel: usize) -> (&[T], &[u8]) {
        let [_, width] = self.windows.output();
        let (at, len) = (self.place(block, channel), block.rows.len() * width);
        (&self.gy[at..][..len], &self.winners[at..][..len])
    }
}

/// Turns all rows of an operand, of which `start` tells where they start in `source`.
#[inline(always)]
fn turn<T: Real, V: Vector<T>>(
    operand: &Operand,
    source: &[T],
    rows: usize,
    start: impl Fn(usize) -> usize,
    to: &mut [T],
) {
    let (to, group) = (DisjointWriter::new(to), operand.turned.group::<T, V>());
    for first in (0..rows).step_by(group) {
        #[expect(unsafe_code, reason = "the place of the operands is shared out elsewhere")]
        // SAFETY: it is this task's own.
        unsafe {
            operand.turn::<T, V>(source, first..rows.min(first + group), &start, &to);
        }
    }
}

/// In lanes.
#[inline(always)]
fn gradient_of<T: Real>(gy: &[T], winners: &[u8]) -> f64 {
    let mut lanes = [T::ZERO; LANES];
    let of_winner = |g: T, winner: u8| if winner == NONE { T::ZERO } else { g };
    let (blocks, rest) = gy.as_chunks::<LANES>();
    let (numbers, numbers_of_rest) = winners.as_chunks::<LANES>();
    for (g, winners) in blocks.iter().zip(numbers) {
        (0..LANES).for_each(|i| lanes[i] += of_winner(g[i], winners[i]));
    }
    let rest = rest.iter().zip(numbers_of_rest).map(|(&g, &winner)| of_winner(g, winner));
    (lanes.into_iter().sum::<T>() + rest.sum::<T>()).as_f64()
}
