//! The dot products in registers, for x86-64.

#![expect(unsafe_code, reason = "vector loads take pointers")]

use std::arch::x86_64::{
    __m512, _MM_HINT_T0, _mm_prefetch, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps,
    _mm256_storeu_ps, _mm512_add_ps, _mm512_castpd_ps, _mm512_castps_pd, _mm512_fmadd_ps,
    _mm512_loadu_ps, _mm512_maskz_loadu_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4,
    _mm512_storeu_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd,
    _mm512_unpacklo_ps,
};

use super::{Dots, MOST_VIEWS};
use crate::simd::x86::{EVEN, ODD};

/// Rows and views with 32 registers: 24 sums, 6 views and a row.
pub(super) const AVX512: [usize; 2] = [4, 6];
/// Rows and views with 16 registers: 12 sums, a view and 3 rows.
pub(super) const AVX2: [usize; 2] = [3, 4];

/// Values ahead that a row is fetched: rows come from the second-level cache, views from the first.
const AHEAD: usize = 128;

/// See [`super::add_dots`]. The processor must have AVX-512, as [`crate::simd::Isa`] found.
#[inline(always)]
pub(super) fn add_dots_avx512(
    rows: &[f32],
    source: &[f32],
    views: &[usize; MOST_VIEWS],
    len: usize,
    dots: &mut Dots<f32>,
) {
    check(rows, source, views, len, AVX512);
    // SAFETY: the rows have `len` values each and every view stays in the source (checked); the
    // caller found the processor to have AVX-512.
    unsafe { avx512(rows.as_ptr(), source.as_ptr(), views, len, dots) }
}

/// See [`super::add_dots`]. The processor must have AVX2 and FMA, as [`crate::simd::Isa`] found.
#[inline(always)]
pub(super) fn add_dots_avx2(
    rows: &[f32],
    source: &[f32],
    views: &[usize; MOST_VIEWS],
    len: usize,
    dots: &mut Dots<f32>,
) {
    check(rows, source, views, len, AVX2);
    // SAFETY: as above, with AVX2 and FMA.
    unsafe { avx2(rows.as_ptr(), source.as_ptr(), views, len, dots) }
}

#[inline(always)]
fn check(rows: &[f32], source: &[f32], views: &[usize; 6], len: usize, shape: [usize; 2]) {
    assert_eq!(rows.len(), shape[0] * len, "internal: rows of another length");
    let farthest = views[..shape[1]].iter().max().copied().unwrap_or(0);
    let inside = farthest.checked_add(len).is_some_and(|end| end <= source.len());
    assert!(inside, "internal: a view leaves the source");
}

/// # Safety
/// `rows` has 4 * `len` values, and `source` `len` from each of `views` on.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
unsafe fn avx512(
    rows: *const f32,
    source: *const f32,
    views: &[usize; MOST_VIEWS],
    len: usize,
    dots: &mut Dots<f32>,
) {
    const ROWS: usize = AVX512[0];
    let mut sums = [[_mm512_setzero_ps(); MOST_VIEWS]; ROWS];
    let whole = len / 16 * 16;
    for k in (0..whole).step_by(16) {
        // SAFETY: k + 16 <= len. A prefetch reads nothing, wherever it points to.
        unsafe {
            let mut view = [_mm512_setzero_ps(); MOST_VIEWS];
            for (view, at) in view.iter_mut().zip(views) {
                *view = _mm512_loadu_ps(source.add(at + k));
            }
            // At the end of the rows it is the turn of the next tile's.
            let ahead = k + AHEAD + if k + AHEAD < len { 0 } else { (ROWS - 1) * len };
            for (i, sums) in sums.iter_mut().enumerate() {
                _mm_prefetch::<_MM_HINT_T0>(rows.wrapping_add(i * len + ahead).cast());
                let row = _mm512_loadu_ps(rows.add(i * len + k));
                for (sum, view) in sums.iter_mut().zip(view) {
                    *sum = _mm512_fmadd_ps(row, view, *sum);
                }
            }
        }
    }
    if whole < len {
        let mask = (1u16 << (len - whole)) - 1;
        // SAFETY: the mask lets through the values before `len` alone; others are not read.
        unsafe {
            let mut view = [_mm512_setzero_ps(); MOST_VIEWS];
            for (view, at) in view.iter_mut().zip(views) {
                *view = _mm512_maskz_loadu_ps(mask, source.add(at + whole));
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let row = _mm512_maskz_loadu_ps(mask, rows.add(i * len + whole));
                for (sum, view) in sums.iter_mut().zip(view) {
                    *sum = _mm512_fmadd_ps(row, view, *sum);
                }
            }
        }
    }
    // Four rows by four views at a time, and the last two views of all rows.
    let block = |first: usize| -> [__m512; 16] {
        std::array::from_fn(|n| {
            let (i, j) = (n / 4, first + n % 4);
            if j < MOST_VIEWS { sums[i][j] } else { _mm512_setzero_ps() }
        })
    };
    for first in [0, 4] {
        let mut totals = [0.0; 16];
        // SAFETY: there is room for 16 values.
        unsafe { _mm512_storeu_ps(totals.as_mut_ptr(), totals_of(&block(first))) };
        for (dots, totals) in dots.iter_mut().zip(totals.as_chunks::<4>().0) {
            dots[first..].iter_mut().zip(totals).for_each(|(dot, &total)| *dot += total);
        }
    }
}

/// The sum of each of 16 vectors: half as many shuffles as to add up one after the other.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
fn totals_of(v: &[__m512; 16]) -> __m512 {
    // Of vectors `a` and `b`: sums of neighbours, those of `a` and of `b` in turn.
    let pair =
        |a: __m512, b: __m512| _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    // Each quarter: the sums of its four values in `a`, `b`, `c` and `d`.
    let quads: [__m512; 4] = std::array::from_fn(|n| {
        let [a, b, c, d] = [v[4 * n], v[4 * n + 1], v[4 * n + 2], v[4 * n + 3]];
        let (ab, cd) = (_mm512_castps_pd(pair(a, b)), _mm512_castps_pd(pair(c, d)));
        let (low, high) = (_mm512_unpacklo_pd(ab, cd), _mm512_unpackhi_pd(ab, cd));
        _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high))
    });
    let halves =
        |a, b| _mm512_add_ps(_mm512_shuffle_f32x4::<EVEN>(a, b), _mm512_shuffle_f32x4::<ODD>(a, b));
    halves(halves(quads[0], quads[1]), halves(quads[2], quads[3]))
}

/// # Safety
/// `rows` has 3 * `len` values, and `source` `len` from each of the first 4 `views` on.
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(
    rows: *const f32,
    source: *const f32,
    views: &[usize; MOST_VIEWS],
    len: usize,
    dots: &mut Dots<f32>,
) {
    const ROWS: usize = AVX2[0];
    const VIEWS: usize = AVX2[1];
    let mut sums = [[_mm256_setzero_ps(); VIEWS]; ROWS];
    let whole = len / 8 * 8;
    for k in (0..whole).step_by(8) {
        // SAFETY: k + 8 <= len.
        unsafe {
            let mut row = [_mm256_setzero_ps(); ROWS];
            for (i, row) in row.iter_mut().enumerate() {
                *row = _mm256_loadu_ps(rows.add(i * len + k));
            }
            for j in 0..VIEWS {
                let view = _mm256_loadu_ps(source.add(views[j] + k));
                for (sums, row) in sums.iter_mut().zip(row) {
                    sums[j] = _mm256_fmadd_ps(row, view, sums[j]);
                }
            }
        }
    }
    for i in 0..ROWS {
        for j in 0..VIEWS {
            let mut lanes = [0.0; 8];
            // SAFETY: eight lanes.
            unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), sums[i][j]) };
            let mut dot: f32 = lanes.iter().sum();
            for k in whole..len {
                // SAFETY: k < len.
                dot += unsafe { *rows.add(i * len + k) * *source.add(views[j] + k) };
            }
            dots[i][j] += dot;
        }
    }
}
