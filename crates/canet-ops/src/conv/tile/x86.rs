//! The product in registers, for x86-64.

#![expect(unsafe_code, reason = "vector loads take pointers")]

use std::arch::x86_64::{
    _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_storeu_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::columns::{Columns, InPlace, Packed, steps};
use super::{Sums, TileShape, Used, Views};
use crate::simd::prefetch_line;

/// With 32 registers: 24 sums, 3 columns and the broadcast weights.
pub(super) const AVX512: TileShape = TileShape { rows: 8, columns: 48, lanes: 16 };
/// With 16 registers: 12 sums, 2 columns and a broadcast weight.
pub(super) const AVX2: TileShape = TileShape { rows: 6, columns: 16, lanes: 8 };

/// See [`super::product`]. The processor must have AVX-512, as [`crate::simd::Isa`] found.
#[inline(always)]
pub(super) fn product_avx512<const FRESH: bool>(
    band: &[f32],
    panel: &[f32],
    used: Used,
    sums: &mut Sums<f32>,
) {
    let steps = steps(band, panel, AVX512);
    let panel = Packed::<{ AVX512.columns }>::from(panel);
    // SAFETY: band and panel hold `steps` rows and columns (checked), and the caller found the
    // processor to have AVX-512.
    unsafe { avx512_of::<_, FRESH>(steps, band, panel, used, sums) }
}

/// See [`super::product_of_views`]. The processor must have AVX-512, as above.
#[inline(always)]
pub(super) fn views_avx512(band: &[f32], views: Views<f32>, used: Used, sums: &mut Sums<f32>) {
    let steps = views.check(band, used, AVX512);
    // SAFETY: the band holds `steps` rows, and whole vectors of the wanted columns lie in the source
    // from each of as many taps on (checked); the caller found the processor to have AVX-512.
    unsafe { avx512_of::<_, true>(steps, band, InPlace::from(views), used, sums) }
}

/// Chooses the kernel for a number of columns.
///
/// # Safety
/// As for [`avx512`].
#[inline(always)]
unsafe fn avx512_of<C: Columns, const FRESH: bool>(
    steps: usize,
    band: &[f32],
    columns: C,
    used: Used,
    sums: &mut Sums<f32>,
) {
    let (band, sums) = (band.as_ptr(), sums.as_mut_ptr());
    // SAFETY: the caller's promises are those of the kernel; `Sums` hold the largest tile.
    unsafe {
        match used.columns.div_ceil(AVX512.lanes) {
            0 | 1 => rows::<C, 1, FRESH>(steps, used.rows, band, columns, sums),
            2 => rows::<C, 2, FRESH>(steps, used.rows, band, columns, sums),
            _ => rows::<C, 3, FRESH>(steps, used.rows, band, columns, sums),
        }
    }
}

/// See [`super::product`]. The processor must have AVX2 and FMA, as [`crate::simd::Isa`] found.
#[inline(always)]
pub(super) fn product_avx2<const FRESH: bool>(band: &[f32], panel: &[f32], sums: &mut Sums<f32>) {
    let steps = steps(band, panel, AVX2);
    let panel = Packed::<{ AVX2.columns }>::from(panel);
    // SAFETY: as above, with AVX2 and FMA.
    unsafe { avx2::<_, FRESH>(steps, band.as_ptr(), panel, sums.as_mut_ptr()) }
}

/// See [`super::product_of_views`]. The processor must have AVX2 and FMA, as above.
#[inline(always)]
pub(super) fn views_avx2(band: &[f32], views: Views<f32>, sums: &mut Sums<f32>) {
    // This kernel has no narrower form.
    let used = Used { rows: AVX2.rows, columns: AVX2.columns };
    let steps = views.check(band, used, AVX2);
    // SAFETY: as above, with AVX2 and FMA.
    unsafe { avx2::<_, true>(steps, band.as_ptr(), InPlace::from(views), sums.as_mut_ptr()) }
}

/// Chooses the kernel for a number of rows.
///
/// # Safety
/// As for [`avx512`].
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
unsafe fn rows<C: Columns, const VECTORS: usize, const FRESH: bool>(
    steps: usize,
    rows: usize,
    band: *const f32,
    columns: C,
    sums: *mut f32,
) {
    // SAFETY: the caller's promises are those of the kernel.
    unsafe {
        match rows {
            0..=2 => avx512::<C, 2, VECTORS, FRESH>(steps, band, columns, sums),
            3..=4 => avx512::<C, 4, VECTORS, FRESH>(steps, band, columns, sums),
            5..=6 => avx512::<C, 6, VECTORS, FRESH>(steps, band, columns, sums),
            _ => avx512::<C, 8, VECTORS, FRESH>(steps, band, columns, sums),
        }
    }
}

/// # Safety
/// `band` has `steps * 8` values, `columns` as many steps of `VECTORS` vectors, `sums` 384 values;
/// `ROWS` is at most 8, `VECTORS` at most 3. The processor has AVX-512.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
unsafe fn avx512<C: Columns, const ROWS: usize, const VECTORS: usize, const FRESH: bool>(
    steps: usize,
    mut band: *const f32,
    columns: C,
    sums: *mut f32,
) {
    let mut tile = [[_mm512_setzero_ps(); VECTORS]; ROWS];
    if !FRESH {
        for (i, row) in tile.iter_mut().enumerate() {
            for (j, sum) in row.iter_mut().enumerate() {
                // SAFETY: i < 8 and j < 3, so the 16 values end at 384 at most.
                *sum = unsafe { _mm512_loadu_ps(sums.add(i * AVX512.columns + j * 16)) };
            }
        }
    }
    for step in 0..steps {
        // SAFETY: each of `steps` turns reads the next 8 values of the band and its own columns.
        unsafe {
            let from = columns.at(step);
            let mut vectors = [_mm512_setzero_ps(); VECTORS];
            for (j, vector) in vectors.iter_mut().enumerate() {
                if let Some(ahead) = columns.ahead(step) {
                    prefetch_line(ahead.wrapping_add(j * 16));
                }
                *vector = _mm512_loadu_ps(from.add(j * 16));
            }
            for (i, row) in tile.iter_mut().enumerate() {
                let weight = _mm512_set1_ps(*band.add(i));
                for (sum, vector) in row.iter_mut().zip(vectors) {
                    *sum = _mm512_fmadd_ps(weight, vector, *sum);
                }
            }
            band = band.add(AVX512.rows);
        }
    }
    for (i, row) in tile.iter().enumerate() {
        for (j, sum) in row.iter().enumerate() {
            // SAFETY: as for the loads.
            unsafe { _mm512_storeu_ps(sums.add(i * AVX512.columns + j * 16), *sum) };
        }
    }
}

/// # Safety
/// `band` has `steps * 6` values, `columns` as many steps of 16, `sums` at least 96 values. The
/// processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<C: Columns, const FRESH: bool>(
    steps: usize,
    mut band: *const f32,
    columns: C,
    sums: *mut f32,
) {
    const VECTORS: usize = AVX2.columns / AVX2.lanes;
    let mut tile = [[_mm256_setzero_ps(); VECTORS]; AVX2.rows];
    if !FRESH {
        for (i, row) in tile.iter_mut().enumerate() {
            for (j, sum) in row.iter_mut().enumerate() {
                // SAFETY: i < 6 and j < 2, so the 8 values end at 96 at most.
                *sum = unsafe { _mm256_loadu_ps(sums.add((i * VECTORS + j) * 8)) };
            }
        }
    }
    for step in 0..steps {
        // SAFETY: each of `steps` turns reads the next 6 values of the band and its own 16 columns.
        unsafe {
            if let Some(ahead) = columns.ahead(step) {
                prefetch_line(ahead);
            }
            let from = columns.at(step);
            let vectors = [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))];
            for (i, row) in tile.iter_mut().enumerate() {
                let weight = _mm256_broadcast_ss(&*band.add(i));
                for (sum, vector) in row.iter_mut().zip(vectors) {
                    *sum = _mm256_fmadd_ps(weight, vector, *sum);
                }
            }
            band = band.add(AVX2.rows);
        }
    }
    for (i, row) in tile.iter().enumerate() {
        for (j, sum) in row.iter().enumerate() {
            // SAFETY: as for the loads.
            unsafe { _mm256_storeu_ps(sums.add((i * VECTORS + j) * 8), *sum) };
        }
    }
}
