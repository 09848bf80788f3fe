//! Bilinear resize, and the row of it that [`super::best_class`] shares.

use std::ops::Range;

use candle_core::Result;

use crate::conv::tile::TileShape;
use crate::grid::{Corners, Sample, samples};
use crate::simd::{self, Isa, MOST_LANES, Vector};
use crate::tasks::for_rows_with;

/// Columns that are made at a time, on the stack of a task.
pub(super) const CHUNK: usize = 256;
/// Input columns of a chunk that are blended before they are sampled. Enlarging never needs more;
/// where a map becomes much smaller, most of them would be blended for nothing.
const SPAN: usize = CHUNK + 1;

/// A bilinear resize at one size, as [`crate::resize_bilinear`].
#[derive(Debug, Clone)]
pub struct Resize {
    rows: Vec<Sample<f32>>,
    /// The left one of the two input columns of each column.
    lows: Vec<u32>,
    /// The share of the right one.
    weights: Vec<f32>,
    /// How far the left one is from that of the first column of the same vector; for whole vectors.
    offsets: Vec<u32>,
    /// Whether the left ones of each vector are within a vector, as when maps are enlarged.
    is_dense: bool,
    input: [usize; 2],
}

impl Resize {
    /// From maps of `input` = `[height, width]` to maps of `output`.
    pub fn new(input: [usize; 2], output: [usize; 2], corners: Corners) -> Result<Self> {
        if input.contains(&0) || output.contains(&0) {
            candle_core::bail!("cannot resize {input:?} pixels to {output:?}");
        }
        let columns: Vec<Sample<f32>> = samples(input[1], output[1], corners);
        let lanes = TileShape::of::<f32>().lanes;
        let of_vector = |vector: &[Sample<f32>]| {
            let mut offsets = vec![0; lanes];
            let lows = vector.iter().map(|column| (column.low - vector[0].low) as u32);
            offsets.iter_mut().zip(lows).for_each(|(to, low)| *to = low);
            offsets
        };
        let offsets: Vec<u32> = columns.chunks(lanes).flat_map(of_vector).collect();
        Ok(Self {
            rows: samples(input[0], output[0], corners),
            lows: columns.iter().map(|column| column.low as u32).collect(),
            weights: columns.iter().map(|column| column.weight).collect(),
            is_dense: offsets.iter().all(|&offset| (offset as usize) < lanes),
            offsets,
            input,
        })
    }

    /// Height and width of the result.
    pub fn output(&self) -> [usize; 2] {
        [self.rows.len(), self.lows.len()]
    }

    /// Values of a plane of the input.
    pub(super) fn input_plane(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Resizes `x` `(C, H, W)` into `y` `(C, h, w)`.
    pub fn run(&self, x: &[f32], y: &mut [f32]) {
        let (plane, [oh, ow]) = (self.input_plane(), self.output());
        for_rows_with(
            y,
            ow,
            1,
            Chunk::new,
            #[inline(always)]
            |chunk, row, y| {
                let x = &x[row / oh * plane..][..plane];
                for (index, y) in y.chunks_mut(CHUNK).enumerate() {
                    chunk.prepare(self, x, row % oh, index * CHUNK, y.len());
                    y.iter_mut().zip(chunk.values(self)).for_each(|(y, v)| *y = v);
                }
            },
        );
    }
}

/// Some columns of a row of one plane, on their way.
pub(super) struct Chunk {
    /// The two input rows, blended; with one more value at the end, and room for a vector.
    blended: [f32; SPAN + 1 + MOST_LANES],
    /// What is left of each column, and how far it is to what is right of it.
    values: [f32; CHUNK],
    steps: [f32; CHUNK],
    columns: Range<usize>,
}

impl Chunk {
    #[inline(always)]
    pub(super) fn new() -> Self {
        let (values, steps) = ([0.0; CHUNK], [0.0; CHUNK]);
        Self { blended: [0.0; SPAN + 1 + MOST_LANES], values, steps, columns: 0..0 }
    }

    /// Takes the `count` columns from `first` on of row `row` of the plane `x`.
    #[inline(always)]
    pub(super) fn prepare(
        &mut self,
        resize: &Resize,
        x: &[f32],
        row: usize,
        first: usize,
        count: usize,
    ) {
        let (row, width) = (resize.rows[row], resize.input[1]);
        self.columns = first..first + count;
        let lows = &resize.lows[self.columns.clone()];
        let left = lows[0] as usize;
        let end = (lows[count - 1] as usize + 2).min(width);
        let [low, high] = [row.low, row.high].map(|row| &x[row * width..][left..end]);
        if resize.is_dense && end - left <= SPAN {
            for ((to, &low), &high) in self.blended.iter_mut().zip(low).zip(high) {
                *to = blend(low, high - low, row.weight);
            }
            // The last column of all has no right neighbour but itself.
            self.blended[end - left] = self.blended[end - left - 1];
            self.spread(resize, left);
        } else {
            let at = |i: usize| blend(low[i], high[i] - low[i], row.weight);
            for (i, &column) in lows.iter().enumerate() {
                let column = column as usize - left;
                self.values[i] = at(column);
                self.steps[i] = at((column + 1).min(low.len() - 1)) - self.values[i];
            }
        }
    }

    /// Looks up what is left of each column, and how far it is to what is right of it.
    #[inline(always)]
    fn spread(&mut self, resize: &Resize, left: usize) {
        match Isa::detect() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => self.spread_with::<simd::Wide>(resize, left),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => self.spread_with::<simd::Narrow>(resize, left),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => self.spread_with::<simd::Narrow>(resize, left),
            Isa::Portable => self.spread_with::<[f32; 8]>(resize, left),
        }
    }

    #[inline(always)]
    fn spread_with<V: Vector<f32>>(&mut self, resize: &Resize, left: usize) {
        let vectors =
            self.values.chunks_exact_mut(V::LANES).zip(self.steps.chunks_exact_mut(V::LANES));
        for (column, (values, steps)) in self.columns.clone().step_by(V::LANES).zip(vectors) {
            let offsets = &resize.offsets[column..];
            let from = &self.blended[resize.lows[column] as usize - left..];
            let (value, next) =
                (V::load(from).look_up(offsets), V::load(&from[1..]).look_up(offsets));
            value.store(values);
            next.sub(value).store(steps);
        }
    }

    /// The resized values.
    #[inline(always)]
    pub(super) fn values(&self, resize: &Resize) -> impl Iterator<Item = f32> {
        let weights = &resize.weights[self.columns.clone()];
        let both = self.values.iter().zip(&self.steps);
        both.zip(weights).map(
            #[inline(always)]
            |((&value, &step), &weight)| blend(value, step, weight),
        )
    }
}

/// `low + weight * step`, with one rounding.
#[inline(always)]
fn blend(low: f32, step: f32, weight: f32) -> f32 {
    step.mul_add(weight, low)
}
