//! The product in registers, for NEON, which each processor of the architecture has.

#![expect(unsafe_code, reason = "vector loads take pointers")]

use std::arch::aarch64::{
    float32x4_t, vdupq_n_f32, vfmaq_lane_f32, vfmaq_laneq_f32, vld1_f32, vld1q_f32, vst1q_f32,
};
use std::array::from_fn;

use super::columns::{Columns, InPlace, Packed, steps};
use super::{Sums, TileShape, Used, Views};
use crate::simd::prefetch_line;

/// With 32 registers: 24 sums, 4 of columns, and the 6 weights of a step in 2.
pub(super) const NEON: TileShape = TileShape { rows: 6, columns: 16, lanes: 8 };
/// Values of a register.
const LANES: usize = 4;
/// Registers of a row.
const VECTORS: usize = NEON.columns / LANES;

/// See [`super::product`].
#[inline(always)]
pub(super) fn product<const FRESH: bool>(
    band: &[f32],
    panel: &[f32],
    used: Used,
    sums: &mut Sums<f32>,
) {
    let steps = steps(band, panel, NEON);
    let panel = Packed::<{ NEON.columns }>::from(panel);
    // SAFETY: band and panel hold `steps` rows and columns (checked).
    unsafe { rows::<_, FRESH>(steps, used.rows, band.as_ptr(), panel, sums.as_mut_ptr()) }
}

/// See [`super::product_of_views`].
#[inline(always)]
pub(super) fn views(band: &[f32], views: Views<f32>, used: Used, sums: &mut Sums<f32>) {
    // The kernel reads all columns.
    let read = Used { columns: NEON.columns, ..used };
    let steps = views.check(band, read, NEON);
    let columns = InPlace::from(views);
    // SAFETY: the band holds `steps` rows, and 16 values lie in the source from each of as many taps
    // on (checked).
    unsafe { rows::<_, true>(steps, used.rows, band.as_ptr(), columns, sums.as_mut_ptr()) }
}

/// Chooses the kernel for a number of rows.
///
/// # Safety
/// As for [`neon`].
#[inline(always)]
unsafe fn rows<C: Columns, const FRESH: bool>(
    steps: usize,
    rows: usize,
    band: *const f32,
    columns: C,
    sums: *mut f32,
) {
    // SAFETY: the caller's promises are those of the kernel.
    unsafe {
        match rows {
            0..=2 => neon::<C, 2, FRESH>(steps, band, columns, sums),
            3..=4 => neon::<C, 4, FRESH>(steps, band, columns, sums),
            _ => neon::<C, 6, FRESH>(steps, band, columns, sums),
        }
    }
}

/// # Safety
/// `band` has `steps * 6` values, `columns` as many steps of 16, `sums` at least 96 values; `ROWS` is
/// 2, 4 or 6.
#[target_feature(enable = "neon")]
unsafe fn neon<C: Columns, const ROWS: usize, const FRESH: bool>(
    steps: usize,
    mut band: *const f32,
    columns: C,
    sums: *mut f32,
) {
    let mut tile = [[vdupq_n_f32(0.0); VECTORS]; NEON.rows];
    let place = |i: usize, j: usize| sums.wrapping_add((i * VECTORS + j) * LANES);
    if !FRESH {
        for (i, row) in tile.iter_mut().enumerate().take(ROWS) {
            for (j, sum) in row.iter_mut().enumerate() {
                // SAFETY: i < 6 and j < 4, so the 4 values end at 96 at most.
                *sum = unsafe { vld1q_f32(place(i, j)) };
            }
        }
    }
    for step in 0..steps {
        // SAFETY: each of `steps` turns reads the next 6 values of the band and its own 16 columns.
        let (vectors, first, last) = unsafe {
            if let Some(ahead) = columns.ahead(step) {
                prefetch_line(ahead);
            }
            let from = columns.at(step);
            let vectors = from_fn(|j| vld1q_f32(from.add(j * LANES)));
            let weights = (vectors, vld1q_f32(band), vld1_f32(band.add(LANES)));
            band = band.add(NEON.rows);
            weights
        };
        add(&mut tile[0], vectors, |sum, v| vfmaq_laneq_f32::<0>(sum, v, first));
        add(&mut tile[1], vectors, |sum, v| vfmaq_laneq_f32::<1>(sum, v, first));
        if ROWS > 2 {
            add(&mut tile[2], vectors, |sum, v| vfmaq_laneq_f32::<2>(sum, v, first));
            add(&mut tile[3], vectors, |sum, v| vfmaq_laneq_f32::<3>(sum, v, first));
        }
        if ROWS > 4 {
            add(&mut tile[4], vectors, |sum, v| vfmaq_lane_f32::<0>(sum, v, last));
            add(&mut tile[5], vectors, |sum, v| vfmaq_lane_f32::<1>(sum, v, last));
        }
    }
    for (i, row) in tile.iter().enumerate().take(ROWS) {
        for (j, &sum) in row.iter().enumerate() {
            // SAFETY: as for the loads.
            unsafe { vst1q_f32(place(i, j), sum) };
        }
    }
}

/// Adds the products of a step to a row.
#[inline]
#[target_feature(enable = "neon")]
fn add(
    row: &mut [float32x4_t; VECTORS],
    vectors: [float32x4_t; VECTORS],
    fma: impl Fn(float32x4_t, float32x4_t) -> float32x4_t,
) {
    for (sum, vector) in row.iter_mut().zip(vectors) {
        *sum = fma(*sum, vector);
    }
}
