//! From the planes of a picture to the frequencies of its tiles, as the forward product has them.

use std::ops::Range;

use super::Winograd;
use super::plane::{Piece, Plane, Share, Sizes};
use super::transform::{FREQUENCIES, SIDE};
use crate::array::DisjointWriter;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Vector};
use crate::tasks::for_each_task;

/// Where frequencies go: `[frequency][panel][channel][column]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Values of a frequency.
    pub(super) len: usize,
    /// Columns of a panel.
    pub(super) columns: usize,
}

/// Fills `to` with the frequencies of some tiles of a batch.
pub(super) fn transform<T: Real, V: Vector<T>>(
    winograd: &Winograd,
    x: &[T],
    tiles: Range<usize>,
    layout: Layout,
    to: &mut [T],
) {
    let (inputs, images) = (winograd.inputs, winograd.images(&tiles));
    let plane = winograd.input[0] * winograd.input[1];
    let writer = DisjointWriter::new(to);
    for_each_task(images.len() * inputs, |task| {
        let (image, channel) = (images.start + task / inputs, task % inputs);
        let part = Part {
            plane: Plane { winograd, x: &x[(image * inputs + channel) * plane..][..plane] },
            share: winograd.share(image, &tiles),
            channel,
            layout,
            to: &writer,
        };
        simd::vectorised(
            #[inline(always)]
            || part.run::<V>(),
        );
    });
}

/// One plane's share.
struct Part<'a, T> {
    plane: Plane<'a, T>,
    share: Share<'a>,
    channel: usize,
    layout: Layout,
    to: &'a DisjointWriter<'a, T>,
}

impl<T: Real> Part<'_, T> {
    #[inline(always)]
    fn run<V: Vector<T>>(&self) {
        let sizes = Sizes::of::<T, V>(self.plane.winograd);
        let mut scratch = Scratch::new(sizes.lines(SIDE) + sizes.frequencies());
        let (staged, lines) = scratch.values().split_at_mut(sizes.frequencies());
        let rows = self.share.rows();
        for row in rows.clone() {
            // The lines of a row come from afar: they are asked for a row ahead.
            self.prefetch_row(row + 1);
            self.plane.row::<V, SIDE>(row, row > rows.start, sizes, lines, staged);
            self.put_row(row, staged, sizes.width);
        }
    }

    /// Copies the frequencies of a row of tiles to their columns.
    #[inline(always)]
    fn put_row(&self, row: usize, staged: &[T], width: usize) {
        self.share.pieces(
            row,
            self.layout.columns,
            #[inline(always)]
            |piece| match piece.count {
                48 => self.put::<48>(staged, width, piece),
                32 => self.put::<32>(staged, width, piece),
                16 => self.put::<16>(staged, width, piece),
                8 => self.put::<8>(staged, width, piece),
                4 => self.put::<4>(staged, width, piece),
                _ => self.put::<0>(staged, width, piece),
            },
        );
    }

    /// Asks for the cache lines that a row of tiles will be written to.
    #[inline(always)]
    fn prefetch_row(&self, row: usize) {
        self.share.pieces(
            row,
            self.layout.columns,
            #[inline(always)]
            |piece| {
                for f in 0..FREQUENCIES {
                    self.to.prefetch(f * self.layout.len + self.place(piece), piece.count);
                }
            },
        );
    }

    /// Where a piece lies in a frequency.
    #[inline(always)]
    fn place(&self, piece: Piece) -> usize {
        let (panel, column) = (self.layout.columns, piece.column);
        (column / panel * self.plane.winograd.inputs + self.channel) * panel + column % panel
    }

    /// A piece of each frequency; a usual number of tiles is known to the compiler as `N`.
    #[inline(always)]
    fn put<const N: usize>(&self, staged: &[T], width: usize, piece: Piece) {
        let count = if N > 0 { N } else { piece.count };
        let place = self.place(piece);
        for (f, staged) in staged.chunks_exact(width).enumerate() {
            #[expect(unsafe_code, reason = "tasks share the result")]
            // SAFETY: this task alone owns these columns of its channel, in every frequency.
            let to = unsafe { self.to.slice_mut(f * self.layout.len + place, count) };
            to.copy_from_slice(&staged[piece.from..][..count]);
        }
    }
}
