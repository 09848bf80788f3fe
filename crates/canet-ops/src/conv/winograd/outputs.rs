//! The products of frequencies, and from them to the pixels of the output.

use std::ops::Range;

use super::transform::{self, FREQUENCIES, STEP};
use super::{BANDS, Frequencies, PANELS, Winograd};
use crate::array::DisjointWriter;
use crate::conv::after::After;
use crate::conv::tile::{Sums, TileShape, Used};
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Vector};
use crate::tasks::for_each_task;

/// Multiplies weights and `inputs`, `[frequency][panel][input][column]` of some tiles, and writes
/// the outputs of these tiles.
pub(super) fn multiply<T: Real, V: Vector<T>, const W: usize>(
    winograd: &Winograd,
    weights: &Frequencies<T>,
    inputs: &[T],
    tiles: Range<usize>,
    after: After<T>,
    y: &DisjointWriter<'_, T>,
) {
    let bands = winograd.outputs.div_ceil(TileShape::of::<T>().rows);
    let panels = tiles.len().div_ceil(W);
    // Tasks of about the same size: the last must not be left to one thread.
    let panels_a_task = panels.div_ceil(panels.div_ceil(PANELS));
    let shares = [panels.div_ceil(panels_a_task), bands.div_ceil(BANDS)];
    for_each_task(shares[0] * shares[1], |task| {
        let [panel, band] = [task / shares[1] * panels_a_task, task % shares[1] * BANDS];
        let task = Task {
            winograd,
            weights,
            inputs,
            tiles: tiles.clone(),
            after,
            y,
            panels: panel..panels.min(panel + panels_a_task),
            bands: band..bands.min(band + BANDS),
        };
        simd::vectorised(
            #[inline(always)]
            || task.run::<V, W>(),
        );
    });
}

/// Some panels by some bands.
struct Task<'a, T> {
    winograd: &'a Winograd,
    weights: &'a Frequencies<T>,
    inputs: &'a [T],
    /// Of all panels, counted over the batch.
    tiles: Range<usize>,
    after: After<'a, T>,
    y: &'a DisjointWriter<'a, T>,
    panels: Range<usize>,
    bands: Range<usize>,
}

/// Neighbouring tiles in a row, some columns of a panel.
#[derive(Clone, Copy, Default)]
struct Piece {
    image: usize,
    /// First row and column of the output, and how many columns there are.
    place: [usize; 2],
    columns: usize,
    /// First of these columns in a panel's rows.
    from: usize,
}

impl<T: Real> Task<'_, T> {
    #[inline(always)]
    fn run<V: Vector<T>, const W: usize>(&self) {
        let rows = TileShape::of::<T>().rows;
        let size = size_of::<Sums<T>>() / size_of::<T>();
        let blocks = self.panels.len() * self.bands.len();
        let mut scratch = Scratch::new(blocks * FREQUENCIES * size);
        let products = scratch.values();
        self.products::<W>(products.as_chunks_mut().0);
        let mut lines = [[[T::ZERO; STEP]; W]; STEP];
        let mut row = [[T::ZERO; STEP]; W];
        for (i, block) in products.chunks_exact(FREQUENCIES * size).enumerate() {
            let panel = self.panels.start + i / self.bands.len();
            let first = (self.bands.start + i % self.bands.len()) * rows;
            let (pieces, count) = self.pieces::<W>(panel);
            let columns = W.min(self.tiles.len() - panel * W);
            for channel in first..self.winograd.outputs.min(first + rows) {
                let from = (channel - first) * W;
                let products = &block[from..];
                Self::lines::<V, W>(products, columns, &mut lines);
                self.channel::<V, W>(&lines, &mut row, channel, &pieces[..count]);
            }
        }
    }

    /// The tiles `[panel][band][frequency]`.
    #[inline(always)]
    fn products<const W: usize>(&self, products: &mut [Sums<T>]) {
        let rows = TileShape::of::<T>().rows;
        let steps = self.winograd.inputs;
        let inputs_len = self.tiles.len().next_multiple_of(W) * steps + super::SKEW;
        for f in 0..FREQUENCIES {
            let weights = &self.weights.values[f * self.weights.len..][..self.weights.len];
            let inputs = &self.inputs[f * inputs_len..][..inputs_len];
            for (j, band) in self.bands.clone().enumerate() {
                let used_rows = rows.min(self.winograd.outputs - band * rows);
                let band = &weights[band * steps * rows..][..steps * rows];
                for (i, panel) in self.panels.clone().enumerate() {
                    let columns = W.min(self.tiles.len() - panel * W);
                    let panel = &inputs[panel * steps * W..][..steps * W];
                    let sums = &mut products[(i * self.bands.len() + j) * FREQUENCIES + f];
                    let used = Used { rows: used_rows, columns };
                    T::product::<true>(band, panel, used, sums);
                }
            }
        }
    }

    /// The pieces of a panel.
    #[inline(always)]
    fn pieces<const W: usize>(&self, panel: usize) -> ([Piece; W], usize) {
        let w = self.winograd;
        let mut pieces = [Piece::default(); W];
        let (mut count, first) = (0, self.tiles.start + panel * W);
        let (mut tile, end) = (first, self.tiles.end.min(first + W));
        while tile < end {
            let (image, within) = (tile / w.count(), tile % w.count());
            let (row, column) = (within / w.row(), within % w.row());
            let (picture, column) = (column / w.tiles[1], column % w.tiles[1]);
            let len = (w.tiles[1] - column).min(end - tile);
            let y = row / w.tiles[0] + w.dilation * STEP * (row % w.tiles[0]);
            let x = picture + w.dilation * STEP * column;
            let columns = w.output[1].saturating_sub(x).div_ceil(w.dilation).min(STEP * len);
            pieces[count] = Piece { image, place: [y, x], columns, from: STEP * (tile - first) };
            count += 1;
            tile += len;
        }
        (pieces, count)
    }

    /// Four lines of the output, each `STEP` columns a tile, for some columns of one channel of a
    /// panel: `products[frequency * size + column]`.
    #[inline(always)]
    fn lines<V: Vector<T>, const W: usize>(
        products: &[T],
        columns: usize,
        lines: &mut [[[T; STEP]; W]; STEP],
    ) {
        let size = size_of::<Sums<T>>() / size_of::<T>();
        for from in (0..columns).step_by(V::LANES) {
            let tiles = transform::output_tiles::<T, V>(
                #[inline(always)]
                |f| V::load(&products[f * size + from..]),
            );
            for (line, tiles) in lines.iter_mut().zip(tiles) {
                V::store_by_four(tiles, line[from..].as_flattened_mut());
            }
        }
    }

    /// Writes the lines of one channel of one panel; `row` is a place to work in.
    #[inline(always)]
    fn channel<V: Vector<T>, const W: usize>(
        &self,
        lines: &[[[T; STEP]; W]; STEP],
        row: &mut [[T; STEP]; W],
        channel: usize,
        pieces: &[Piece],
    ) {
        let bias = self.after.bias_of(channel);
        let mut pieces = pieces;
        while let Some(first) = pieces.first() {
            // Under dilation the pieces that make a whole row are stored as one.
            let count = if self.is_whole_row(pieces) { self.winograd.dilation } else { 1 };
            for (i, line) in lines.iter().enumerate() {
                let y = first.place[0] + i * self.winograd.dilation;
                if y >= self.winograd.output[0] {
                    break;
                }
                let line = line.as_flattened();
                let start = self.start(channel, first, y);
                if count == 1 {
                    let line = &line[first.from..][..first.columns];
                    self.store::<V>(line, start, first.place[1], bias);
                } else {
                    join::<T, V, W>(line, &pieces[..count], row);
                    let row = &row.as_flattened()[..self.winograd.output[1]];
                    self.store_row::<V>(row, start, bias);
                }
            }
            pieces = &pieces[count..];
        }
    }

    /// Whether the first pieces are all columns of their rows, those of each picture that dilation
    /// makes in turn.
    #[inline(always)]
    fn is_whole_row(&self, pieces: &[Piece]) -> bool {
        let w = self.winograd;
        let columns = |picture: usize| w.output[1].saturating_sub(picture).div_ceil(w.dilation);
        w.dilation > 1
            && pieces.len() >= w.dilation
            && (0..w.dilation).all(|picture| {
                let piece = &pieces[picture];
                piece.image == pieces[0].image
                    && piece.place == [pieces[0].place[0], picture]
                    && piece.columns == columns(picture)
            })
    }

    /// Where row `y` of a piece's picture starts in the result.
    #[inline(always)]
    fn start(&self, channel: usize, piece: &Piece, y: usize) -> usize {
        let w = self.winograd;
        ((piece.image * w.outputs + channel) * w.output[0] + y) * w.output[1]
    }

    /// Writes a whole row of the output, or without dilation a part of it.
    #[inline(always)]
    fn store_row<V: Vector<T>>(&self, line: &[T], at: usize, bias: T) {
        #[expect(unsafe_code, reason = "tasks share the result")]
        // SAFETY: this task alone owns the pixels of these tiles in these channels.
        let to = unsafe { self.y.slice_mut(at, line.len()) };
        self.after.store::<V>(to, line, bias, at);
    }

    /// Writes a line of a piece into the row from `start`, from column `x` on. Under dilation its
    /// pixels lie between those of others, so they are taken one by one.
    #[inline(always)]
    fn store<V: Vector<T>>(&self, line: &[T], start: usize, x: usize, bias: T) {
        if self.winograd.dilation == 1 {
            return self.store_row::<V>(line, start + x, bias);
        }
        for (i, value) in line.iter().enumerate() {
            let at = start + x + i * self.winograd.dilation;
            self.store_row::<V>(std::slice::from_ref(value), at, bias);
        }
    }
}

/// Puts the columns of some pieces where they belong in a row.
#[inline(always)]
fn join<T: Real, V: Vector<T>, const W: usize>(
    line: &[T],
    pieces: &[Piece],
    row: &mut [[T; STEP]; W],
) {
    let row = row.as_flattened_mut();
    let columns = pieces[0].columns;
    // Whole vectors; what they hold past the end of a piece is not stored.
    let room = row.len();
    let fit = |done: usize| {
        done < columns
            && pieces.len() * (done + V::LANES) <= room
            && pieces.iter().all(|piece| piece.from + done + V::LANES <= line.len())
    };
    let mut done = 0;
    while matches!(pieces.len(), 2 | 4) && fit(done) {
        let at = |picture: usize| V::load(&line[pieces[picture].from + done..]);
        let to = &mut row[pieces.len() * done..];
        if pieces.len() == 2 {
            V::store_by_two([at(0), at(1)], to);
        } else {
            V::store_by_four([at(0), at(1), at(2), at(3)], to);
        }
        done += V::LANES;
    }
    for (picture, piece) in pieces.iter().enumerate() {
        for column in done..piece.columns {
            row[picture + pieces.len() * column] = line[piece.from + column];
        }
    }
}
