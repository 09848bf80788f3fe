//! Weights as the matrix unit multiplies them.

use super::halves::{Halves, by_halves, put_turned};
use super::unit::{BLOCK, HALF, LINE, SIDE};
use crate::array::unspecified;
use crate::geometry::Problem;
use crate::scratch::{aligned, slack};
use crate::simd::MOST_LANES;
use crate::tasks::for_chunks;

/// The weights of a convolution: bands of rows, each a run of blocks of taps, see [`super::unit`]. Rows past the last
/// and taps past the last are zeros.
#[derive(Debug)]
pub(crate) struct Weights {
    buffer: Vec<f32>,
    /// Where the words start in the buffer: with a cache line, as lines are loaded.
    start: usize,
    blocks: usize,
}

impl Weights {
    /// Bands for the convolution itself; `weight` is `(O, I, kh, kw)`.
    pub(super) fn bands(p: &Problem, weight: &[f32]) -> Self {
        let (rows, taps) = (p.outputs, p.inputs * p.kernel_size());
        Self::of_blocks(rows, taps, |row, tap, to| {
            by_halves!(V => pack_rows::<V>(weight, [rows, taps], [row, tap], to));
        })
    }

    /// The same for the gradient of its input: turned by 180 degrees, inputs and outputs swapped.
    pub(super) fn turned_bands(p: &Problem, weight: &[f32]) -> Self {
        let (rows, taps) = (p.inputs, p.outputs * p.kernel_size());
        Self::of_blocks(rows, taps, |row, tap, to| {
            by_halves!(V => pack_columns::<V>(p, weight, [row, tap], to));
        })
    }

    /// Panels for the convolution itself, see [`super::shifts`]: of 32 outputs each, for 32 inputs tap after tap.
    pub(super) fn panels(p: &Problem, weight: &[f32]) -> Self {
        Self::of_steps([p.outputs, p.inputs], p.kernel_size(), |output, input, tap| {
            weight[(output * p.inputs + input) * p.kernel_size() + tap]
        })
    }

    /// The same for the gradient of its input.
    pub(super) fn turned_panels(p: &Problem, weight: &[f32]) -> Self {
        Self::of_steps([p.inputs, p.outputs], p.kernel_size(), |input, output, tap| {
            weight[(output * p.inputs + input + 1) * p.kernel_size() - 1 - tap]
        })
    }

    /// Blocks of steps.
    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }

    /// One of the bands, or panels.
    pub(super) fn band(&self, band: usize) -> &[f32] {
        let len = self.blocks * BLOCK;
        &self.buffer[self.start + band * len..][..len]
    }

    /// How many words there are, which take as much as so many `f32`.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// `pack` makes a block of a band, given its first row and tap.
    fn of_blocks(rows: usize, taps: usize, pack: impl Fn(usize, usize, &mut [f32]) + Sync) -> Self {
        let blocks = taps.div_ceil(SIDE);
        Self::build([rows.div_ceil(SIDE), blocks, 1], |i, to| {
            pack(i / blocks * SIDE, i % blocks * SIDE, to);
        })
    }

    /// Panels of `columns`, given the weight of a column and a channel for a tap.
    fn of_steps(
        [columns, channels]: [usize; 2],
        taps: usize,
        weight: impl Fn(usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let groups = channels.div_ceil(SIDE);
        Self::build([columns.div_ceil(SIDE), groups * taps, taps], |i, to| {
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
        })
    }

    /// So many `bands` of `blocks`; `pack` makes `at_once` of these, given how many such runs come before.
    fn build(
        [bands, blocks, at_once]: [usize; 3],
        pack: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Self {
        let len = bands * blocks * BLOCK;
        let mut buffer = unspecified(len + slack::<f32>());
        let start = buffer.len() - aligned(&mut buffer).len();
        for_chunks(&mut buffer[start..][..len], at_once * BLOCK, 1, pack);
        Self { buffer, start, blocks }
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
            let first = V::load(&steps[2 * pair][column..]);
            let second = V::load(&steps[2 * pair + 1][column..]);
            let halves = V::halves([first, second]);
            let at = column / LINE * LINE * LINE + pair * LINE + column % LINE;
            halves[0].store(&mut to[at..]);
            halves[1].store(&mut to[HALF + at..]);
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
