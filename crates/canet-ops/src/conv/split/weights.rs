//! Weights as the matrix unit multiplies them.

use rayon::prelude::*;

use super::halves::{Halves, by_halves, put_turned};
use super::unit::{BLOCK, HALF, LINE, SIDE};
use crate::array::unspecified;
use crate::geometry::Problem;
use crate::simd::MOST_LANES;

/// The weights of a convolution: bands of rows, each a run of blocks of taps, see [`super::unit`]. Rows past the last
/// and taps past the last are zeros.
#[derive(Debug)]
pub(crate) struct Weights {
    words: Vec<f32>,
    blocks: usize,
}

impl Weights {
    /// For the convolution itself; `weight` is `(O, I, kh, kw)`.
    pub(crate) fn forward(p: &Problem, weight: &[f32]) -> Self {
        let (rows, taps) = (p.outputs, p.inputs * p.kernel_size());
        Self::build(rows, taps, |row, tap, to| {
            by_halves!(V => pack_rows::<V>(weight, [rows, taps], [row, tap], to));
        })
    }

    /// The same for [`super::shifts`]: panels of outputs, tap after tap of 32 channels.
    pub(super) fn of_shifts(p: &Problem, weight: &[f32]) -> Self {
        let size = p.kernel_size();
        let taps =
            |output: usize, input: usize| &weight[(output * p.inputs + input) * size..][..size];
        Self::panels([p.outputs, p.inputs], size, |output, input, tap| taps(output, input)[tap])
    }

    /// The same for the gradient of the input.
    pub(super) fn of_turned_shifts(p: &Problem, weight: &[f32]) -> Self {
        let size = p.kernel_size();
        let taps =
            |output: usize, input: usize| &weight[(output * p.inputs + input) * size..][..size];
        Self::panels([p.inputs, p.outputs], size, |input, output, tap| {
            taps(output, input)[size - 1 - tap]
        })
    }

    /// Panels of `columns` channels of the result, given the weight of each, by a channel and a tap.
    fn panels(
        [columns, channels]: [usize; 2],
        size: usize,
        weight: impl Fn(usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let groups = channels.div_ceil(SIDE);
        let mut words = unspecified(columns.div_ceil(SIDE) * groups * size * BLOCK);
        let parts = words.par_chunks_exact_mut(size * BLOCK).with_max_len(1).enumerate();
        parts.for_each(|(i, to)| {
            let [column, channel] = [i / groups * SIDE, i % groups * SIDE];
            for (tap, to) in to.chunks_exact_mut(BLOCK).enumerate() {
                let mut steps = [[0.0; SIDE]; SIDE];
                for (channel, step) in (channel..channels).zip(&mut steps) {
                    for (column, value) in (column..columns).zip(step) {
                        *value = weight(column, channel, tap);
                    }
                }
                pack_steps(&steps, to);
            }
        });
        Self { words, blocks: groups * size }
    }

    /// All words.
    pub(super) fn words(&self) -> &[f32] {
        &self.words
    }

    /// For the gradient of its input: turned by 180 degrees, inputs and outputs swapped.
    pub(super) fn turned(p: &Problem, weight: &[f32]) -> Self {
        let (rows, taps) = (p.inputs, p.outputs * p.kernel_size());
        Self::build(rows, taps, |row, tap, to| {
            by_halves!(V => pack_columns::<V>(p, weight, [row, tap], to));
        })
    }

    /// Blocks of steps.
    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }

    pub(super) fn band(&self, band: usize) -> &[f32] {
        let len = self.blocks * BLOCK;
        &self.words[band * len..][..len]
    }

    /// How many words there are, which take as much as so many `f32`.
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// `pack` makes a block, given its first row and tap.
    fn build(rows: usize, taps: usize, pack: impl Fn(usize, usize, &mut [f32]) + Sync) -> Self {
        let blocks = taps.div_ceil(SIDE);
        let mut words = unspecified(rows.div_ceil(SIDE) * blocks * BLOCK);
        words.par_chunks_exact_mut(BLOCK).enumerate().for_each(|(i, to)| {
            pack(i / blocks * SIDE, i % blocks * SIDE, to);
        });
        Self { words, blocks }
    }
}

/// A block of a panel: of each step the values of all columns.
fn pack_steps(steps: &[[f32; SIDE]; SIDE], to: &mut [f32]) {
    by_halves!(V => pack_steps_by::<V>(steps, to));
}

/// The same with vectors that split.
#[inline(always)]
fn pack_steps_by<V: Halves>(steps: &[[f32; SIDE]; SIDE], to: &mut [f32]) {
    for pair in 0..LINE {
        for column in (0..SIDE).step_by(V::LANES) {
            let values = [0, 1].map(|step| V::load(&steps[2 * pair + step][column..]));
            let at = column / LINE * LINE * LINE + pair * LINE + column % LINE;
            for (half, start) in V::halves(values).into_iter().zip([0, HALF]) {
                half.store(&mut to[start + at..]);
            }
        }
    }
}

/// A block of a matrix that is stored row by row.
#[inline(always)]
pub(super) fn pack_rows<V: Halves>(
    matrix: &[f32],
    [rows, taps]: [usize; 2],
    [first, tap]: [usize; 2],
    to: &mut [f32],
) {
    for row in 0..SIDE {
        let mut values = [0.0; SIDE];
        if first + row < rows {
            let from = &matrix[(first + row) * taps..][tap..taps.min(tap + SIDE)];
            values[..from.len()].copy_from_slice(from);
        }
        for pair in (0..LINE).step_by(V::LANES) {
            let halves = V::halves(V::load_by_two(&values[2 * pair..]));
            let at = row * LINE + pair;
            halves[0].store(&mut to[at..]);
            halves[1].store(&mut to[HALF + at..]);
        }
    }
}

/// A block of the turned matrix: neighbouring rows are neighbouring filters of an output.
#[inline(always)]
fn pack_columns<V: Halves>(p: &Problem, weight: &[f32], [first, tap]: [usize; 2], to: &mut [f32]) {
    let (size, taps) = (p.kernel_size(), p.outputs * p.kernel_size());
    let rows = SIDE.min(p.inputs - first);
    let mut columns = [[0.0; SIDE]; SIDE];
    for (tap, column) in (tap..taps).zip(&mut columns) {
        let (o, k) = (tap / size, size - 1 - tap % size);
        let filters = &weight[(o * p.inputs + first) * size..][..rows * size];
        if size == 1 {
            column[..rows].copy_from_slice(filters);
        } else {
            for row in 0..rows {
                column[row] = filters[row * size + k];
            }
        }
    }
    let steps =
        (0..SIDE).step_by(V::LANES).flat_map(|r| (0..LINE).step_by(V::LANES).map(move |q| (r, q)));
    for (row, pair) in steps {
        let mut pairs = [[V::splat(0.0); 2]; MOST_LANES];
        for lane in 0..V::LANES {
            for step in 0..2 {
                pairs[lane][step] = V::load(&columns[2 * (pair + lane) + step][row..]);
            }
        }
        put_turned(pairs, HALF, &mut to[row * LINE + pair..]);
    }
}
