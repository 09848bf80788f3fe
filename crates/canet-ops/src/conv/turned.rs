//! Rows turned into columns: what the tile multiplies where the sum runs along the rows, as the
//! gradient of the weights does along the pixels.

use std::ops::Range;

use crate::array::DisjointWriter;
use crate::real::Real;
use crate::simd::{self, MOST_LANES, Vector, load_within};

/// Values ahead that rows are fetched: as many rows as a vector has lanes are read at a time, too
/// many for the processor to fetch by itself.
const AHEAD: usize = 64;

/// Where the values of rows go: some of them side by side, as bands or panels have them, step by
/// step, `[row / width][step][row % width]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turned {
    /// Rows side by side: fewer than a vector has lanes, or whole vectors.
    pub(super) width: usize,
    pub(super) steps: usize,
}

impl Turned {
    /// Values of some rows, whole widths.
    pub(super) fn len(&self, rows: usize) -> usize {
        rows.next_multiple_of(self.width) * self.steps
    }

    /// Rows that are turned at a time: whole bands, or a vector of a panel.
    pub(super) fn group<T: Real, V: Vector<T>>(&self) -> usize {
        if self.width < V::LANES { V::LANES / self.width * self.width } else { V::LANES }
    }

    /// The values of all steps of the rows from `row` on, a band or a panel.
    #[inline(always)]
    pub(super) fn of(&self, row: usize) -> Range<usize> {
        let start = self.place(row, 0);
        start..start + self.width * self.steps
    }

    #[inline(always)]
    fn place(&self, row: usize, step: usize) -> usize {
        (row / self.width * self.steps + step) * self.width + row % self.width
    }

    /// Turns a run of values of a group of rows, or of the last that there are: `len` of `source` from
    /// `at` of their row on, which are the steps from `step` on.
    ///
    /// # Safety
    /// As for [`Self::put`].
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller shares out the result")]
    pub(super) unsafe fn put_run<T: Real, V: Vector<T>>(
        &self,
        rows: Range<usize>,
        source: &[T],
        at: impl Fn(usize) -> usize,
        [step, len]: [usize; 2],
        to: &DisjointWriter<'_, T>,
    ) {
        for done in (0..len).step_by(V::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                self.put::<T, V>(
                    rows.clone(),
                    #[inline(always)]
                    |row| {
                        let at = at(row) + done;
                        simd::prefetch(source.get(at + AHEAD..=at + AHEAD).unwrap_or_default());
                        load_within(source, at)
                    },
                    #[inline(always)]
                    |lane| (done + lane < len).then_some(step + done + lane),
                    to,
                    0,
                );
            }
        }
    }

    /// Turns a vector of steps of a group of rows, or of the last that there are. `load` gives the
    /// vector of a row, `step` the step of a lane, if it is wanted; `to` has the first row's first
    /// step at `start`.
    ///
    /// # Safety
    /// Nothing else may use these steps of these rows, or of those that fill up their last band, or
    /// their vector of a panel.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller shares out the result")]
    pub(super) unsafe fn put<T: Real, V: Vector<T>>(
        &self,
        rows: Range<usize>,
        load: impl Fn(usize) -> V,
        step: impl Fn(usize) -> Option<usize>,
        to: &DisjointWriter<'_, T>,
        start: usize,
    ) {
        let mut square = [V::splat(T::ZERO); MOST_LANES];
        for (i, vector) in square.iter_mut().enumerate().take(V::LANES) {
            // Rows past the last repeat it; what comes of them is not used.
            *vector = load((rows.start + i).min(rows.end - 1));
        }
        V::transpose(&mut square);
        // SAFETY: the caller's promise.
        unsafe {
            match self.width {
                8 => self.store::<T, V, 8>(&square, rows, step, to, start),
                6 => self.store::<T, V, 6>(&square, rows, step, to, start),
                4 => self.store::<T, V, 4>(&square, rows, step, to, start),
                _ => self.store::<T, V, 0>(&square, rows, step, to, start),
            }
        }
    }

    /// Stores turned steps, in bands of `RUN` rows; of 0 where whole vectors are wanted.
    ///
    /// # Safety
    /// As for [`Self::put`].
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller shares out the result")]
    unsafe fn store<T: Real, V: Vector<T>, const RUN: usize>(
        &self,
        square: &[V; MOST_LANES],
        rows: Range<usize>,
        step: impl Fn(usize) -> Option<usize>,
        to: &DisjointWriter<'_, T>,
        start: usize,
    ) {
        for (i, vector) in square.iter().enumerate().take(V::LANES) {
            let Some(step) = step(i) else { continue };
            if RUN == 0 {
                // SAFETY: the caller's promise; a vector of a panel does not leave its width.
                let to = unsafe { to.slice_mut(start + self.place(rows.start, step), V::LANES) };
                vector.store(to);
                continue;
            }
            let mut lanes = [T::ZERO; MOST_LANES];
            vector.store(&mut lanes);
            let bands = lanes[..V::LANES].chunks_exact(RUN.max(1));
            for (band, row) in bands.zip(rows.clone().step_by(RUN.max(1))) {
                // SAFETY: the caller's promise.
                let to = unsafe { to.slice_mut(start + self.place(row, step), RUN) };
                to.copy_from_slice(band);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::by_vector;

    fn check<T: Real, V: Vector<T>, const W: usize>(width: usize) {
        for (rows, steps) in [(1, 1), (5, 40), (16, 16), (50, 33)] {
            let turned = Turned { width, steps };
            let mut values = vec![T::ZERO; turned.len(rows)];
            let writer = DisjointWriter::new(&mut values);
            let value = |row: usize, step: usize| T::of_f64((100 * row + step) as f64);
            let group = turned.group::<T, V>();
            for row in (0..rows).step_by(group) {
                for step in (0..steps).step_by(V::LANES) {
                    let load = |row: usize| {
                        let lanes: Vec<T> =
                            (step..step + V::LANES).map(|step| value(row, step)).collect();
                        V::load(&lanes)
                    };
                    let rows = row..rows.min(row + group);
                    let step = |i: usize| Some(step + i).filter(|&step| step < steps);
                    #[expect(unsafe_code, reason = "a test on one thread")]
                    // SAFETY: nothing else uses the values.
                    unsafe {
                        turned.put::<T, V>(rows, load, step, &writer, 0);
                    }
                }
            }
            for (row, step) in (0..rows * steps).map(|i| (i / steps, i % steps)) {
                let at = (row / width * steps + step) * width + row % width;
                let off = (values[at] - value(row, step)).as_f64().abs();
                assert!(off < f64::EPSILON, "{row} {step}");
            }
        }
    }

    fn check_all<T: Real, V: Vector<T>, const W: usize>() {
        check::<T, V, W>(W);
        check::<T, V, W>(crate::conv::tile::TileShape::of::<T>().rows);
    }

    #[test]
    fn every_value_comes_to_its_place() {
        fn on_this_processor<T: Real>() {
            by_vector!(T, check_all());
        }
        on_this_processor::<f32>();
        on_this_processor::<f64>();
        check::<f32, [f32; 8], 16>(16);
        check::<f32, [f32; 8], 16>(4);
    }
}
