//! The frequencies of the weights.

use super::SKEW;
use super::transform::{self, FREQUENCIES};
use crate::array::{DisjointWriter, unspecified};
use crate::conv::tile::TileShape;
use crate::geometry::Problem;
use crate::real::Real;
use crate::simd::{self, MOST_LANES, Vector, by_vector, load_within};
use crate::tasks::for_each_task;

/// Values of a filter.
const TAPS: usize = 9;
/// Steps ahead that filters are fetched, where they lie far apart.
const AHEAD: usize = 4;

/// The frequencies of the weights, packed for the tile: `[frequency][band][input][row]`.
#[derive(Debug)]
pub(crate) struct Frequencies<T> {
    pub(super) values: Vec<T>,
    /// Values of a frequency.
    pub(super) len: usize,
}

impl<T: Real> Frequencies<T> {
    /// Of `weight` `(O, I, 3, 3)`.
    pub(crate) fn forward(p: &Problem, weight: &[T]) -> Self {
        let filters = Filters { weight, rows: p.outputs, steps: p.inputs, turned: false };
        by_vector!(T, frequencies(&filters))
    }

    /// For the gradient of the input: turned by 180 degrees, inputs and outputs swapped.
    pub(super) fn turned(p: &Problem, weight: &[T]) -> Self {
        let filters = Filters { weight, rows: p.inputs, steps: p.outputs, turned: true };
        by_vector!(T, frequencies(&filters))
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

fn frequencies<T: Real, V: Vector<T>, const W: usize>(filters: &Filters<'_, T>) -> Frequencies<T> {
    let rows = TileShape::of::<T>().rows;
    let bands = filters.rows.div_ceil(rows);
    let len = bands * rows * filters.steps + SKEW;
    let mut values = unspecified(FREQUENCIES * len);
    let writer = DisjointWriter::new(&mut values);
    for_each_task(bands, |band| {
        simd::vectorised(
            #[inline(always)]
            || filters.band::<V>(band, rows, len, &writer),
        );
    });
    Frequencies { values, len }
}

/// The filters of a convolution with `rows` outputs and `steps` inputs.
struct Filters<'a, T> {
    weight: &'a [T],
    rows: usize,
    steps: usize,
    /// Whether `weight` is that of the convolution whose gradient this one is.
    turned: bool,
}

impl<T: Real> Filters<'_, T> {
    /// Where the filter of a row and step is.
    #[inline(always)]
    fn at(&self, row: usize, step: usize) -> usize {
        TAPS * if self.turned { step * self.rows + row } else { row * self.steps + step }
    }

    /// A band: a vector holds all its rows, for one step or for two.
    #[inline(always)]
    fn band<V: Vector<T>>(&self, band: usize, rows: usize, len: usize, to: &DisjointWriter<'_, T>) {
        let steps = V::LANES / rows;
        for step in (0..self.steps).step_by(steps) {
            let taps = self.taps::<V>(band * rows, rows, step);
            let start = (band * self.steps + step) * rows;
            let count = steps.min(self.steps - step) * rows;
            transform::filter_tiles::<T, V>(
                &taps,
                #[inline(always)]
                |f, value| {
                    #[expect(unsafe_code, reason = "tasks share the result")]
                    // SAFETY: this task alone owns this band of every frequency.
                    let to = unsafe { to.slice_mut(f * len + start, count) };
                    if count == V::LANES {
                        value.store(to);
                    } else {
                        let mut lanes = [T::ZERO; MOST_LANES];
                        value.store(&mut lanes);
                        to.copy_from_slice(&lanes[..count]);
                    }
                },
            );
        }
    }

    /// The taps of the filters of a vector, rows first. What lies past the last row or step repeats it.
    #[inline(always)]
    fn taps<V: Vector<T>>(&self, first: usize, rows: usize, step: usize) -> [V; TAPS] {
        let mut square = [V::splat(T::ZERO); MOST_LANES];
        let mut last = [T::ZERO; MOST_LANES];
        for lane in 0..V::LANES {
            let row = (first + lane % rows).min(self.rows - 1);
            let at = self.at(row, (step + lane / rows).min(self.steps - 1));
            let ahead = self.at(row, step + AHEAD);
            simd::prefetch(self.weight.get(ahead..ahead + TAPS).unwrap_or_default());
            square[lane] = load_within(self.weight, at);
            last[lane] = self.weight[at + TAPS - 1];
        }
        V::transpose(&mut square);
        if V::LANES < TAPS {
            square[TAPS - 1] = V::load(&last);
        }
        let turned = self.turned;
        std::array::from_fn(|k| square[if turned { TAPS - 1 - k } else { k }])
    }
}
