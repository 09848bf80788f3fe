//! Weights as the tile multiplies them.

use crate::array::{DisjointWriter, unspecified};
use crate::conv::tile::TileShape;
use crate::conv::turned::Turned;
use crate::geometry::Problem;
use crate::real::Real;
use crate::simd::{self, Vector, by_vector};
use crate::tasks::{for_chunks, for_each_task};

/// The weights of a convolution, one packed matrix a group: bands of rows, each stored column by column,
/// so that element `(i, k)` of band `b` is at `b[k * rows + i]`. What fills up the last band is not used.
#[derive(Debug)]
pub(crate) struct Weights<T>(Vec<Vec<T>>);

impl<T: Real> Weights<T> {
    /// For the convolution itself; `weight` is `(O, I / groups, kh, kw)`.
    pub(crate) fn forward(weight: &[T], groups: usize, taps: usize) -> Self {
        let height = weight.len() / (groups * taps);
        let pack = |w: &[T]| by_vector!(T, pack_rows(w, taps));
        Self(weight.chunks_exact(height * taps).map(pack).collect())
    }

    /// The matrix of a group.
    pub(super) fn of(&self, group: usize) -> &[T] {
        &self.0[group]
    }

    /// The matrix of the only group.
    pub(crate) fn bands(&self) -> &[T] {
        &self.0[0]
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// For the gradient of its input: turned by 180 degrees, inputs and outputs swapped.
    pub(super) fn turned(p: &Problem, weight: &[T]) -> Self {
        let (inputs, outputs, size) = (p.group_inputs(), p.group_outputs(), p.kernel_size());
        let rows = TileShape::of::<T>().rows;
        let pack = |w: &[T]| {
            let mut packed = unspecified(inputs.next_multiple_of(rows) * outputs * size);
            for_chunks(&mut packed, outputs * size * rows, 1, |band, to| {
                let first = band * rows;
                let used = rows.min(inputs - first);
                for (tap, to) in to.chunks_exact_mut(rows).enumerate() {
                    let (o, k) = (tap / size, size - 1 - tap % size);
                    let from = &w[(o * inputs + first) * size..][..used * size];
                    if size == 1 {
                        to[..used].copy_from_slice(from);
                    } else {
                        let taps = from.chunks_exact(size).map(|filter| filter[k]);
                        to.iter_mut().zip(taps).for_each(|(to, tap)| *to = tap);
                    }
                    to[used..].fill(T::ZERO);
                }
            });
            packed
        };
        Self(weight.chunks_exact(outputs * inputs * size).map(pack).collect())
    }
}

/// Rows of `len` values in bands.
fn pack_rows<T: Real, V: Vector<T>, const W: usize>(w: &[T], len: usize) -> Vec<T> {
    let (height, turned) = (w.len() / len, Turned { width: TileShape::of::<T>().rows, steps: len });
    let mut packed = unspecified(turned.len(height));
    let (to, group) = (DisjointWriter::new(&mut packed), turned.group::<T, V>());
    for_each_task(height.div_ceil(group), |i| {
        simd::vectorised(
            #[inline(always)]
            || {
                let rows = i * group..height.min((i + 1) * group);
                let at = |row| row * len;
                #[expect(unsafe_code, reason = "tasks share the result")]
                // SAFETY: this task alone owns these rows, which are whole bands.
                unsafe {
                    turned.put_run::<T, V>(rows, w, at, [0, len], &to);
                }
            },
        );
    });
    packed
}
