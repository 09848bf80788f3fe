//! 3x3 convolution of stride 1 by Winograd's method: a quarter of the products.
//!
//! The output is cut into tiles of 4x4. The 6x6 inputs a tile sees become 36 frequencies
//! ([`transform`]), the frequencies of all channels are multiplied by those of the weights, one
//! matrix product a frequency, and the products are turned back into the 4x4 outputs. Under
//! dilation `d` the picture falls apart into `d * d` pictures of every `d`-th row and column, each
//! a plain 3x3 convolution of its own.
//!
//! The result differs from the direct one by rounding: some 1e-6 of its size in `f32`.

mod filters;
mod inputs;
mod outputs;
mod plane;
mod transform;
mod turned;
mod weights;

use super::after::After;
use super::tile::TileShape;
use crate::array::{DisjointWriter, unspecified};
use crate::geometry::{Algorithm, ConvGeometry, Problem};
use crate::real::Real;
use crate::scratch::{self, Scratch};
use crate::simd::{Vector, by_vector};
use inputs::Layout;
use transform::{FREQUENCIES, STEP};

pub(crate) use filters::Frequencies;
pub(super) use weights::weight_gradient;

/// Frequencies of inputs that are kept at a time, in bytes: they stay in the third-level cache.
const BLOCK_BYTES: usize = 20 << 20;
/// Bands of a task.
const BANDS: usize = 8;
/// Most panels of a task.
const PANELS: usize = 3;
/// Least channels on either side: with fewer, the transforms cost more than they save.
const LEAST_CHANNELS: usize = 32;
/// Frequencies lie this many values further apart than they must: at a power of two they would
/// share one set of the cache.
const SKEW: usize = 48;

/// Whether a convolution by `weight` `(O, I / groups, kh, kw)` can and should be done this way.
pub(crate) fn suits([outputs, inputs, kh, kw]: [usize; 4], geometry: &ConvGeometry) -> bool {
    let ConvGeometry { stride, dilation, groups, algorithm, .. } = *geometry;
    algorithm == Algorithm::Fastest
        && [kh, kw] == [3, 3]
        && stride == [1, 1]
        && dilation[0] == dilation[1]
        && groups == 1
        && inputs.min(outputs) >= LEAST_CHANNELS
}

/// One convolution at one size of picture.
#[derive(Debug)]
pub(crate) struct Winograd {
    inputs: usize,
    outputs: usize,
    input: [usize; 2],
    output: [usize; 2],
    /// Zeros above and left of the input; negative where it is cut.
    before: [isize; 2],
    dilation: usize,
    /// Tiles in a column and in a row of each of the pictures that dilation makes.
    tiles: [usize; 2],
}

/// `y = weight * x + bias`.
pub(super) fn forward<T: Real>(p: &Problem, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
    let winograd = Winograd::forward(p);
    let after = After { bias, ..After::default() };
    winograd.run_batch(p.batch, &Frequencies::forward(p, weight), x, after)
}

/// The gradient of `x`.
pub(super) fn input_gradient<T: Real>(p: &Problem, weight: &[T], gy: &[T]) -> Vec<T> {
    let winograd = Winograd::input_gradient(p);
    winograd.run_batch(p.batch, &Frequencies::turned(p, weight), gy, After::default())
}

impl Winograd {
    /// For a problem that [`suits`].
    pub(crate) fn forward(p: &Problem) -> Self {
        let before = p.geometry.padding.map(|side| side[0] as isize);
        Self::new(p, [p.inputs, p.outputs], [p.input, p.output], before)
    }

    fn input_gradient(p: &Problem) -> Self {
        let d = p.geometry.dilation[0] as isize;
        let before = p.geometry.padding.map(|side| 2 * d - side[0] as isize);
        Self::new(p, [p.outputs, p.inputs], [p.output, p.input], before)
    }

    fn new(
        p: &Problem,
        [inputs, outputs]: [usize; 2],
        [input, output]: [[usize; 2]; 2],
        before: [isize; 2],
    ) -> Self {
        let dilation = p.geometry.dilation[0];
        let tiles = output.map(|n| n.div_ceil(dilation).div_ceil(STEP));
        Self { inputs, outputs, input, output, before, dilation, tiles }
    }

    /// Tiles in a row of the picture: side by side those of all the pictures it falls apart into.
    fn row(&self) -> usize {
        self.dilation * self.tiles[1]
    }

    /// Tiles of an image.
    fn count(&self) -> usize {
        self.dilation * self.tiles[0] * self.row()
    }

    /// Tiles that are worked on at a time, of `all`; whole panels.
    fn block(&self, all: usize, columns: usize, size: usize) -> usize {
        let fitting = BLOCK_BYTES / (FREQUENCIES * self.inputs * size);
        let blocks = all.div_ceil(fitting.max(PANELS * columns));
        all.div_ceil(blocks).next_multiple_of(columns)
    }

    /// Values that [`Self::run`] needs to work in, for `images`.
    pub(crate) fn workspace<T: Real>(&self, images: usize) -> usize {
        let columns = TileShape::of::<T>().columns;
        let block = self.block(images * self.count(), columns, size_of::<T>());
        FREQUENCIES * (block * self.inputs + SKEW) + scratch::slack::<T>()
    }

    fn run_batch<T: Real>(
        &self,
        images: usize,
        weights: &Frequencies<T>,
        x: &[T],
        after: After<T>,
    ) -> Vec<T> {
        let mut y = unspecified(images * self.outputs * self.output[0] * self.output[1]);
        let mut workspace = Scratch::new(self.workspace::<T>(images));
        self.run(images, weights, x, after, &mut y, workspace.values());
        y
    }

    /// `images` of `x` `(I, H, W)` each to `y` `(O, h, w)`; the residual of `after` is of all.
    pub(crate) fn run<T: Real>(
        &self,
        images: usize,
        weights: &Frequencies<T>,
        x: &[T],
        after: After<T>,
        y: &mut [T],
        workspace: &mut [T],
    ) {
        by_vector!(T, self.run_with(images, weights, x, after, y, workspace));
    }

    fn run_with<T: Real, V: Vector<T>, const W: usize>(
        &self,
        images: usize,
        weights: &Frequencies<T>,
        x: &[T],
        after: After<T>,
        y: &mut [T],
        workspace: &mut [T],
    ) {
        let all = images * self.count();
        let block = self.block(all, W, size_of::<T>());
        let writer = DisjointWriter::new(y);
        for start in (0..all).step_by(block) {
            let tiles = start..all.min(start + block);
            let len = tiles.len().next_multiple_of(W) * self.inputs + SKEW;
            let inputs = &mut scratch::aligned(workspace)[..FREQUENCIES * len];
            let layout = Layout { len, columns: W };
            inputs::transform::<T, V>(self, x, tiles.clone(), layout, inputs);
            outputs::multiply::<T, V, W>(self, weights, inputs, tiles, after, &writer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::{product, weight_gradient as direct};

    fn wave(i: usize) -> f64 {
        ((i * 7919 % 1009) as f64 - 504.0) / 504.0
    }

    /// Both directions against the direct method, on sizes that do not divide.
    fn compare<T: Real>(bound: f64) {
        for (dilation, padding, [inputs, outputs], [h, w], batch) in [
            (1, [[1, 1], [1, 1]], [3, 5], [4, 4], 1),
            (1, [[1, 1], [1, 1]], [33, 9], [7, 70], 2),
            (1, [[0, 1], [2, 0]], [8, 17], [13, 22], 3),
            (1, [[0, 0], [0, 0]], [2, 2], [3, 3], 1),
            (2, [[2, 2], [2, 2]], [16, 32], [9, 14], 2),
            (4, [[4, 4], [4, 4]], [5, 6], [3, 19], 1),
            (4, [[4, 4], [4, 4]], [40, 33], [16, 16], 2),
            (3, [[1, 5], [4, 2]], [7, 8], [11, 10], 1),
            (1, [[4, 4], [4, 4]], [2, 3], [5, 5], 1),
        ] {
            let geometry = ConvGeometry { padding, ..ConvGeometry::default() };
            let geometry = geometry.with_dilation(dilation);
            let p =
                Problem::new((batch, inputs, h, w), (outputs, inputs, 3, 3), &geometry).unwrap();
            let values = |len: usize, seed: usize| -> Vec<T> {
                (0..len).map(|i| T::of_f64(wave(i + seed))).collect()
            };
            let x = values(batch * inputs * h * w, 1);
            let weight = values(outputs * inputs * 9, 2);
            let bias = values(outputs, 3);
            let gy = values(batch * outputs * p.output_pixels(), 4);
            let pairs = [
                (
                    forward(&p, &x, &weight, Some(&bias)),
                    product::forward(&p, &x, &weight, Some(&bias)),
                ),
                (input_gradient(&p, &weight, &gy), product::input_gradient(&p, &weight, &gy)),
                (weight_gradient(&p, &x, &gy), direct::weight_gradient(&p, &x, &gy)),
            ];
            for (ours, direct) in pairs {
                assert_eq!(ours.len(), direct.len());
                let size = direct.iter().map(|v| v.as_f64().abs()).fold(0.0, f64::max);
                for (i, (a, b)) in ours.iter().zip(&direct).enumerate() {
                    let off = (a.as_f64() - b.as_f64()).abs();
                    assert!(off <= bound * size, "{p:?}: {i}: {off} of {size}");
                }
            }
        }
    }

    #[test]
    fn the_direct_result_in_both_directions() {
        compare::<f64>(1e-13);
        compare::<f32>(5e-5);
    }
}
