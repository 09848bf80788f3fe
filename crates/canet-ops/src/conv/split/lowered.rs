//! Convolution as a product of weights, in bands, and the lowered input, which is packed to panels task by task.

use std::ops::Range;

use super::halves::{Halves, by_halves};
use super::panels::Panels;
use super::target::Target;
use super::unit::{MOST_BLOCKS, SIDE, Sums, Unit};
use super::weights::Weights;
use crate::array::DisjointWriter;
use crate::conv::after::After;
use crate::conv::lowering::Lowering;
use crate::geometry::Problem;
use crate::scratch::Scratch;
use crate::tasks::for_each_task;

/// Taps a block takes at a time: with more of them a task would have fewer pixels, and read its bands for less; with
/// fewer, sums would be taken up more often.
const TAPS: usize = MOST_BLOCKS * SIDE;
/// Words a task packs at a time: a quarter of a second-level cache of 2 MiB.
const PACKED: usize = 1 << 17;
/// Most pixels of a task.
const MOST_PIXELS: usize = 1024;
/// Tasks that are aimed at, so that two or more threads end at about the same time.
const TASKS: usize = 8;
/// Fewest bands that pay for packing the panels.
const LEAST_BANDS: usize = 2;

/// One convolution at one size of picture.
#[derive(Debug)]
pub(super) struct Lowered {
    lowering: Lowering,
    panels: Panels,
    /// Channels of the result.
    height: usize,
}

impl Lowered {
    pub(super) fn forward(p: &Problem) -> Self {
        Self::new(Lowering::forward(p, p.inputs), p.outputs)
    }

    pub(super) fn input_gradient(p: &Problem) -> Self {
        Self::new(Lowering::input_gradient(p, p.outputs), p.inputs)
    }

    fn new(lowering: Lowering, height: usize) -> Self {
        let panels = Panels::new(&lowering);
        Self { lowering, panels, height }
    }

    /// Values of the result.
    pub(super) fn result(&self) -> usize {
        self.height * self.lowering.pixels.len()
    }

    /// Values that [`Self::run`] needs to work in.
    pub(super) fn workspace(&self) -> usize {
        if self.panels.copies(&self.lowering) { self.lowering.source_len() } else { 0 }
    }

    /// One image: cut into tasks, which are some pixels, for some bands.
    pub(super) fn run(
        &self,
        weights: &Weights,
        x: &[f32],
        after: After<f32>,
        y: &mut [f32],
        workspace: &mut [f32],
    ) {
        let source = if self.panels.copies(&self.lowering) {
            let source = &mut workspace[..self.lowering.source_len()];
            self.lowering.fill(x, source);
            &*source
        } else {
            x
        };
        let (pixels, bands) = (self.lowering.pixels.len(), self.height.div_ceil(SIDE));
        let fitting = (PACKED / (weights.blocks() * SIDE).min(TAPS)).min(MOST_PIXELS);
        let blocks = pixels.div_ceil(fitting);
        let block_len = pixels.div_ceil(blocks).next_multiple_of(SIDE);
        let blocks = pixels.div_ceil(block_len);
        // Few pixels: the bands are shared out, and each task packs the panels for itself.
        let shares = (TASKS / blocks).clamp(1, bands.div_ceil(LEAST_BANDS));
        let bands_a_share = bands.div_ceil(shares);
        let shares = bands.div_ceil(bands_a_share);
        let writer = DisjointWriter::new(y);
        for_each_task(blocks * shares, |task| {
            let (block, share) = (task / shares, task % shares);
            let block = block * block_len..pixels.min((block + 1) * block_len);
            let share = share * bands_a_share..bands.min((share + 1) * bands_a_share);
            let target = Target { y: &writer, rows: self.height, columns: pixels, after };
            let task = Task { product: self, weights, source, target };
            by_halves!(V => task.run::<V>(block, share));
        });
    }
}

/// What all tasks of a product share.
struct Task<'a> {
    product: &'a Lowered,
    weights: &'a Weights,
    source: &'a [f32],
    target: Target<'a>,
}

impl Task<'_> {
    /// The result of `bands` for `pixels`.
    #[inline(always)]
    fn run<V: Halves>(&self, pixels: Range<usize>, bands: Range<usize>) {
        let all = self.weights.blocks() * SIDE;
        let panels = pixels.len().div_ceil(SIDE);
        let mut scratch = Scratch::new(panels * SIDE * all.min(TAPS));
        let (packed, unit) = (scratch.values(), Unit::new());
        let mut sums = Sums::new();
        for start in (0..all).step_by(TAPS) {
            let taps = start..all.min(start + TAPS);
            let size = taps.len() * SIDE;
            let packing = &self.product.panels;
            packing.pack::<V>(
                &self.product.lowering,
                self.source,
                taps.clone(),
                pixels.clone(),
                packed,
            );
            for b in bands.clone() {
                let band = &self.weights.band(b)[start * SIDE..taps.end * SIDE];
                for (panel, pixel) in packed.chunks_exact(size).zip(pixels.clone().step_by(SIDE)) {
                    let ends = [start == 0, taps.end == all];
                    let at = [b * SIDE, pixel];
                    #[expect(unsafe_code, reason = "tasks share the result")]
                    // SAFETY: this task alone owns these pixels in these rows.
                    unsafe {
                        self.target.tile::<V>(&unit, [band, panel], at, ends, &mut sums);
                    }
                }
            }
        }
    }
}
