//! The product in registers, for x86-64.

#![expect(unsafe_code, reason = "vector loads take pointers")]

use std::arch::x86_64::{
    _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_storeu_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::Sums;

/// Rows and columns with 32 registers: 16 sums, 2 columns and a broadcast weight.
pub(super) const AVX512: [usize; 2] = [8, 32];
/// Rows and columns with 16 registers: 12 sums, 2 columns and a broadcast weight.
pub(super) const AVX2: [usize; 2] = [6, 16];

/// See [`super::add_product`]. The processor must have AVX-512, as [`crate::simd::Isa`] found.
#[inline(always)]
pub(super) fn add_product_avx512(band: &[f32], panel: &[f32], used: usize, sums: &mut Sums<f32>) {
    let steps = steps(band, panel, AVX512);
    // SAFETY: band and panel hold `steps` rows and columns (checked), a tile's sums fit into
    // `Sums`, and the caller found the processor to have AVX-512.
    unsafe {
        if used > 4 {
            avx512::<8>(steps, band.as_ptr(), panel.as_ptr(), sums.as_mut_ptr());
        } else {
            avx512::<4>(steps, band.as_ptr(), panel.as_ptr(), sums.as_mut_ptr());
        }
    }
}

/// See [`super::add_product`]. The processor must have AVX2 and FMA, as [`crate::simd::Isa`] found.
#[inline(always)]
pub(super) fn add_product_avx2(band: &[f32], panel: &[f32], sums: &mut Sums<f32>) {
    let steps = steps(band, panel, AVX2);
    // SAFETY: as above, with AVX2 and FMA.
    unsafe { avx2(steps, band.as_ptr(), panel.as_ptr(), sums.as_mut_ptr()) }
}

/// How many steps band and panel have.
#[inline(always)]
fn steps(band: &[f32], panel: &[f32], [rows, columns]: [usize; 2]) -> usize {
    let steps = panel.len() / columns;
    assert!(
        panel.len() == steps * columns && band.len() == steps * rows,
        "internal: a band of {} and a panel of {} values differ in steps",
        band.len(),
        panel.len()
    );
    steps
}

/// # Safety
/// `band` has `steps * 8` values, `panel` `steps * 32`, `sums` 256; `ROWS` is at most 8.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
unsafe fn avx512<const ROWS: usize>(
    steps: usize,
    mut band: *const f32,
    mut panel: *const f32,
    sums: *mut f32,
) {
    const VECTORS: usize = AVX512[1] / 16;
    let mut tile = [[_mm512_setzero_ps(); VECTORS]; ROWS];
    for (i, row) in tile.iter_mut().enumerate() {
        for (j, sum) in row.iter_mut().enumerate() {
            // SAFETY: i < 8 and j < 2, so the 16 values end at 256 at most.
            *sum = unsafe { _mm512_loadu_ps(sums.add((i * VECTORS + j) * 16)) };
        }
    }
    for _ in 0..steps {
        // SAFETY: each of `steps` turns reads the next 8 values of the band and 32 of the panel.
        unsafe {
            let columns = [_mm512_loadu_ps(panel), _mm512_loadu_ps(panel.add(16))];
            for (i, row) in tile.iter_mut().enumerate() {
                let weight = _mm512_set1_ps(*band.add(i));
                for (sum, column) in row.iter_mut().zip(columns) {
                    *sum = _mm512_fmadd_ps(weight, column, *sum);
                }
            }
            band = band.add(AVX512[0]);
            panel = panel.add(AVX512[1]);
        }
    }
    for (i, row) in tile.iter().enumerate() {
        for (j, sum) in row.iter().enumerate() {
            // SAFETY: as for the loads.
            unsafe { _mm512_storeu_ps(sums.add((i * VECTORS + j) * 16), *sum) };
        }
    }
}

/// # Safety
/// `band` has `steps * 6` values, `panel` `steps * 16`, `sums` at least 96.
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(steps: usize, mut band: *const f32, mut panel: *const f32, sums: *mut f32) {
    const VECTORS: usize = AVX2[1] / 8;
    let mut tile = [[_mm256_setzero_ps(); VECTORS]; AVX2[0]];
    for (i, row) in tile.iter_mut().enumerate() {
        for (j, sum) in row.iter_mut().enumerate() {
            // SAFETY: i < 6 and j < 2, so the 8 values end at 96 at most.
            *sum = unsafe { _mm256_loadu_ps(sums.add((i * VECTORS + j) * 8)) };
        }
    }
    for _ in 0..steps {
        // SAFETY: each of `steps` turns reads the next 6 values of the band and 16 of the panel.
        unsafe {
            let columns = [_mm256_loadu_ps(panel), _mm256_loadu_ps(panel.add(8))];
            for (i, row) in tile.iter_mut().enumerate() {
                let weight = _mm256_broadcast_ss(&*band.add(i));
                for (sum, column) in row.iter_mut().zip(columns) {
                    *sum = _mm256_fmadd_ps(weight, column, *sum);
                }
            }
            band = band.add(AVX2[0]);
            panel = panel.add(AVX2[1]);
        }
    }
    for (i, row) in tile.iter().enumerate() {
        for (j, sum) in row.iter().enumerate() {
            // SAFETY: as for the loads.
            unsafe { _mm256_storeu_ps(sums.add((i * VECTORS + j) * 8), *sum) };
        }
    }
}
