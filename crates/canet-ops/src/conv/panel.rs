//! From the lowered input to panels: what the tile multiplies, a row for each tap, a column for
//! each pixel.

use std::ops::Range;

use super::lowering::Lowering;
use super::tile::{MOST_COLUMNS, TileShape};
use crate::real::Real;
use crate::simd::{self, Vector as Vectors};

/// Where the columns of a panel lie in the source, before the offset of the tap is added.
#[derive(Debug)]
pub(super) enum Columns {
    /// One after another.
    Run(usize),
    /// Vector by vector.
    Vectors(Box<[Vector]>),
}

/// Where a vector of columns lies. Most are cut from one or two rows of the output, whose pixels are
/// neighbours in the source, too.
#[derive(Debug)]
pub(super) enum Vector {
    Run(usize),
    /// The first `split` from `first`; column `j` of the others from `second + j`.
    TwoRuns {
        first: usize,
        split: usize,
        second: usize,
    },
    Scattered(Box<[usize]>),
}

impl Columns {
    /// How many vectors of `lanes` values there are.
    #[inline(always)]
    pub(super) fn vectors(&self, lanes: usize, columns: usize) -> usize {
        match self {
            Self::Run(_) => columns / lanes,
            Self::Vectors(vectors) => vectors.len(),
        }
    }

    /// A vector of a tap: of the `L` columns that are one in this list, those from `at` on.
    #[inline(always)]
    pub(super) fn load<T: Real, V: Vectors<T>, const L: usize>(
        &self,
        vector: usize,
        at: usize,
        source: &[T],
        tap: usize,
    ) -> V {
        let run = match self {
            Self::Run(start) => start + vector * L,
            Self::Vectors(vectors) => match &vectors[vector] {
                Vector::Run(start) => *start,
                scattered => {
                    let mut row = [T::ZERO; L];
                    scattered.copy(source, tap, &mut row);
                    return V::load(&row[at..]);
                }
            },
        };
        V::load(&source[tap + run + at..])
    }

    /// Asks for the line of a vector, see [`Self::load`].
    #[inline(always)]
    pub(super) fn prefetch<T: Real, const L: usize>(
        &self,
        vector: usize,
        source: &[T],
        tap: usize,
    ) {
        let run = match self {
            Self::Run(start) => start + vector * L,
            Self::Vectors(vectors) => match &vectors[vector] {
                Vector::Run(start) | Vector::TwoRuns { first: start, .. } => *start,
                Vector::Scattered(offsets) => offsets[0],
            },
        };
        simd::prefetch(source.get(tap + run..=tap + run).unwrap_or_default());
    }

    /// Those of all panels of a shape. Past the last pixel it is repeated, up to the end of its
    /// vector; what comes of the repetitions is not stored.
    pub(super) fn all(
        lowering: &Lowering,
        TileShape { columns, lanes, .. }: TileShape,
    ) -> Vec<Self> {
        let pixels = lowering.pixels.len();
        let panel = |pixel: usize| {
            if pixel + columns <= pixels && is_run(lowering, pixel..pixel + columns) {
                return Self::Run(lowering.pixels[pixel]);
            }
            let vectors = (pixel..pixels.min(pixel + columns)).step_by(lanes);
            Self::Vectors(vectors.map(|pixel| Vector::new(lowering, pixel, lanes)).collect())
        };
        (0..pixels).step_by(columns).map(panel).collect()
    }
}

/// Whether some pixels are neighbours in the source.
fn is_run(lowering: &Lowering, pixels: Range<usize>) -> bool {
    lowering.pixels[pixels].is_sorted_by(|a, b| a + 1 == *b)
}

impl Vector {
    fn new(lowering: &Lowering, pixel: usize, width: usize) -> Self {
        let last = lowering.pixels.len() - 1;
        let offset = |j: usize| lowering.pixels[(pixel + j).min(last)];
        let run = |from: usize, to: usize| (from + 1..to).all(|j| offset(j) == offset(j - 1) + 1);
        // Vectors must not leave the source, whatever the tap.
        let largest_tap = lowering.taps.last().copied().unwrap_or(0);
        let fits = |start: usize, len: usize| start + largest_tap + len <= lowering.source_len();
        let start = offset(0);
        if run(0, width) {
            return Self::Run(start);
        }
        let split = (1..width).find(|&j| offset(j) != offset(j - 1) + 1).unwrap_or(width);
        if split < width && run(split, width) && offset(split) >= split {
            let second = offset(split) - split;
            if fits(start, width) && fits(second, width) {
                return Self::TwoRuns { first: start, split, second };
            }
        }
        Self::Scattered((0..width).map(offset).collect())
    }

    /// Copies the row of a tap.
    #[inline(always)]
    fn copy<T: Real, const L: usize>(&self, source: &[T], tap: usize, row: &mut [T; L]) {
        match self {
            Self::Run(start) => row.copy_from_slice(&source[tap + start..][..L]),
            Self::TwoRuns { first, split, second } => {
                let (a, b) = (&source[tap + first..][..L], &source[tap + second..][..L]);
                for j in 0..L {
                    row[j] = if j < *split { a[j] } else { b[j] };
                }
            }
            Self::Scattered(offsets) => {
                let from = &source[tap..];
                row.iter_mut().zip(offsets).for_each(|(to, &offset)| *to = from[offset]);
            }
        }
    }
}

/// Packs the rows of `taps` for all `panels`, a panel after another. Tap by tap: a tap's values for
/// all panels are near each other, and each page of the source is met once.
#[inline(always)]
pub(super) fn pack<T: Real, const W: usize>(
    source: &[T],
    taps: &[usize],
    panels: &[Columns],
    packed: &mut [T],
) {
    let rows = packed.as_chunks_mut::<W>().0;
    for (k, &tap) in taps.iter().enumerate() {
        for (j, columns) in panels.iter().enumerate() {
            let row = &mut rows[j * taps.len() + k];
            match columns {
                Columns::Run(start) => row.copy_from_slice(&source[tap + start..][..W]),
                Columns::Vectors(vectors) if W == MOST_COLUMNS => {
                    copy_vectors::<T, 16>(vectors, source, tap, row);
                }
                Columns::Vectors(vectors) => copy_vectors::<T, 8>(vectors, source, tap, row),
            }
        }
    }
}

/// Copies the row of a tap, vector by vector of `L` columns.
#[inline(always)]
fn copy_vectors<T: Real, const L: usize>(
    vectors: &[Vector],
    source: &[T],
    tap: usize,
    row: &mut [T],
) {
    for (vector, to) in vectors.iter().zip(row.as_chunks_mut::<L>().0) {
        vector.copy(source, tap, to);
    }
}
