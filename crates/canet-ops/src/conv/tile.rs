//! The matrix product in registers: a few rows by a few columns, over any number of steps.
//!
//! The sums of a tile fill most of the vector registers, so each step loads one row of a panel and
//! broadcasts the weights of a band: many products to a load. How large a tile is depends on the
//! registers, so on the processor ([`TileShape::of`]); the order of additions does not.

#[cfg(target_arch = "x86_64")]
mod x86;

use rayon::prelude::*;

use crate::real::Real;
use crate::simd::Isa;

/// Rows of the largest tile.
pub(crate) const MOST_ROWS: usize = 8;
/// Columns of the largest tile.
pub(crate) const MOST_COLUMNS: usize = 32;

/// Rows and columns of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TileShape {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl TileShape {
    /// The best for a type on this processor.
    pub(crate) fn of<T: Real>() -> Self {
        T::tile_shape(Isa::detect())
    }
}

/// The sums of a tile, row by row; row `i` starts at `i * columns`.
pub(crate) type Sums<T> = [T; MOST_ROWS * MOST_COLUMNS];

/// Packs a matrix into bands of `rows` rows, each stored column by column: element `(i, k)` of band
/// `b` is at `b[k * rows + i]`. Rows past the last are zero.
pub(crate) fn pack_bands<T: Real>(
    height: usize,
    columns: usize,
    at: impl Fn(usize, usize) -> T + Sync,
) -> Vec<T> {
    let rows = TileShape::of::<T>().rows;
    let mut packed = vec![T::ZERO; height.div_ceil(rows) * columns * rows];
    packed.par_chunks_mut((columns * rows).max(1)).enumerate().for_each(|(b, band)| {
        let used = rows.min(height - b * rows);
        for (k, column) in band.chunks_exact_mut(rows).enumerate() {
            for (i, to) in column[..used].iter_mut().enumerate() {
                *to = at(b * rows + i, k);
            }
        }
    });
    packed
}

/// The tile of `f32` for each instruction set.
pub(crate) fn shape(isa: Isa) -> TileShape {
    let [rows, columns] = match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86::AVX512,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86::AVX2,
        Isa::Portable => [4, 16],
    };
    TileShape { rows, columns }
}

/// Adds `band[k][i] * panel[k][j]` over `k`, in the order of `k`, for the first `used` rows `i`.
///
/// # Panics
/// If band and panel are not of the same number of steps.
#[inline(always)]
pub(crate) fn add_product(band: &[f32], panel: &[f32], used: usize, sums: &mut Sums<f32>) {
    match Isa::detect() {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86::add_product_avx512(band, panel, used, sums),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86::add_product_avx2(band, panel, sums),
        Isa::Portable => add_product_portable::<f32, 4, 16>(band, panel, sums),
    }
}

/// The product in plain loops, for types and processors without a kernel.
#[inline(always)]
pub(crate) fn add_product_portable<T: Real, const ROWS: usize, const COLUMNS: usize>(
    band: &[T],
    panel: &[T],
    sums: &mut Sums<T>,
) {
    let mut tile = [[T::ZERO; COLUMNS]; ROWS];
    let rows = sums.as_chunks_mut::<COLUMNS>().0;
    tile.iter_mut().zip(&*rows).for_each(|(tile, row)| *tile = *row);
    let (band, panel) = (band.as_chunks::<ROWS>().0, panel.as_chunks::<COLUMNS>().0);
    assert_eq!(band.len(), panel.len(), "internal: band and panel differ");
    for (row, column) in band.iter().zip(panel) {
        for i in 0..ROWS {
            for j in 0..COLUMNS {
                tile[i][j] = row[i].fma(column[j], tile[i][j]);
            }
        }
    }
    rows.iter_mut().zip(&tile).for_each(|(row, tile)| *row = *tile);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kernel this processor has gives the bits of the plain loops.
    #[test]
    fn kernels_agree_to_the_bit() {
        let wave = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 16.0;
        for steps in [0, 1, 2, 7, 64] {
            let TileShape { rows, columns } = TileShape::of::<f32>();
            let band: Vec<f32> = (0..steps * rows).map(wave).collect();
            let panel: Vec<f32> = (0..steps * columns).map(|i| wave(i + 5)).collect();
            for used in 1..=rows {
                let mut sums = [0.5; MOST_ROWS * MOST_COLUMNS];
                add_product(&band, &panel, used, &mut sums);
                for i in 0..used {
                    for j in 0..columns {
                        let terms =
                            (0..steps).map(|k| (band[k * rows + i], panel[k * columns + j]));
                        let expected = terms.fold(0.5f32, |sum, (a, b)| a.mul_add(b, sum));
                        let sum = sums[i * columns + j];
                        assert_eq!(sum.to_bits(), expected.to_bits(), "{steps} ({i}, {j})");
                    }
                }
            }
        }
    }
}
