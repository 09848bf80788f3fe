//! The matrix product in registers: a few rows by a few columns, over any number of steps.
//!
//! The sums of a tile fill most of the vector registers, so each step loads one row of a panel and
//! broadcasts the weights of a band: many products to a load. How large a tile is depends on the
//! registers, so on the processor ([`TileShape::of`]); the order of additions does not.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod columns;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::real::Real;
use crate::simd::Isa;

/// Rows of the largest tile.
pub(crate) const MOST_ROWS: usize = 8;
/// Columns of the largest tile.
pub(crate) const MOST_COLUMNS: usize = 48;

/// How large a tile is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TileShape {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Columns of a vector.
    pub(crate) lanes: usize,
}

/// The part of a tile that is wanted. Of the rest, some sums may be left as they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
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

/// The tile of `f32` for each instruction set.
pub(crate) fn shape(isa: Isa) -> TileShape {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86::AVX512,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86::AVX2,
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => aarch64::NEON,
        Isa::Portable => PORTABLE,
    }
}

/// The tile of the plain loops.
pub(crate) const PORTABLE: TileShape = TileShape { rows: 4, columns: 16, lanes: 8 };

/// Sums `band[k][i] * panel[k][j]` over `k`, in the order of `k`, from 0 on if the sums are `FRESH`,
/// else from what `sums` holds.
///
/// # Panics
/// If band and panel are not of the same number of steps.
#[inline(always)]
pub(crate) fn product<const FRESH: bool>(
    band: &[f32],
    panel: &[f32],
    used: Used,
    sums: &mut Sums<f32>,
) {
    match Isa::detect() {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86::product_avx512::<FRESH>(band, panel, used, sums),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86::product_avx2::<FRESH>(band, panel, sums),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => aarch64::product::<FRESH>(band, panel, used, sums),
        Isa::Portable => product_portable::<f32, FRESH>(band, panel, sums),
    }
}

/// Where the columns of each step lie, from the place of a tile on.
#[derive(Debug)]
pub(crate) struct Taps {
    offsets: Vec<usize>,
    largest: usize,
}

impl Taps {
    pub(crate) fn new(offsets: Vec<usize>) -> Self {
        let largest = offsets.iter().copied().max().unwrap_or(0);
        Self { offsets, largest }
    }

    pub(crate) fn offsets(&self) -> &[usize] {
        &self.offsets
    }
}

/// The columns of a product where they lie: those of step `k` are `source[start + taps[k] + j]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Views<'a, T> {
    pub(crate) source: &'a [T],
    pub(crate) start: usize,
    pub(crate) taps: &'a Taps,
}

impl<T> Views<'_, T> {
    /// How many steps there are.
    ///
    /// # Panics
    /// If `band` has another number of them, or a whole vector of the wanted columns may leave the
    /// source.
    #[inline(always)]
    fn check(&self, band: &[T], used: Used, TileShape { rows, lanes, .. }: TileShape) -> usize {
        // A kernel reads one vector at least.
        let width = used.columns.max(1).next_multiple_of(lanes);
        let steps = self.taps.offsets.len();
        let end = self.start.checked_add(self.taps.largest).and_then(|end| end.checked_add(width));
        assert!(
            band.len() == steps * rows && end.is_some_and(|end| end <= self.source.len()),
            "internal: views of {steps} steps do not fit a band of {} values, or leave their source",
            band.len()
        );
        steps
    }
}

/// The product of a band and of columns that lie scattered in a source, from 0 on.
///
/// # Panics
/// If the views leave their source, or are not as many as the steps of the band.
#[inline(always)]
pub(crate) fn product_of_views(band: &[f32], views: Views<f32>, used: Used, sums: &mut Sums<f32>) {
    match Isa::detect() {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => x86::views_avx512(band, views, used, sums),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86::views_avx2(band, views, sums),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => aarch64::views(band, views, used, sums),
        Isa::Portable => views_portable(band, views, used, sums),
    }
}

/// The same in plain loops.
#[inline(always)]
pub(crate) fn views_portable<T: Real>(band: &[T], views: Views<T>, _: Used, sums: &mut Sums<T>) {
    const ROWS: usize = PORTABLE.rows;
    const COLUMNS: usize = PORTABLE.columns;
    let mut tile = [[T::ZERO; COLUMNS]; ROWS];
    let source = &views.source[views.start..];
    for (row, &tap) in band.as_chunks::<ROWS>().0.iter().zip(&views.taps.offsets) {
        let column = &source[tap..tap + COLUMNS];
        for i in 0..ROWS {
            for j in 0..COLUMNS {
                tile[i][j] = row[i].fma(column[j], tile[i][j]);
            }
        }
    }
    let rows = sums.as_chunks_mut::<COLUMNS>().0;
    rows.iter_mut().zip(&tile).for_each(|(row, tile)| *row = *tile);
}

/// The same of `f64`, which is for exactness, not for speed.
#[inline(always)]
pub(crate) fn product_f64<const FRESH: bool>(
    band: &[f64],
    panel: &[f64],
    _: Used,
    sums: &mut Sums<f64>,
) {
    product_portable::<f64, FRESH>(band, panel, sums);
}

/// The product in plain loops, for types and processors without a kernel.
#[inline(always)]
fn product_portable<T: Real, const FRESH: bool>(band: &[T], panel: &[T], sums: &mut Sums<T>) {
    const ROWS: usize = PORTABLE.rows;
    const COLUMNS: usize = PORTABLE.columns;
    let mut tile = [[T::ZERO; COLUMNS]; ROWS];
    let rows = sums.as_chunks_mut::<COLUMNS>().0;
    if !FRESH {
        tile.iter_mut().zip(&*rows).for_each(|(tile, row)| *tile = *row);
    }
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

    fn wave(i: usize) -> f32 {
        ((i * 37 % 101) as f32 - 50.0) / 16.0
    }

    /// Every kernel this processor has gives the bits of the plain loops, for every part of a tile.
    #[test]
    fn kernels_agree_to_the_bit() {
        let TileShape { rows, columns, .. } = TileShape::of::<f32>();
        for steps in [0, 1, 2, 7, 64] {
            let band: Vec<f32> = (0..steps * rows).map(wave).collect();
            let panel: Vec<f32> = (0..steps * columns).map(|i| wave(i + 5)).collect();
            let expected = |start: f32, i: usize, j: usize| {
                let terms = (0..steps).map(|k| (band[k * rows + i], panel[k * columns + j]));
                terms.fold(start, |sum, (a, b)| a.mul_add(b, sum)).to_bits()
            };
            let parts = (1..=rows).flat_map(|i| (1..=columns).map(move |j| (i, j)));
            for (rows, width) in parts {
                let used = Used { rows, columns: width };
                let mut sums = [0.5; MOST_ROWS * MOST_COLUMNS];
                product::<false>(&band, &panel, used, &mut sums);
                let mut fresh = [f32::NAN; MOST_ROWS * MOST_COLUMNS];
                product::<true>(&band, &panel, used, &mut fresh);
                for (i, j) in (0..rows).flat_map(|i| (0..width).map(move |j| (i, j))) {
                    let at = i * columns + j;
                    assert_eq!(sums[at].to_bits(), expected(0.5, i, j), "{steps} ({i}, {j})");
                    assert_eq!(fresh[at].to_bits(), expected(0.0, i, j), "{steps} ({i}, {j})");
                }
            }
        }
    }
}
