//! The gradient of the weights: a matrix product whose long side is all pixels of the batch.

use rayon::prelude::*;

use super::lowering::Lowering;
use super::tile::{self, HEIGHT, WIDTH};
use crate::geometry::Problem;
use crate::real::Real;
use crate::simd;

/// Pixels a block takes at a time.
const PIXELS: usize = 256;
/// Tasks that are aimed at; more for large results, whose panels are tasks of their own.
const TASKS: usize = 16;
/// The most panels (of [`WIDTH`] taps) that one task takes.
const MOST_PANELS: usize = 16;

/// `gw[o][tap] = sum over images and pixels of gy[o][pixel] * lowered(x)[tap][pixel]`.
///
/// The work is cut into slabs of pixels and groups of panels, by shape alone. Each slab has a
/// partial result; they are added in order, so the sum does not depend on the threads.
pub(super) fn weight_gradient<T: Real>(p: &Problem, x: &[T], gy: &[T]) -> Vec<T> {
    let groups = p.geometry.groups;
    let lowering = Lowering::forward(p, p.group_inputs());
    let size = p.group_outputs() * lowering.taps.len();
    let mut gw = vec![T::ZERO; groups * size];
    for image in 0..p.batch {
        for (group, gw) in gw.chunks_exact_mut(size).enumerate() {
            let (inputs, outputs) = (p.group_inputs(), p.group_outputs());
            let part = image * groups + group;
            let x = &x[part * inputs * p.input_pixels()..][..inputs * p.input_pixels()];
            let gy = &gy[part * outputs * p.output_pixels()..][..outputs * p.output_pixels()];
            add_image(&lowering, outputs, &lowering.source(x), gy, gw);
        }
    }
    gw
}

/// Adds one image's share to `gw`.
fn add_image<T: Real>(lowering: &Lowering, outputs: usize, source: &[T], gy: &[T], gw: &mut [T]) {
    let taps = lowering.taps.len();
    let panels = taps.div_ceil(WIDTH);
    let panels_a_task = panels.div_ceil(TASKS).min(MOST_PANELS);
    let panel_groups = panels.div_ceil(panels_a_task);
    let blocks = lowering.pixels.len().div_ceil(PIXELS);
    let blocks_a_slab = blocks.div_ceil((TASKS / panel_groups).max(1));
    let slabs = blocks.div_ceil(blocks_a_slab);
    let partial: Vec<Vec<T>> = (0..slabs * panel_groups)
        .into_par_iter()
        .map(|task| {
            let first = (task % panel_groups) * panels_a_task;
            let panels = first..panels.min(first + panels_a_task);
            let start = (task / panel_groups) * blocks_a_slab * PIXELS;
            let pixels = start..lowering.pixels.len().min(start + blocks_a_slab * PIXELS);
            simd::vectorised(
                #[inline(always)]
                || slab(lowering, outputs, source, gy, panels, pixels),
            )
        })
        .collect();
    // Slab by slab, in order.
    for (task, tiles) in partial.iter().enumerate() {
        let first = (task % panel_groups) * panels_a_task * WIDTH;
        let width = tiles.len() / outputs.next_multiple_of(HEIGHT);
        for (row, gw) in gw.chunks_exact_mut(taps).enumerate() {
            let row = &tiles[row * width..][..width];
            gw[first..].iter_mut().zip(row).for_each(|(gw, &sum)| *gw += sum);
        }
    }
}

/// The product over some pixels for some panels, as rows of `panels.len() * WIDTH`.
#[inline(always)]
fn slab<T: Real>(
    lowering: &Lowering,
    outputs: usize,
    source: &[T],
    gy: &[T],
    panels: std::ops::Range<usize>,
    pixels: std::ops::Range<usize>,
) -> Vec<T> {
    let all = lowering.pixels.len();
    let bands = outputs.div_ceil(HEIGHT);
    let width = panels.len() * WIDTH;
    let mut sums = vec![T::ZERO; bands * HEIGHT * width];
    let mut rows = vec![T::ZERO; bands * HEIGHT * PIXELS];
    let mut columns = [T::ZERO; WIDTH * PIXELS];
    for start in pixels.clone().step_by(PIXELS) {
        let block = start..pixels.end.min(start + PIXELS);
        let len = block.len();
        for (channel, gy) in gy.chunks_exact(all).enumerate() {
            let band = &mut rows[(channel / HEIGHT) * len * HEIGHT..][..len * HEIGHT];
            let lane = band[channel % HEIGHT..].iter_mut().step_by(HEIGHT);
            lane.zip(&gy[block.clone()]).for_each(|(to, &from)| *to = from);
        }
        for (j, panel) in panels.clone().enumerate() {
            let columns = &mut columns[..len * WIDTH];
            lowering.pack_rows(source, panel * WIDTH, &lowering.pixels[block.clone()], columns);
            for (b, band) in rows.chunks_exact(len * HEIGHT).take(bands).enumerate() {
                let tile = tile::product(band, columns);
                for (i, tile) in tile.iter().enumerate() {
                    let to = &mut sums[(b * HEIGHT + i) * width + j * WIDTH..][..WIDTH];
                    to.iter_mut().zip(tile).for_each(|(to, &sum)| *to += sum);
                }
            }
        }
    }
    sums
}
