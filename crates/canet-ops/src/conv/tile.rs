//! The matrix product in registers: [`HEIGHT`] rows by [`WIDTH`] columns.
//!
//! In `f32` with AVX2 the sums fill 12 of the 16 vector registers, two hold a row of the panel and
//! one the broadcast weight: the shape with the best ratio of products to loads that fits.

use crate::real::Real;

/// Rows of a tile.
pub(super) const HEIGHT: usize = 6;
/// Columns of a tile.
pub(super) const WIDTH: usize = 16;

pub(super) type Tile<T> = [[T; WIDTH]; HEIGHT];

/// Sums `rows[k][i] * columns[k][j]` over `k`, in the order of `k`.
#[inline(always)]
pub(super) fn product<T: Real>(rows: &[T], columns: &[T]) -> Tile<T> {
    let mut sums = [[T::ZERO; WIDTH]; HEIGHT];
    let steps = rows.as_chunks::<HEIGHT>().0.iter().zip(columns.as_chunks::<WIDTH>().0);
    for (row, column) in steps {
        for i in 0..HEIGHT {
            for j in 0..WIDTH {
                sums[i][j] = row[i].fma(column[j], sums[i][j]);
            }
        }
    }
    sums
}

/// Packs a matrix with `columns` columns a row into bands of [`HEIGHT`] rows, each stored column by
/// column; rows past the last are zero. Element `(i, k)` of band `b` is at `b[k * HEIGHT + i]`.
pub(super) fn pack_bands<T: Real>(
    height: usize,
    columns: usize,
    at: impl Fn(usize, usize) -> T,
) -> Vec<T> {
    let bands = height.div_ceil(HEIGHT);
    let mut packed = vec![T::ZERO; bands * columns * HEIGHT];
    for (b, band) in packed.chunks_exact_mut(columns * HEIGHT).enumerate() {
        for i in 0..HEIGHT.min(height - b * HEIGHT) {
            for k in 0..columns {
                band[k * HEIGHT + i] = at(b * HEIGHT + i, k);
            }
        }
    }
    packed
}
