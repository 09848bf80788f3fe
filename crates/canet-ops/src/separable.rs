//! Linear maps of planes that are a map of the rows times a map of the columns, both banded: each
//! output comes from a few neighbouring inputs. Resizing and average pooling are such maps, and so
//! are their gradients: the same with both maps transposed.

use std::ops::Range;

use candle_core::Result;

use crate::array::{build_by, by_plane, tensor, with_elements};
use crate::graph::{Gradient, Value};
use crate::real::Real;
use crate::{lanes, simd};

/// A banded matrix, row by row.
pub(crate) struct Bands<T> {
    /// Inputs of the map.
    inputs: usize,
    outputs: Vec<Band>,
    weights: Vec<T>,
}

/// Where the inputs of an output start, and where its weights are.
#[derive(Clone)]
struct Band {
    start: usize,
    weights: Range<usize>,
}

impl<T: Real> Bands<T> {
    /// `bands` has the first input of each output, and the weights from there on.
    pub(crate) fn new(inputs: usize, bands: impl Iterator<Item = (usize, Vec<f64>)>) -> Self {
        let mut all = Self { inputs, outputs: Vec::new(), weights: Vec::new() };
        for (start, weights) in bands {
            let first = all.weights.len();
            all.weights.extend(weights.into_iter().map(T::of_f64));
            all.outputs.push(Band { start, weights: first..all.weights.len() });
        }
        all
    }

    fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// First input and weights of output `i`.
    #[inline(always)]
    fn band(&self, i: usize) -> (usize, &[T]) {
        let band = &self.outputs[i];
        (band.start, &self.weights[band.weights.clone()])
    }

    /// All inputs of some outputs.
    fn reach(&self, outputs: Range<usize>) -> Range<usize> {
        let bands = self.outputs[outputs].iter().filter(|band| !band.weights.is_empty());
        let range = |band: &Band| band.start..band.start + band.weights.len();
        bands.map(range).reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
    }

    /// As tables for a GPU: the first input of each output, where its weights start and, last, where all
    /// end, and all weights.
    #[cfg(feature = "cuda")]
    pub(crate) fn tables(&self) -> (Vec<u32>, Vec<u32>, &[T]) {
        let starts = self.outputs.iter().map(|band| band.start as u32).collect();
        let ends = self.outputs.iter().map(|band| band.weights.end as u32);
        (starts, std::iter::once(0).chain(ends).collect(), &self.weights)
    }

    pub(crate) fn transposed(&self) -> Self {
        let mut columns = vec![(0, Vec::new()); self.inputs];
        for (i, band) in self.outputs.iter().enumerate() {
            for (at, weight) in (band.start..).zip(&self.weights[band.weights.clone()]) {
                let (start, weights): &mut (usize, Vec<f64>) = &mut columns[at];
                if weights.is_empty() {
                    *start = i;
                }
                weights.push(weight.as_f64());
            }
        }
        Self::new(self.outputs(), columns.into_iter())
    }
}

/// Maps the rows and columns of each plane of `x` `(N, C, H, W)`.
pub(crate) fn blend<T: Real>(x: &Value, maps: [Bands<T>; 2]) -> Result<Value> {
    let (n, c, h, w) = x.dims4()?;
    let out = (n, c, maps[0].outputs(), maps[1].outputs());
    let y = with_elements([&x.tensor().contiguous()?], |[x]| Ok(apply(x, &maps)))?;
    Ok(Value::of(tensor(y, out)?, &[x], move |gy| {
        let transposed = maps.map(|map| map.transposed());
        let gx = with_elements([gy.tensor()], |[gy]| Ok(apply(gy, &transposed)))?;
        Ok(vec![Some(Gradient::Own(tensor(gx, (n, c, h, w))?))])
    }))
}

/// All planes of `x`. Where a value takes many inputs, blocks are small, for all cores' sake.
fn apply<T: Real>(x: &[T], maps: &[Bands<T>; 2]) -> Vec<T> {
    let [rows, columns] = maps;
    let (from, to) = (rows.inputs * columns.inputs, rows.outputs() * columns.outputs());
    let fill = |at: usize, block: &mut [T]| {
        by_plane(at, block, to, |plane, start, y| {
            let x = &x[plane * from..][..from];
            simd::vectorised(
                #[inline(always)]
                || piece(x, start % to, y, maps),
            );
        });
    };
    let len = x.len() / from * to;
    if from > 64 * to { build_by::<16, T>(len, fill) } else { build_by::<4096, T>(len, fill) }
}

/// The part of a plane's result from its element `first` on.
#[inline(always)]
fn piece<T: Real>(x: &[T], first: usize, y: &mut [T], [rows, columns]: &[Bands<T>; 2]) {
    let (w, ow) = (columns.inputs, columns.outputs());
    let outputs = first / ow..(first + y.len()).div_ceil(ow);
    // Blending rows is vector code, blending columns is not: that is done where there are fewer
    // rows, before or after.
    let columns_first = rows.outputs() > rows.inputs;
    let reach = rows.reach(outputs.clone());
    let mut wide = Vec::new();
    if columns_first {
        wide.resize(reach.len() * ow, T::ZERO);
        for (wide, r) in wide.chunks_exact_mut(ow).zip(reach.clone()) {
            blend_columns(wide, &x[r * w..][..w], columns, 0);
        }
    }
    let mut row = vec![T::ZERO; if columns_first { 0 } else { w }];
    let (mut at, mut rest) = (first, y);
    for i in outputs {
        let column = at % ow;
        let (y, after) = rest.split_at_mut((ow - column).min(rest.len()));
        let (start, weights) = rows.band(i);
        if columns_first {
            let start = start.saturating_sub(reach.start);
            // An output without inputs may lie beyond them.
            blend_rows(y, wide.get(start * ow + column..).unwrap_or_default(), ow, weights);
        } else {
            blend_rows(&mut row, &x[start * w..], w, weights);
            blend_columns(y, &row, columns, column);
        }
        (at, rest) = (at + y.len(), after);
    }
}

/// `y = sum of weight * row`, of rows `stride` apart.
#[inline(always)]
fn blend_rows<T: Real>(y: &mut [T], rows: &[T], stride: usize, weights: &[T]) {
    let len = y.len();
    match *weights {
        [] => y.fill(T::ZERO),
        [a] => y.iter_mut().zip(&rows[..len]).for_each(|(y, &v)| *y = v * a),
        [a, b] => {
            let inputs = rows[..len].iter().zip(&rows[stride..][..len]);
            y.iter_mut().zip(inputs).for_each(|(y, (&v, &w))| *y = v.fma(a, w * b));
        }
        _ => {
            y.fill(T::ZERO);
            for (row, &weight) in rows.chunks(stride).zip(weights) {
                y.iter_mut().zip(&row[..len]).for_each(|(y, &v)| *y = v.fma(weight, *y));
            }
        }
    }
}

/// `y = columns * x` from output `first` on.
#[inline(always)]
fn blend_columns<T: Real>(y: &mut [T], x: &[T], columns: &Bands<T>, first: usize) {
    for (i, y) in (first..).zip(y) {
        let (start, weights) = columns.band(i);
        *y = match *weights {
            [a] => x[start] * a,
            [a, b] => x[start].fma(a, x[start + 1] * b),
            _ => lanes::dot(&x[start..][..weights.len()], weights),
        };
    }
}
