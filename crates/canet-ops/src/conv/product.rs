//! Forward convolution and the gradient of its input, as blocked matrix products.

mod weights;

use std::ops::Range;

use super::after::After;
use super::in_place::InPlace;
use super::lowering::Lowering;
use super::panel::{self, Columns};
use super::tile::{Sums, TileShape, Used};
use super::window::Window;
use crate::array::{DisjointWriter, unspecified};
use crate::geometry::Problem;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Vector, by_vector};
use crate::tasks::{for_chunks, for_each_task};
pub(crate) use weights::Weights;

/// Taps a block takes at a time: all of them, but for kernels that are both wide and large. Sums
/// that are taken up again cost more than panels that are read from the second-level cache.
const TAPS: usize = 1024;
/// Values a task packs at a time: half of a second-level cache (1 MiB).
const PACKED: usize = 1 << 17;
/// Most pixels of a task.
const MOST_PIXELS: usize = 512;
/// Tasks that are aimed at, so that two or more threads end at about the same time.
const TASKS: usize = 16;
/// Most bands that are multiplied without packing.
const IN_PLACE: usize = 4;
/// Fewest bands that pay for packing the panels.
const LEAST_BANDS: usize = 8;

/// One product at one size of picture.
#[derive(Debug)]
pub(crate) struct Product {
    lowering: Lowering,
    panels: Panels,
    groups: usize,
    /// Rows of a group's result: its channels.
    height: usize,
    /// Values of a group's input.
    part: usize,
}

/// Where panels come from.
#[derive(Debug)]
enum Panels {
    /// From the input as it is.
    Window(Window),
    /// From the lowering's source.
    Source(Vec<Columns>),
    /// None: columns are read where they lie.
    InPlace(Box<InPlace>),
}

impl Panels {
    /// Those that are packed.
    fn packed<T: Real>(lowering: &Lowering) -> Self {
        let shape = TileShape::of::<T>();
        match lowering.window {
            Some(window) if lowering.copies() && window.suits(shape.lanes) => Self::Window(window),
            _ => Self::Source(Columns::all(lowering, shape)),
        }
    }
}

/// `y = weight * x + bias`.
pub(super) fn forward<T: Real>(p: &Problem, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
    let product = Product::forward::<T>(p);
    let weights = Weights::forward(weight, p.geometry.groups, product.lowering.taps.len());
    product.run_batch(&weights, x, After { bias, ..After::default() })
}

/// The gradient of `x`, by the weights turned by 180 degrees (see [`Lowering::input_gradient`]).
pub(super) fn input_gradient<T: Real>(p: &Problem, weight: &[T], gy: &[T]) -> Vec<T> {
    Product::input_gradient::<T>(p).run_batch(&Weights::turned(p, weight), gy, After::default())
}

impl Product {
    /// For products of `T`.
    pub(crate) fn forward<T: Real>(p: &Problem) -> Self {
        let part = p.group_inputs() * p.input_pixels();
        let lowering = Lowering::forward(p, p.group_inputs());
        let bands = p.outputs.div_ceil(TileShape::of::<T>().rows);
        let in_place = if bands <= IN_PLACE { InPlace::new::<T>(p) } else { None };
        let panels = match in_place {
            Some(in_place) => Panels::InPlace(Box::new(in_place)),
            None => Panels::packed::<T>(&lowering),
        };
        let (groups, height) = (p.geometry.groups, p.group_outputs());
        Self { lowering, panels, groups, height, part }
    }

    fn input_gradient<T: Real>(p: &Problem) -> Self {
        let part = p.group_outputs() * p.output_pixels();
        let lowering = Lowering::input_gradient(p, p.group_outputs());
        let panels = Panels::packed::<T>(&lowering);
        let (groups, height) = (p.geometry.groups, p.group_inputs());
        Self { lowering, panels, groups, height, part }
    }

    fn run_batch<T: Real>(&self, weights: &Weights<T>, x: &[T], after: After<T>) -> Vec<T> {
        let image = self.groups * self.part;
        let result = self.groups * self.height * self.lowering.pixels.len();
        let mut y = unspecified(x.len() / image * result);
        // Images side by side: the tasks of one may be a few more than the threads can share evenly.
        for_chunks(&mut y, result, 1, |i, y| {
            let x = &x[i * image..][..image];
            let mut workspace = Scratch::new(self.workspace());
            self.run(weights, x, after, y, workspace.values());
        });
        y
    }

    /// Values that [`Self::run`] needs to work in.
    pub(crate) fn workspace(&self) -> usize {
        if self.copies() { self.lowering.source_len() } else { 0 }
    }

    /// Whether the source is a copy of the input.
    fn copies(&self) -> bool {
        matches!(self.panels, Panels::Source(_)) && self.lowering.copies()
    }

    /// One image, group by group.
    pub(crate) fn run<T: Real>(
        &self,
        weights: &Weights<T>,
        x: &[T],
        after: After<T>,
        y: &mut [T],
        workspace: &mut [T],
    ) {
        if let Panels::InPlace(product) = &self.panels {
            return product.run(weights.bands(), x, after, y);
        }
        let pixels = self.lowering.pixels.len();
        let groups = x.chunks_exact(self.part).zip(y.chunks_exact_mut(self.height * pixels));
        for (group, (x, y)) in groups.enumerate() {
            let after = after.of(group * self.height..(group + 1) * self.height, pixels);
            let source = if self.copies() {
                let source = &mut workspace[..self.lowering.source_len()];
                self.lowering.fill(x, source);
                &*source
            } else {
                x
            };
            by_vector!(T, self.multiply(weights.of(group), source, after, y));
        }
    }

    /// Cuts one group of one image into tasks: some pixels, for some bands.
    fn multiply<T: Real, V: Vector<T>, const W: usize>(
        &self,
        bands: &[T],
        source: &[T],
        after: After<T>,
        y: &mut [T],
    ) {
        let rows = TileShape::of::<T>().rows;
        let (pixels, count) = (self.lowering.pixels.len(), self.height.div_ceil(rows));
        let fitting = PACKED / self.lowering.taps.len().min(TAPS);
        let block_len = fitting.clamp(2 * W, MOST_PIXELS) / W * W;
        let blocks = pixels.div_ceil(block_len);
        // Few pixels: the bands are shared out, and each task packs the panels for itself.
        let least = if blocks < TASKS / 4 { 1 } else { LEAST_BANDS };
        let shares = (TASKS / blocks).clamp(1, count.div_ceil(least));
        let bands_a_share = count.div_ceil(shares);
        let shares = count.div_ceil(bands_a_share);
        let writer = DisjointWriter::new(y);
        for_each_task(blocks * shares, |task| {
            let (block, share) = (task / shares, task % shares);
            let block = block * block_len..pixels.min((block + 1) * block_len);
            let share = share * bands_a_share..count.min((share + 1) * bands_a_share);
            let work = Task { product: self, bands, source, after, y: &writer };
            simd::vectorised(
                #[inline(always)]
                || work.run::<V, W>(block, share),
            );
        });
    }
}

/// What all tasks of a product share.
struct Task<'a, T> {
    product: &'a Product,
    bands: &'a [T],
    source: &'a [T],
    after: After<'a, T>,
    y: &'a DisjointWriter<'a, T>,
}

impl<T: Real> Task<'_, T> {
    /// The result of `bands` for `pixels`.
    #[inline(always)]
    fn run<V: Vector<T>, const W: usize>(&self, pixels: Range<usize>, bands: Range<usize>) {
        let taps = &self.product.lowering.taps;
        let rows = TileShape::of::<T>().rows;
        let size = taps.len().min(TAPS) * W;
        let mut scratch = Scratch::new(pixels.len().div_ceil(W) * size);
        let packed = scratch.values();
        for start in (0..taps.len()).step_by(TAPS) {
            let block = start..taps.len().min(start + TAPS);
            let size = block.len() * W;
            self.pack::<V, W>(block.clone(), pixels.clone(), packed);
            for b in bands.clone() {
                let band = &self.bands[b * taps.len() * rows..][..taps.len() * rows];
                let band = &band[block.start * rows..block.end * rows];
                for (panel, pixel) in packed.chunks_exact(size).zip(pixels.clone().step_by(W)) {
                    let place = Place { row: b * rows, pixel, width: W.min(pixels.end - pixel) };
                    self.tile::<V, W>(band, panel, place, start == 0, block.end == taps.len());
                }
            }
        }
    }

    /// The panels of some pixels, for a block of taps.
    #[inline(always)]
    fn pack<V: Vector<T>, const W: usize>(
        &self,
        taps: Range<usize>,
        pixels: Range<usize>,
        packed: &mut [T],
    ) {
        match &self.product.panels {
            Panels::Window(window) => window.pack::<T, V, W>(self.source, taps, pixels, packed),
            Panels::InPlace(_) => {}
            Panels::Source(columns) => {
                let columns = &columns[pixels.start / W..pixels.end.div_ceil(W)];
                panel::pack::<T, W>(
                    self.source,
                    &self.product.lowering.taps[taps],
                    columns,
                    packed,
                );
            }
        }
    }

    /// One tile: the sums of earlier taps are taken up, and what follows is done after the last.
    #[inline(always)]
    fn tile<V: Vector<T>, const W: usize>(
        &self,
        band: &[T],
        panel: &[T],
        at: Place,
        first: bool,
        last: bool,
    ) {
        let pixels = self.product.lowering.pixels.len();
        let rows = TileShape::of::<T>().rows.min(self.product.height - at.row);
        let used = Used { rows, columns: at.width };
        // By the time of the last product, the lines that follow have come from memory.
        for i in 0..rows {
            let start = (at.row + i) * pixels + at.pixel;
            simd::prefetch(self.slice(start, at.width));
            if let Some(residual) = self.after.residual {
                simd::prefetch(&residual[start..start + at.width]);
            }
        }
        let mut sums: Sums<T> = [T::ZERO; _];
        if !first {
            for (i, row) in sums.as_chunks_mut::<W>().0.iter_mut().take(rows).enumerate() {
                let start = (at.row + i) * pixels + at.pixel;
                row[..at.width].copy_from_slice(self.slice(start, at.width));
            }
        }
        if first {
            T::product::<true>(band, panel, used, &mut sums);
        } else {
            T::product::<false>(band, panel, used, &mut sums);
        }
        for (i, row) in sums.as_chunks::<W>().0.iter().take(rows).enumerate() {
            let start = (at.row + i) * pixels + at.pixel;
            let to = self.slice(start, at.width);
            if last {
                let bias = self.after.bias_of(at.row + i);
                self.after.store::<V>(to, &row[..at.width], bias, start);
            } else {
                to.copy_from_slice(&row[..at.width]);
            }
        }
    }

    /// A part of the result that this task owns.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "tasks own disjoint parts of the result")]
    fn slice(&self, at: usize, len: usize) -> &mut [T] {
        #[expect(unsafe_code, reason = "tasks share the result")]
        // SAFETY: this task alone owns these pixels in these rows, and its slices do not outlive
        // the row they are used for.
        unsafe {
            self.y.slice_mut(at, len)
        }
    }
}

/// Where a tile lies in the result.
#[derive(Clone, Copy)]
struct Place {
    row: usize,
    pixel: usize,
    width: usize,
}
