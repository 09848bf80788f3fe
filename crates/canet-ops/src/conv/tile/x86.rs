//! The product in registers, for x86-64.

#![expect(unsafe_code, reason = "vector loads take pointers")]

use std::arch::x86_64::{
    _MM_HINT_T0, _mm_prefetch, _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_setzero_ps, _mm256_storeu_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::{Sums, TileShape, Used};

/// With 32 registers: 24 sums, 3 columns and the broadcast weights.
pub(super) const AVX512: TileShape = TileShape { rows: 8, columns: 48, lanes: 16 };
/// With 16 registers: 12 sums, 2 columns and a broadcast weight.
pub(super) const AVX2: TileShape = TileShape { rows: 6, columns: 16, lanes: 8 };

/// Steps ahead that a panel is fetched. It comes from the second-level cache or farther, and two
/// threads of one core share the first: what the processor fetches by itself comes too late.
const AHEAD: usize = 16;

/// See [`super::product`]. The processor must have AVX-512, as [`crate::simd::Isa`] found.
#[inline(always)]
pub(super) fn product_avx512<const FRESH: bool>(
    band: &[f32],
    panel: &[f32],
    used: Used,
    sums: &mut Sums<f32>,
) {
    let steps = steps(band, panel, AVX512);
    let (band, panel, sums) = (band.as_ptr(), panel.as_ptr(), sums.as_mut_ptr());
    // SAFETY: band and panel hold `steps` rows and columns (checked), a tile's sums fit into
    // `Sums`, and the caller found the processor to have AVX-512.
    unsafe {
        match used.columns.div_ceil(AVX512.lanes) {
            0 | 1 => rows::<1, FRESH>(steps, used.rows, band, panel, sums),
            2 => rows::<2, FRESH>(steps, used.rows, band, panel, sums),
            _ => rows::<3, FRESH>(steps, used.rows, band, panel, sums),
        }
    }
}

/// See [`super::product`]. The processor must have AVX2 and FMA, as [`crate::simd::Isa`] found.
#[inline(always)]
pub(super) fn product_avx2<const FRESH: bool>(band: &[f32], panel: &[f32], sums: &mut Sums<f32>) {
    let steps = steps(band, panel, AVX2);
    // SAFETY: as above, with AVX2 and FMA.
    unsafe { avx2::<FRESH>(steps, band.as_ptr(), panel.as_ptr(), sums.as_mut_ptr()) }
}

/// How many steps band and panel have.
#[inline(always)]
fn steps(band: &[f32], panel: &[f32], TileShape { rows, columns, .. }: TileShape) -> usize {
    let steps = panel.len() / columns;
    assert!(
        panel.len() == steps * columns && band.len() == steps * rows,
        "internal: a band of {} and a panel of {} values differ in steps",
        band.len(),
        panel.len()
    );
    steps
}

/// Chooses the kernel for a number of rows.
///
/// # Safety
/// As for [`avx512`].
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
unsafe fn rows<const VECTORS: usize, const FRESH: bool>(
    steps: usize,
    rows: usize,
    band: *const f32,
    panel: *const f32,
    sums: *mut f32,
) {
    // SAFETY: the caller's promises are those of the kernel.
    unsafe {
        match rows {
            0..=2 => avx512::<2, VECTORS, FRESH>(steps, band, panel, sums),
            3..=4 => avx512::<4, VECTORS, FRESH>(steps, band, panel, sums),
            5..=6 => avx512::<6, VECTORS, FRESH>(steps, band, panel, sums),
            _ => avx512::<8, VECTORS, FRESH>(steps, band, panel, sums),
        }
    }
}

/// # Safety
/// `band` has `steps * 8` values, `panel` `steps * 48`, `sums` 384; `ROWS` is at most 8, `VECTORS`
/// at most 3.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
unsafe fn avx512<const ROWS: usize, const VECTORS: usize, const FRESH: bool>(
    steps: usize,
    mut band: *const f32,
    mut panel: *const f32,
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
    for _ in 0..steps {
        // SAFETY: each of `steps` turns reads the next 8 values of the band and 48 of the panel. A
        // prefetch reads nothing, wherever it points to.
        unsafe {
            let mut columns = [_mm512_setzero_ps(); VECTORS];
            for (j, column) in columns.iter_mut().enumerate() {
                let ahead = panel.wrapping_add(AHEAD * AVX512.columns + j * 16);
                _mm_prefetch::<_MM_HINT_T0>(ahead.cast());
                *column = _mm512_loadu_ps(panel.add(j * 16));
            }
            for (i, row) in tile.iter_mut().enumerate() {
                let weight = _mm512_set1_ps(*band.add(i));
                for (sum, column) in row.iter_mut().zip(columns) {
                    *sum = _mm512_fmadd_ps(weight, column, *sum);
                }
            }
            band = band.add(AVX512.rows);
            panel = panel.add(AVX512.columns);
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
/// `band` has `steps * 6` values, `panel` `steps * 16`, `sums` at least 96.
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const FRESH: bool>(
    steps: usize,
    mut band: *const f32,
    mut panel: *const f32,
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
    for _ in 0..steps {
        // SAFETY: each of `steps` turns reads the next 6 values of the band and 16 of the panel. A
        // prefetch reads nothing, wherever it points to.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(panel.wrapping_add(AHEAD * AVX2.columns).cast());
            let columns = [_mm256_loadu_ps(panel), _mm256_loadu_ps(panel.add(8))];
            for (i, row) in tile.iter_mut().enumerate() {
                let weight = _mm256_broadcast_ss(&*band.add(i));
                for (sum, column) in row.iter_mut().zip(columns) {
                    *sum = _mm256_fmadd_ps(weight, column, *sum);
                }
            }
            band = band.add(AVX2.rows);
            panel = panel.add(AVX2.columns);
        }
    }
    for (i, row) in tile.iter().enumerate() {
        for (j, sum) in row.iter().enumerate() {
            // SAFETY: as for the loads.
            unsafe { _mm256_storeu_ps(sums.add((i * VECTORS + j) * 8), *sum) };
        }
    }
}
