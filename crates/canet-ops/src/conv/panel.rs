//! From the lowered input to panels: what the tile multiplies, a row for each tap, a column for
//! each pixel.

use super::lowering::Lowering;
use crate::real::Real;

/// Where the columns of a panel lie in the source, before the offset of the tap is added.
///
/// Most panels are cut from one or two rows of the output, whose pixels are neighbours in the
/// source, too; they are copied as vectors.
#[derive(Debug)]
pub(super) enum Columns {
    /// One after another.
    Run(usize),
    /// The first `split` from `first`; column `j` of the others from `second + j`.
    TwoRuns { first: usize, split: usize, second: usize },
    /// Anywhere.
    Scattered(Box<[usize]>),
}

impl Columns {
    /// Those of all panels of `width` pixels. Past the last pixel it is repeated; what comes of the
    /// repetitions is not stored.
    pub(super) fn all(lowering: &Lowering, width: usize) -> Vec<Self> {
        let starts = (0..lowering.pixels.len()).step_by(width);
        starts.map(|pixel| Self::new(lowering, pixel, width)).collect()
    }

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
    pub(super) fn copy<T: Real, const W: usize>(&self, source: &[T], tap: usize, row: &mut [T; W]) {
        match self {
            Self::Run(start) => row.copy_from_slice(&source[tap + start..][..W]),
            Self::TwoRuns { first, split, second } => {
                let (a, b) = (&source[tap + first..][..W], &source[tap + second..][..W]);
                for j in 0..W {
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
            columns.copy(source, tap, &mut rows[j * taps.len() + k]);
        }
    }
}
