//! Many dot products at once, in registers: some rows against some shifted views of a source.
//!
//! The weight gradient's long side is the pixels, which lie one after another in both operands, so
//! nothing needs to be packed: each step loads a vector of every row and of every view, and
//! multiplies each with each.

#[cfg(target_arch = "x86_64")]
mod x86;

use crate::real::Real;
use crate::simd::Isa;

/// Rows of the largest tile.
pub(crate) const MOST_ROWS: usize = 4;
/// Views of the largest tile.
pub(crate) const MOST_VIEWS: usize = 6;

/// The sums of a tile: that of row `i` and view `j` is `[i][j]`.
pub(crate) type Dots<T> = [[T; MOST_VIEWS]; MOST_ROWS];

/// Rows and views of a tile of `f32`.
pub(crate) fn shape(isa: Isa) -> [usize; 2] {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86::AVX512,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86::AVX2,
        Isa::Portable => PORTABLE,
    }
}

/// Rows and views of the plain loops.
pub(crate) const PORTABLE: [usize; 2] = [2, 4];

/// Adds `sum over k of rows[i * len + k] * source[views[j] + k]` to `dots[i][j]`, `len` steps.
///
/// # Panics
/// If `rows` is not of as many rows as the tile, or a view leaves the source.
#[inline(always)]
pub(crate) fn add_dots(
    rows: &[f32],
    source: &[f32],
    views: &[usize; MOST_VIEWS],
    len: usize,
    dots: &mut Dots<f32>,
) {
    match Isa::detect() {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86::add_dots_avx512(rows, source, views, len, dots),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86::add_dots_avx2(rows, source, views, len, dots),
        Isa::Portable => add_dots_portable(rows, source, views, len, dots),
    }
}

/// The dot products in plain loops, for types and processors without a kernel.
#[inline(always)]
pub(crate) fn add_dots_portable<T: Real>(
    rows: &[T],
    source: &[T],
    views: &[usize; MOST_VIEWS],
    len: usize,
    dots: &mut Dots<T>,
) {
    const LANES: usize = 8;
    assert_eq!(rows.len(), PORTABLE[0] * len, "internal: rows of another length");
    for (i, row) in rows.chunks_exact(len.max(1)).enumerate() {
        for j in 0..PORTABLE[1] {
            let view = &source[views[j]..][..len];
            let mut lanes = [T::ZERO; LANES];
            let (row_blocks, row_rest) = row.as_chunks::<LANES>();
            let (view_blocks, view_rest) = view.as_chunks::<LANES>();
            for (a, b) in row_blocks.iter().zip(view_blocks) {
                (0..LANES).for_each(|l| lanes[l] = a[l].fma(b[l], lanes[l]));
            }
            let rest: T = row_rest.iter().zip(view_rest).map(|(&a, &b)| a * b).sum();
            dots[i][j] += lanes.into_iter().sum::<T>() + rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_agree_with_plain_sums() {
        let wave = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 64.0;
        let source: Vec<f32> = (0..400).map(wave).collect();
        let [rows, views] = shape(Isa::detect());
        for len in [1, 7, 15, 16, 17, 33, 100] {
            let gy: Vec<f32> = (0..rows * len).map(|i| wave(i + 11)).collect();
            let at = [0, 1, 60, 61, 62, 300];
            let mut dots = [[0.25f32; MOST_VIEWS]; MOST_ROWS];
            add_dots(&gy, &source, &at, len, &mut dots);
            for i in 0..rows {
                for j in 0..views {
                    let products = (0..len).map(|k| gy[i * len + k] * source[at[j] + k]);
                    let expected = 0.25 + products.sum::<f32>();
                    assert!((dots[i][j] - expected).abs() < 1e-4, "{len} ({i}, {j})");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "range end index")]
    fn a_view_past_the_end_is_refused() {
        let gy = [1.0f32; PORTABLE[0] * 16];
        let mut dots = [[0.0f32; MOST_VIEWS]; MOST_ROWS];
        add_dots_portable(&gy, &[0.0; 20], &[0, 5, 0, 0, 0, 0], 16, &mut dots);
    }

    #[test]
    fn a_view_past_the_end_is_refused_by_every_kernel() {
        let gy = vec![1.0f32; shape(Isa::detect())[0] * 16];
        let refused = std::panic::catch_unwind(|| {
            let mut dots = [[0.0f32; MOST_VIEWS]; MOST_ROWS];
            add_dots(&gy, &[0.0; 20], &[0, 5, 0, 0, 0, 0], 16, &mut dots);
        });
        assert!(refused.is_err());
    }
}
