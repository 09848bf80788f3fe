//! A block of pixels of one image: both operands turned, and tiles of their product.

use std::ops::Range;

use crate::array::DisjointWriter;
use crate::conv::lowering::Lowering;
use crate::conv::tile::{MOST_COLUMNS, MOST_ROWS, Sums, TileShape, Used};
use crate::conv::turned::Turned;
use crate::real::Real;
use crate::simd::{self, Vector};

/// Some rows of the output, and how the operands of a part of the result are turned: channels of the
/// gradient in bands, taps of the source in panels.
pub(super) struct Block {
    pub(super) bands: Operand,
    pub(super) panels: Operand,
}

/// How a side of the product is turned.
pub(super) struct Operand {
    pub(super) turned: Turned,
    runs: Vec<Run>,
}

/// Neighbouring pixels.
struct Run {
    /// Where they start in a plane, or from a tap on.
    start: usize,
    /// The first one's number in the block.
    step: usize,
    len: usize,
}

/// Rows of a block of some `pixels` at most: blocks of about the same size.
pub(super) fn rows_of(pixels: usize, [height, width]: [usize; 2]) -> usize {
    height.div_ceil(height.div_ceil((pixels / width).max(1)))
}

impl Block {
    /// `width` pixels a row of the output.
    pub(super) fn new<T: Real, const W: usize>(
        lowering: &Lowering,
        width: usize,
        rows: Range<usize>,
    ) -> Self {
        let (first, steps) = (rows.start * width, rows.len() * width);
        // Rows without a gap between them are one run.
        let len = if lowering.pitch == width { steps } else { width };
        let start = lowering.pixels[first];
        let run = |(row, step)| Run { start: start + row * lowering.pitch, step, len };
        let turned = |width| Turned { width, steps };
        Self {
            bands: Operand {
                turned: turned(TileShape::of::<T>().rows),
                runs: vec![Run { start: first, step: 0, len: steps }],
            },
            panels: Operand {
                turned: turned(W),
                runs: (0..steps).step_by(len).enumerate().map(run).collect(),
            },
        }
    }

    /// Adds the products of some channels and some taps, whole tiles of the turned operands but for
    /// the last ones.
    ///
    /// # Safety
    /// Nothing else may use their places in the result.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller shares out the result")]
    pub(super) unsafe fn multiply<T: Real, const W: usize>(
        &self,
        [bands, panels]: [&[T]; 2],
        [channels, taps]: [Range<usize>; 2],
        place: Place,
        gw: &DisjointWriter<'_, T>,
    ) {
        let rows = self.bands.turned.width;
        for tap in taps.clone().step_by(W) {
            let panel = &panels[self.panels.turned.of(tap)];
            for channel in channels.clone().step_by(rows) {
                let band = &bands[self.bands.turned.of(channel)];
                let used =
                    Used { rows: rows.min(channels.end - channel), columns: W.min(taps.end - tap) };
                let place = Place { at: place.at + channel * place.pitch + tap, ..place };
                // SAFETY: the caller's promise.
                unsafe { add_tile::<T, W>(band, panel, used, place, gw) }
            }
        }
    }
}

impl Operand {
    /// Turns a group of rows, of which `start` tells where they start in `source`.
    ///
    /// # Safety
    /// Nothing else may use the turned rows.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller shares out the result")]
    pub(super) unsafe fn turn<T: Real, V: Vector<T>>(
        &self,
        source: &[T],
        rows: Range<usize>,
        start: impl Fn(usize) -> usize,
        to: &DisjointWriter<'_, T>,
    ) {
        for run in &self.runs {
            let (at, steps) = (|row| start(row) + run.start, [run.step, run.len]);
            // SAFETY: the caller's promise.
            unsafe { self.turned.put_run::<T, V>(rows.clone(), source, at, steps, to) }
        }
    }
}

/// Where tiles lie in the result.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Where the first channel's first tap is.
    pub(super) at: usize,
    /// From a row to the next.
    pub(super) pitch: usize,
    /// Whether nothing was written there yet.
    pub(super) is_first: bool,
}

/// Adds one tile to the rows of the result.
///
/// # Safety
/// Nothing else may use its place.
#[inline(always)]
#[expect(unsafe_code, reason = "the caller shares out the result")]
unsafe fn add_tile<T: Real, const W: usize>(
    band: &[T],
    panel: &[T],
    used: Used,
    Place { at, pitch, is_first }: Place,
    gw: &DisjointWriter<'_, T>,
) {
    let mut sums: Sums<T> = [T::ZERO; MOST_ROWS * MOST_COLUMNS];
    for i in 0..used.rows {
        // SAFETY: the caller's promise; there is no other slice at this time.
        simd::prefetch(unsafe { gw.slice_mut(at + i * pitch, used.columns) });
    }
    T::product::<true>(band, panel, used, &mut sums);
    for (i, row) in sums.as_chunks::<W>().0.iter().enumerate().take(used.rows) {
        // SAFETY: as above.
        let to = unsafe { gw.slice_mut(at + i * pitch, used.columns) };
        if is_first {
            to.copy_from_slice(&row[..used.columns]);
        } else {
            to.iter_mut().zip(row).for_each(|(to, &sum)| *to += sum);
        }
    }
}
