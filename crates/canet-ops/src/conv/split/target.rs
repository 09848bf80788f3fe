//! Where tiles go: a matrix that tasks share.

use super::halves::Halves;
use super::unit::{Place, Rows, SIDE, Sums, Unit};
use crate::array::DisjointWriter;
use crate::conv::after::After;
use crate::simd;

/// A result of rows and columns, and what follows the products.
pub(super) struct Target<'a> {
    pub(super) y: &'a DisjointWriter<'a, f32>,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) after: After<'a, f32>,
}

impl Target<'_> {
    /// The tile whose first row and column are `at`: sums of earlier products are taken up but for the `first` ones,
    /// and what follows is done after the `last`.
    ///
    /// # Safety
    /// Nothing else uses the tile's part of the result.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller shares out the result")]
    pub(super) unsafe fn tile<V: Halves>(
        &self,
        unit: &Unit,
        [band, panel]: [&[f32]; 2],
        at: [usize; 2],
        [first, last]: [bool; 2],
        sums: &mut Sums,
    ) {
        let rows = SIDE.min(self.rows - at[0]);
        let width = SIDE.min(self.columns - at[1]);
        let start = |row: usize| (at[0] + row) * self.columns + at[1];
        // SAFETY: the caller's promise; no two of these slices are there at one time.
        let row_of_result = |row: usize| unsafe { self.y.slice_mut(start(row), width) };
        // By the time of the last product, the lines that follow have come from memory.
        for i in 0..rows {
            if first {
                let row = row_of_result(i);
                simd::prefetch_to_write(row.as_ptr());
                simd::prefetch_to_write(&raw const row[width - 1]);
            }
            if last && let Some(residual) = self.after.residual {
                simd::prefetch(&residual[start(i)..start(i) + width]);
            }
        }
        // Whole tiles are summed where they lie; the last sums are on their way through what follows.
        let is_whole = rows == SIDE && width == SIDE;
        let in_result = is_whole.then(|| {
            let _last_row_is_within = row_of_result(SIDE - 1);
            Place { start: row_of_result(0).as_mut_ptr(), pitch: self.columns }
        });
        if !first && !is_whole {
            for i in 0..rows {
                sums.row_mut(i)[..width].copy_from_slice(row_of_result(i));
            }
        }
        let in_sums = sums.place();
        let from = (!first).then_some(in_result.unwrap_or(in_sums));
        let is_done = !last || self.after.is_nothing();
        let to = if is_done { in_result.unwrap_or(in_sums) } else { in_sums };
        // SAFETY: nobody else uses this part of the result, which is a whole tile if it is used as one; the sums
        // are the caller's own.
        unsafe {
            unit.multiply(Rows::of_band(band), panel, from, to);
        }
        if is_done && is_whole {
            return;
        }
        for i in 0..rows {
            let (to, row) = (row_of_result(i), &sums.row(i)[..width]);
            if is_done {
                to.copy_from_slice(row);
            } else {
                self.after.store::<V>(to, row, self.after.bias_of(at[0] + i), start(i));
            }
        }
    }
}
