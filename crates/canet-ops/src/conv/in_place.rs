//! Products whose columns are read where they lie, for convolutions to few channels: packing a panel
//! costs about as much as multiplying it once.
//!
//! A task has some rows of the output. It copies what they see, with the zeros around it and sorted by
//! the stride, to a place that stays in its second-level cache, and multiplies from there. With a
//! max-pooling after it, the result of some channels stays in the first-level cache until it is
//! pooled: the map between is the largest of a network.

use std::ops::Range;

use super::after::After;
use super::lowering::Lowering;
use super::tile::{MOST_COLUMNS, Sums, Taps, TileShape, Used, Views};
use crate::array::DisjointWriter;
use crate::frozen::MaxPool;
use crate::geometry::Problem;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Vector, by_vector};
use crate::tasks::for_each_task;

/// Most values of a task's copy: half of a second-level cache (1 MiB).
const COPY: usize = 1 << 17;
/// Pixels of a task: enough to be worth handing over, few enough for all cores to get some.
const PIXELS: usize = 1 << 11;
/// Tasks that are aimed at, where there are few pixels.
const TASKS: usize = 8;
/// This many columns are whole vectors on every processor.
const COLUMNS: usize = 16;

/// One product at one size of picture.
#[derive(Debug)]
pub(crate) struct InPlace {
    lowering: Lowering,
    taps: Taps,
    /// The tiles of the rows of a block.
    runs: Vec<Run>,
    blocks: Vec<Block>,
    outputs: usize,
    /// Height and width of the convolution's result.
    output: [usize; 2],
    /// Whether the source of a block is a copy, or the input itself.
    copies: bool,
    pool: Option<Pool>,
}

/// What is done with the result of the convolution.
#[derive(Debug)]
struct Pool {
    pool: MaxPool,
    /// Height and width of its result.
    output: [usize; 2],
}

/// A task.
#[derive(Debug)]
struct Block {
    /// Rows of the convolution's result.
    rows: Range<usize>,
    /// Rows of what they are pooled to.
    pooled: Range<usize>,
}

/// Neighbours in a row of the output, the columns of a tile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// Counted from the first of a block.
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) len: usize,
    /// Where they start in the source of a block.
    pub(super) start: usize,
}

impl InPlace {
    /// For the convolution alone. `None` where it cannot be done this way.
    pub(crate) fn new<T: Real>(p: &Problem) -> Option<Self> {
        let [height, width] = p.output;
        let count = PIXELS.div_ceil(width).min(height.div_ceil(TASKS));
        let copies = Lowering::forward(p, p.inputs).copies();
        // Views must not leave the input, which ends with the last pixel.
        if p.geometry.groups > 1 || !(copies || width.is_multiple_of(COLUMNS)) {
            return None;
        }
        let count = if copies { count.min(copied_rows(p)).max(1) } else { count };
        let blocks = (0..height).step_by(count).map(|first| first..height.min(first + count));
        let blocks = blocks.map(|rows| Block { pooled: rows.clone(), rows }).collect();
        Some(Self::of_blocks::<T>(p, blocks, None))
    }

    /// For the convolution and a pooling after it. `None` where it cannot be done this way.
    pub(crate) fn pooled<T: Real>(p: &Problem, pool: MaxPool) -> candle_core::Result<Option<Self>> {
        let output = pool.output(p.output)?;
        let blocks = |count: usize| -> Vec<Block> {
            let windows = (0..output[0]).step_by(count);
            let windows = windows.map(|first| first..output[0].min(first + count));
            let block = |pooled: Range<usize>| {
                let rows = pool.reach(pooled.clone(), p.output[0]);
                Block { rows, pooled }
            };
            windows.map(block).collect()
        };
        let count = PIXELS.div_ceil(p.output[1] * pool.stride).min(output[0].div_ceil(TASKS));
        let fitting = copied_rows(p);
        let blocks = (1..=count).rev().map(blocks).find(|blocks| most_rows(blocks) <= fitting);
        let blocks = blocks.filter(|_| p.geometry.groups == 1);
        Ok(blocks.map(|blocks| Self::of_blocks::<T>(p, blocks, Some(Pool { pool, output }))))
    }

    fn of_blocks<T: Real>(p: &Problem, blocks: Vec<Block>, pool: Option<Pool>) -> Self {
        let whole = Lowering::forward(p, p.inputs);
        let rows = most_rows(&blocks);
        // What is pooled is copied in any case: the views of a block then have room at its end.
        let copies = whole.copies() || pool.is_some();
        let lowering = if copies { Lowering::of_rows(p, p.inputs, rows) } else { whole };
        let width = TileShape::of::<T>().columns;
        let starts = lowering.pixels.iter().step_by(p.output[1]).take(rows).enumerate();
        let runs = starts.flat_map(|(row, &start)| cut(p.output[1], row, start, width)).collect();
        Self {
            taps: Taps::new(lowering.taps.clone()),
            lowering,
            runs,
            blocks,
            outputs: p.outputs,
            output: p.output,
            copies,
            pool,
        }
    }

    /// Height and width of what comes out.
    pub(crate) fn output(&self) -> [usize; 2] {
        self.pool.as_ref().map_or(self.output, |pool| pool.output)
    }

    /// One image: `x` `(I, H, W)` to `y` `(O, h, w)`, by packed weights.
    pub(crate) fn run<T: Real>(&self, bands: &[T], x: &[T], after: After<T>, y: &mut [T]) {
        by_vector!(T, self.run_with(bands, x, after, y));
    }

    fn run_with<T: Real, V: Vector<T>, const W: usize>(
        &self,
        bands: &[T],
        x: &[T],
        after: After<T>,
        y: &mut [T],
    ) {
        let y = DisjointWriter::new(y);
        for_each_task(self.blocks.len(), |block| {
            let block = &self.blocks[block];
            let task = Task { product: self, bands, x, after, y: &y, block };
            simd::vectorised(
                #[inline(always)]
                || task.run::<V, W>(),
            );
        });
    }
}

/// Rows of the result whose copy has at most [`COPY`] values. It grows by the same with each row.
fn copied_rows(p: &Problem) -> usize {
    let [one, two] = [1, 2].map(|rows| Lowering::of_rows(p, p.inputs, rows).source_len());
    COPY.checked_sub(one).map_or(0, |room| 1 + room / (two - one))
}

fn most_rows(blocks: &[Block]) -> usize {
    blocks.iter().map(|block| block.rows.len()).max().unwrap_or(0)
}

/// Cuts a row into tiles of about the same width, all but the last of whole vectors.
pub(super) fn cut(len: usize, row: usize, start: usize, width: usize) -> impl Iterator<Item = Run> {
    let step = len.div_ceil(len.div_ceil(width)).next_multiple_of(COLUMNS);
    let run = move |column| Run { row, column, len: step.min(len - column), start: start + column };
    (0..len).step_by(step).map(run)
}

struct Task<'a, T> {
    product: &'a InPlace,
    bands: &'a [T],
    x: &'a [T],
    after: After<'a, T>,
    y: &'a DisjointWriter<'a, T>,
    block: &'a Block,
}

impl<T: Real> Task<'_, T> {
    #[inline(always)]
    fn run<V: Vector<T>, const W: usize>(&self) {
        let p = self.product;
        let copied = if p.copies { p.lowering.source_len() + MOST_COLUMNS } else { 0 };
        let between = match p.pool {
            Some(_) => TileShape::of::<T>().rows * self.between(),
            None => 0,
        };
        let mut scratch = Scratch::new(copied + between);
        let (copy, between) = scratch.values().split_at_mut(copied);
        let source = if p.copies {
            p.lowering.fill_rows(self.x, self.block.rows.start, copy);
            &*copy
        } else {
            &self.x[self.block.rows.start * p.lowering.pitch..]
        };
        match &p.pool {
            Some(pool) => self.pooled::<V, W>(pool, source, between),
            None => self.plain::<V, W>(source),
        }
    }

    /// Values of the block's result in one channel.
    #[inline(always)]
    fn between(&self) -> usize {
        self.block.rows.len() * self.product.output[1]
    }

    /// The tiles of the block.
    #[inline(always)]
    fn runs(&self) -> impl Iterator<Item = Run> {
        let rows = self.block.rows.len();
        self.product.runs.iter().copied().take_while(move |run| run.row < rows)
    }

    /// One tile: the sums of band `b` for a run; how many of its rows count.
    #[inline(always)]
    fn tile(&self, b: usize, run: Run, source: &[T], sums: &mut Sums<T>) -> usize {
        let p = self.product;
        let size = TileShape::of::<T>().rows * p.taps.offsets().len();
        let band = &self.bands[b * size..][..size];
        let rows = TileShape::of::<T>().rows.min(p.outputs - b * TileShape::of::<T>().rows);
        let views = Views { source, start: run.start, taps: &p.taps };
        T::product_of_views(band, views, Used { rows, columns: run.len }, sums);
        rows
    }

    #[inline(always)]
    fn plain<V: Vector<T>, const W: usize>(&self, source: &[T]) {
        let p = self.product;
        let (rows, [height, width]) = (TileShape::of::<T>().rows, p.output);
        let mut sums: Sums<T> = [T::ZERO; _];
        for run in self.runs() {
            for b in 0..p.outputs.div_ceil(rows) {
                let used = self.tile(b, run, source, &mut sums);
                for (i, row) in sums.as_chunks::<W>().0.iter().take(used).enumerate() {
                    let channel = b * rows + i;
                    let line = channel * height + self.block.rows.start + run.row;
                    let at = line * width + run.column;
                    #[expect(unsafe_code, reason = "tasks share the result")]
                    // SAFETY: this task alone owns these rows, and has no other slice of them now.
                    let to = unsafe { self.y.slice_mut(at, run.len) };
                    self.after.store::<V>(to, &row[..run.len], self.after.bias_of(channel), at);
                }
            }
        }
    }

    #[inline(always)]
    fn pooled<V: Vector<T>, const W: usize>(&self, pool: &Pool, source: &[T], between: &mut [T]) {
        let p = self.product;
        let rows = TileShape::of::<T>().rows;
        let width = p.output[1];
        let [height, pooled_width] = pool.output;
        let mut sums: Sums<T> = [T::ZERO; _];
        for b in 0..p.outputs.div_ceil(rows) {
            let mut used = 0;
            for run in self.runs() {
                used = self.tile(b, run, source, &mut sums);
                for (i, row) in sums.as_chunks::<W>().0.iter().take(used).enumerate() {
                    let at = i * self.between() + run.row * width + run.column;
                    let to = &mut between[at..at + run.len];
                    let bias = self.after.bias_of(b * rows + i);
                    self.after.store::<V>(to, &row[..run.len], bias, 0);
                }
            }
            for (i, map) in between.chunks_exact(self.between()).take(used).enumerate() {
                let first = (b * rows + i) * height + self.block.pooled.start;
                let len = self.block.pooled.len() * pooled_width;
                #[expect(unsafe_code, reason = "tasks share the result")]
                // SAFETY: this task alone owns these rows, and has no other slice of them now.
                let to = unsafe { self.y.slice_mut(first * pooled_width, len) };
                pool.pool.map(map, p.output, self.block.pooled.clone(), to, pooled_width);
            }
        }
    }
}

#[cfg(test)]
mod tests;
