//! From the planes of a picture to the frequencies of its tiles, as the gradient of the weights
//! multiplies them: the sum runs along the tiles, so some channels lie side by side.

use std::ops::Range;

use super::Winograd;
use super::plane::{Plane, Share, Sizes};
use super::transform::FREQUENCIES;
use crate::array::DisjointWriter;
use crate::conv::turned::Turned;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Vector};
use crate::tasks::for_each_task;

/// Where frequencies go: `[frequency][panel][tile][channel]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Values of a frequency.
    pub(super) len: usize,
    /// Those of a frequency; the steps are the tiles of the block.
    pub(super) turned: Turned,
}

/// Fills `to` with the frequencies of some tiles of a batch, which are of `LINES` lines.
pub(super) fn transform<T: Real, V: Vector<T>, const LINES: usize>(
    winograd: &Winograd,
    x: &[T],
    tiles: Range<usize>,
    layout: Layout,
    to: &mut [T],
) {
    let (inputs, images) = (winograd.inputs, winograd.images(&tiles));
    let plane = winograd.input[0] * winograd.input[1];
    let writer = DisjointWriter::new(to);
    let group = layout.turned.group::<T, V>();
    let groups = inputs.div_ceil(group);
    for_each_task(images.len() * groups, |task| {
        let (image, channel) = (images.start + task / groups, task % groups * group);
        let channels = channel..inputs.min(channel + group);
        let part = Part {
            x: &x[(image * inputs + channels.start) * plane..][..channels.len() * plane],
            share: winograd.share(image, &tiles),
            channels,
            layout,
            to: &writer,
        };
        simd::vectorised(
            #[inline(always)]
            || part.run::<V, LINES>(),
        );
    });
}

/// The share of some channels of an image.
struct Part<'a, T> {
    share: Share<'a>,
    x: &'a [T],
    channels: Range<usize>,
    layout: Layout,
    to: &'a DisjointWriter<'a, T>,
}

impl<T: Real> Part<'_, T> {
    #[inline(always)]
    fn run<V: Vector<T>, const LINES: usize>(&self) {
        let w = self.share.winograd;
        let sizes = Sizes::of::<T, V>(w);
        let (channels, plane) = (self.channels.len(), w.input[0] * w.input[1]);
        let (seen, size) = (sizes.lines(LINES), sizes.frequencies());
        let mut scratch = Scratch::new(channels * (seen + size));
        let mut columns = vec![None; sizes.width];
        let (lines, staged) = scratch.values().split_at_mut(channels * seen);
        let rows = self.share.rows();
        for row in rows.clone() {
            let parts = lines.chunks_exact_mut(seen).zip(staged.chunks_exact_mut(size));
            for (x, (lines, staged)) in self.x.chunks_exact(plane).zip(parts) {
                let plane = Plane { winograd: w, x };
                plane.row::<V, LINES>(row, row > rows.start, sizes, lines, staged);
            }
            self.find_columns(row, &mut columns);
            for (vector, columns) in columns.chunks_exact(V::LANES).enumerate() {
                self.put::<V>(&staged[vector * V::LANES..], sizes, columns);
            }
        }
    }

    /// The columns of a row of tiles, as they are staged; there are gaps between its pictures.
    #[inline(always)]
    fn find_columns(&self, row: usize, columns: &mut [Option<usize>]) {
        columns.fill(None);
        // All columns of the block are one panel.
        self.share.pieces(row, self.layout.turned.steps, |piece| {
            let place = &mut columns[piece.from..piece.from + piece.count];
            place.iter_mut().zip(piece.column..).for_each(|(to, column)| *to = Some(column));
        });
    }

    /// A vector of tiles of each frequency of all channels.
    #[inline(always)]
    fn put<V: Vector<T>>(&self, staged: &[T], sizes: Sizes, columns: &[Option<usize>]) {
        for f in 0..FREQUENCIES {
            #[expect(unsafe_code, reason = "tasks share the result")]
            // SAFETY: this task alone owns these tiles of its channels, in every frequency.
            unsafe {
                self.layout.turned.put::<T, V>(
                    self.channels.clone(),
                    #[inline(always)]
                    |channel| {
                        let first = (channel - self.channels.start) * sizes.frequencies();
                        V::load(&staged[first + f * sizes.width..])
                    },
                    #[inline(always)]
                    |lane| columns[lane],
                    self.to,
                    f * self.layout.len,
                );
            }
        }
    }
}
