//! A block of pixels of one image: both operands turned, and tiles of their product.

use std::ops::Range;

use crate::array::DisjointWriter;
use crate::conv::lowering::Lowering;
use crate::conv::tile::{MOST_COLUMNS, MOST_ROWS, Sums, TileShape, Used};
use crate::conv::turned::Turned;
use crate::real::Real;
use crate::simd::{self, Vector, load_within};

/// Values ahead that rows are fetched: as many rows as a vector has lanes are read at a time, too
/// many for the processor to fetch by itself.
const AHEAD: usize = 64;

/// Some rows of the output, and how the operands of a part of the result are turned: channels of the
/// gradient in bands, taps of the source in panels.
pub(super) struct Block {
    pub(super) bands: Turned,
    pub(super) panels: Turned,
    gradient: Run,
    source: Vec<Run>,
}

/// Neighbouring pixels.
struct Run {
    /// Where they start in a plane, or from a tap on.
    start: usize,
    /// The first one's number in the block.
    step: usize,
    len: usize,
}

impl Block {
    /// `width` pixels a row of the output.
    pub(super) fn new<T: Real, const W: usize>(
        lowering: &Lowering,
        width: usize,
        rows: Range<usize>,
    ) -> Self {
        let steps = rows.len() * width;
        let first = rows.start * width;
        // Rows without a gap between them are one run.
        let len = if lowering.pitch == width { steps } else { width };
        let run =
            |(row, step)| Run { start: lowering.pixels[first] + row * lowering.pitch, step, len };
        Self {
            bands: Turned { width: TileShape::of::<T>().rows, steps },
            panels: Turned { width: W, steps },
            gradient: Run { start: first, step: 0, len: steps },
            source: (0..steps).step_by(len).enumerate().map(run).collect(),
        }
    }

    /// A group of channels of the gradient, of which `start` tells where their planes start.
    ///
    /// # Safety
    /// Nothing else may use their bands.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller shares out the bands")]
    pub(super) unsafe fn turn_gradient<T: Real, V: Vector<T>>(
        &self,
        gy: &[T],
        channels: Range<usize>,
        start: impl Fn(usize) -> usize,
        bands: &DisjointWriter<'_, T>,
    ) {
        // SAFETY: the caller's promise.
        unsafe { turn::<T, V>(self.bands, gy, &self.gradient, channels, start, bands) }
    }

    /// A group of taps of the source, of which `start` tells where they start.
    ///
    /// # Safety
    /// Nothing else may use these columns of their panels.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller shares out the panels")]
    pub(super) unsafe fn turn_source<T: Real, V: Vector<T>>(
        &self,
        source: &[T],
        taps: Range<usize>,
        start: impl Fn(usize) -> usize,
        panels: &DisjointWriter<'_, T>,
    ) {
        for run in &self.source {
            // SAFETY: the caller's promise.
            unsafe { turn::<T, V>(self.panels, source, run, taps.clone(), &start, panels) }
        }
    }
}

/// Turns a run of a group of rows.
///
/// # Safety
/// Nothing else may use the turned rows.
#[inline(always)]
#[expect(unsafe_code, reason = "the caller shares out the result")]
unsafe fn turn<T: Real, V: Vector<T>>(
    turned: Turned,
    source: &[T],
    run: &Run,
    rows: Range<usize>,
    start: impl Fn(usize) -> usize,
    to: &DisjointWriter<'_, T>,
) {
    for done in (0..run.len).step_by(V::LANES) {
        let left = run.len - done;
        // SAFETY: the caller's promise.
        unsafe {
            turned.put::<T, V>(
                rows.clone(),
                #[inline(always)]
                |row| {
                    let at = start(row) + run.start + done;
                    simd::prefetch(source.get(at + AHEAD..=at + AHEAD).unwrap_or_default());
                    load_within(source, at)
                },
                #[inline(always)]
                |lane| (lane < left).then_some(run.step + done + lane),
                to,
                0,
            );
        }
    }
}

/// Where a tile lies in the result.
pub(super) struct Place {
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
pub(super) unsafe fn add_tile<T: Real, const W: usize>(
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
