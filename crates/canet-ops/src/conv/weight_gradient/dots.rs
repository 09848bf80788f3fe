//! Dot products of a few rows of gradients with what a few taps see, all of them at once: each vector that is loaded is
//! multiplied several times, and nothing need be turned.

use std::ops::Range;

use crate::real::Real;
use crate::simd::{MOST_LANES, Vector};

/// Taps whose products are summed side by side.
const TAPS: usize = 3;
/// Rows of gradients, at most: with as many taps they fill the registers of AVX-512.
pub(in crate::conv) const MOST_ROWS: usize = 8;
/// The same with 16 registers.
const FEWER_ROWS: usize = 4;

/// What is multiplied: rows of gradients, one after another, and what taps see of a source. Both are as [`Lines`] lie.
#[derive(Debug, Clone, Copy)]
pub(in crate::conv) struct Operands<'a, T> {
    pub(in crate::conv) gradients: &'a [T],
    /// From the first pixel's place on; it has room for the last vector.
    pub(in crate::conv) source: &'a [T],
    pub(in crate::conv) lines: Lines,
}

/// Lines of pixels as they lie in a source, with more between them and after them: there the gradients are 0.
#[derive(Debug, Clone, Copy)]
pub(in crate::conv) struct Lines {
    pub(in crate::conv) count: usize,
    pub(in crate::conv) width: usize,
    /// From a line to the next.
    pub(in crate::conv) pitch: usize,
}

impl Lines {
    /// Values of a row, whole vectors.
    #[inline(always)]
    pub(in crate::conv) fn len(&self) -> usize {
        ((self.count - 1) * self.pitch + self.width).next_multiple_of(MOST_LANES)
    }

    /// Puts zeros where a row has no pixels.
    #[inline(always)]
    pub(in crate::conv) fn clear_between<T: Real>(&self, row: &mut [T]) {
        let (lines, after) = row.split_at_mut(row.len().min(self.count * self.pitch));
        lines.chunks_mut(self.pitch).for_each(|line| line[self.width..].fill(T::ZERO));
        after.fill(T::ZERO);
    }
}

/// The sums of `rows` rows of gradients with `taps` taps. They are kept in lanes, `[group of rows][some taps][row][tap][lane]`.
#[derive(Debug, Clone, Copy)]
pub(in crate::conv) struct Table {
    pub(in crate::conv) rows: usize,
    pub(in crate::conv) taps: usize,
}

impl Table {
    /// Values of the sums in lanes.
    #[inline(always)]
    pub(in crate::conv) fn len<T: Real, V: Vector<T>>(&self) -> usize {
        self.rows * self.taps.next_multiple_of(TAPS) * V::LANES
    }

    /// The groups of rows that [`Self::add`] takes: of about the same size, at most as many as a kernel has registers for.
    #[inline(always)]
    pub(in crate::conv) fn groups<const W: usize>(&self) -> impl Iterator<Item = Range<usize>> {
        let most = if W == 48 { MOST_ROWS } else { FEWER_ROWS };
        let (rows, len) = (self.rows, self.rows.div_ceil(self.rows.div_ceil(most)));
        (0..rows).step_by(len).map(move |start| start..rows.min(start + len))
    }

    /// Adds the products of a group of rows, which are those of the operands, to the lanes of all sums.
    #[inline(always)]
    pub(in crate::conv) fn add<T: Real, V: Vector<T>>(
        &self,
        group: &Range<usize>,
        operands: Operands<T>,
        taps: &[usize],
        lanes: &mut [T],
    ) {
        let (size, start) = (self.taps.next_multiple_of(TAPS) * V::LANES, group.start);
        let lanes = &mut lanes[start * size..][..group.len() * size];
        let of_taps = lanes.chunks_exact_mut(group.len() * TAPS * V::LANES);
        for (taps, sums) in taps.chunks(TAPS).zip(of_taps) {
            // Past the last it is repeated.
            let last = taps.len() - 1;
            let taps = [taps[0], taps[last.min(1)], taps[last]];
            match group.len() {
                8 => add::<T, V, 8>(operands, taps, sums),
                7 => add::<T, V, 7>(operands, taps, sums),
                6 => add::<T, V, 6>(operands, taps, sums),
                5 => add::<T, V, 5>(operands, taps, sums),
                4 => add::<T, V, 4>(operands, taps, sums),
                3 => add::<T, V, 3>(operands, taps, sums),
                2 => add::<T, V, 2>(operands, taps, sums),
                _ => add::<T, V, 1>(operands, taps, sums),
            }
        }
    }

    /// The sums, row by row.
    #[inline(always)]
    pub(in crate::conv) fn total<T: Real, V: Vector<T>, const W: usize>(
        &self,
        lanes: &[T],
    ) -> Vec<f64> {
        let mut sums = vec![0.0; self.rows * self.taps];
        let mut lanes = lanes.chunks_exact(TAPS * V::LANES);
        for group in self.groups::<W>() {
            for tap in (0..self.taps).step_by(TAPS) {
                for (row, lanes) in group.clone().zip(&mut lanes) {
                    let sums = &mut sums[row * self.taps..(row + 1) * self.taps];
                    for (sum, lanes) in sums[tap..].iter_mut().zip(lanes.chunks_exact(V::LANES)) {
                        let mut halves = [0.0; MOST_LANES / 2];
                        for lanes in lanes.chunks(halves.len()) {
                            for (half, lane) in halves.iter_mut().zip(lanes) {
                                *half += lane.as_f64();
                            }
                        }
                        *sum = halves.into_iter().sum();
                    }
                }
            }
        }
        sums
    }
}

/// Adds the products of `ROWS` rows and [`TAPS`] taps.
#[inline(always)]
fn add<T: Real, V: Vector<T>, const ROWS: usize>(
    Operands { gradients, source, lines }: Operands<T>,
    taps: [usize; TAPS],
    sums: &mut [T],
) {
    let mut totals = [[V::splat(T::ZERO); TAPS]; ROWS];
    for (i, totals) in totals.iter_mut().enumerate() {
        for (j, total) in totals.iter_mut().enumerate() {
            *total = V::load(&sums[(i * TAPS + j) * V::LANES..]);
        }
    }
    let len = lines.len();
    let (mut gs, mut xs) = ([gradients; ROWS], [source; TAPS]);
    for (i, g) in gs.iter_mut().enumerate() {
        *g = &gradients[i * len..][..len];
    }
    for (x, tap) in xs.iter_mut().zip(taps) {
        *x = &source[tap..][..len];
    }
    totals = accumulate(totals, gs, xs, len);
    for (i, totals) in totals.iter().enumerate() {
        for (j, total) in totals.iter().enumerate() {
            total.store(&mut sums[(i * TAPS + j) * V::LANES..]);
        }
    }
}

/// `len` is of whole vectors. The sums come and go by value: what is behind a reference would be stored at each step.
#[inline(always)]
fn accumulate<T: Real, V: Vector<T>, const ROWS: usize>(
    mut totals: [[V; TAPS]; ROWS],
    gradients: [&[T]; ROWS],
    source: [&[T]; TAPS],
    len: usize,
) -> [[V; TAPS]; ROWS] {
    for at in (0..len).step_by(V::LANES) {
        let mut x = [V::splat(T::ZERO); TAPS];
        for (x, from) in x.iter_mut().zip(source) {
            *x = V::load(&from[at..]);
        }
        for (totals, g) in totals.iter_mut().zip(gradients) {
            let g = V::load(&g[at..]);
            for (total, x) in totals.iter_mut().zip(x) {
                *total = g.fma(x, *total);
            }
        }
    }
    totals
}
