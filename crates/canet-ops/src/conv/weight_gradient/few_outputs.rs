//! Where there are few output channels: to turn what the taps see would cost more than to multiply it.

use std::ops::Range;

use super::dots::{Lines, MOST_ROWS, Operands, Table};
use crate::conv::lowering::Lowering;
use crate::geometry::Problem;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, MOST_LANES, Vector};
use crate::tasks::map_tasks;

/// Most output channels.
const MOST_OUTPUTS: usize = 32;
/// Most weights: their sums are taken up again for each block.
const MOST_WEIGHTS: usize = 1 << 15;
/// Most values of what a block sees: half of a second-level cache (1 MiB).
const COPY: usize = 1 << 17;
/// Most pixels of a block: a few rows of gradients stay in the first-level cache.
const BLOCK: usize = 1 << 10;
/// Parts that a batch is cut into, about.
const SLABS: usize = 16;

/// Whether a convolution's weights are to be summed this way.
pub(super) fn suits(p: &Problem) -> bool {
    p.outputs <= MOST_OUTPUTS
        && p.outputs * p.inputs * p.kernel_size() <= MOST_WEIGHTS
        && p.geometry.groups == 1
}

/// `gw[o][tap]`, see [`super::weight_gradient`]. The pixels are cut into slabs by shape alone, whose sums are added in order, so
/// the result does not depend on the threads.
pub(super) fn sum<T: Real, V: Vector<T>, const W: usize>(p: &Problem, x: &[T], gy: &[T]) -> Vec<T> {
    let work = Work::new(p);
    let height = p.output[0];
    let rows_a_slab = height.div_ceil(SLABS.div_ceil(p.batch)).next_multiple_of(work.rows);
    let slabs = height.div_ceil(rows_a_slab);
    let of_slabs = map_tasks(p.batch * slabs, 1, |task| {
        let (image, first) = (task / slabs, task % slabs * rows_a_slab);
        let rows = first..height.min(first + rows_a_slab);
        let (inputs, outputs) = (p.inputs * p.input_pixels(), p.outputs * p.output_pixels());
        let x = &x[image * inputs..][..inputs];
        let gy = &gy[image * outputs..][..outputs];
        simd::vectorised(
            #[inline(always)]
            || work.slab::<T, V, W>(x, gy, rows),
        )
    });
    let zero = vec![0.0; p.outputs * work.lowering.taps.len()];
    let gw = of_slabs.into_iter().fold(zero, |mut gw, slab| {
        gw.iter_mut().zip(slab).for_each(|(gw, sum)| *gw += sum);
        gw
    });
    gw.into_iter().map(T::of_f64).collect()
}

struct Work<'a> {
    problem: &'a Problem,
    /// Of the rows of a block.
    lowering: Lowering,
    /// Rows of a block.
    rows: usize,
}

impl<'a> Work<'a> {
    fn new(p: &'a Problem) -> Self {
        // What a block sees grows by the same with each row.
        let [one, two] = [1, 2].map(|rows| Lowering::of_rows(p, p.inputs, rows).source_len());
        let fitting = 1 + COPY.saturating_sub(one) / (two - one);
        let rows = fitting.min(BLOCK / p.output[1]).clamp(1, p.output[0]);
        Self { problem: p, lowering: Lowering::of_rows(p, p.inputs, rows), rows }
    }

    /// The sums over some rows of an image.
    #[inline(always)]
    fn slab<T: Real, V: Vector<T>, const W: usize>(
        &self,
        x: &[T],
        gy: &[T],
        rows: Range<usize>,
    ) -> Vec<f64> {
        let (p, lowering) = (self.problem, &self.lowering);
        let (width, plane) = (p.output[1], p.output_pixels());
        let lines = |count| Lines { count, width, pitch: lowering.pitch };
        let table = Table { rows: p.outputs, taps: lowering.taps.len() };
        let (seen, sums) = (lowering.source_len() + MOST_LANES, table.len::<T, V>());
        let mut scratch = Scratch::new(seen + sums + MOST_ROWS * lines(self.rows).len());
        let (source, rest) = scratch.values().split_at_mut(seen);
        let (lanes, gradients) = rest.split_at_mut(sums);
        source[lowering.source_len()..].fill(T::ZERO);
        lanes.fill(T::ZERO);
        for first in rows.clone().step_by(self.rows) {
            let lines = lines(self.rows.min(rows.end - first));
            lowering.fill_rows(x, first, source);
            for group in table.groups::<W>() {
                for (channel, row) in group.clone().zip(gradients.chunks_exact_mut(lines.len())) {
                    let gy = gy[channel * plane + first * width..].chunks_exact(width);
                    for (to, from) in row.chunks_mut(lines.pitch).zip(gy.take(lines.count)) {
                        to[..width].copy_from_slice(from);
                    }
                    lines.clear_between(row);
                }
                let source = &source[lowering.pixels[0]..];
                let operands = Operands { gradients, source, lines };
                table.add::<T, V>(&group, operands, &lowering.taps, lanes);
            }
        }
        table.total::<T, V, W>(lanes)
    }
}
