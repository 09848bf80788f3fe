//! A picture as lines of channels: a pixel has a line of 32 channels' upper halves, and one of their lower halves.

use super::halves::{Halves, by_halves, put_turned};
use super::unit::{LINE, SIDE};
use crate::array::DisjointWriter;
use crate::simd::MOST_LANES;
use crate::tasks::for_each_task;

/// How the lines of a picture lie, with the zeros around it: block of channels by block, row by row, of a row the
/// upper halves, then the lower ones. Neighbours in a row are neighbouring lines.
#[derive(Debug)]
pub(super) struct Image {
    channels: usize,
    size: [usize; 2],
    /// Zeros above and left of the picture.
    before: [usize; 2],
    /// Rows with the zeros around them.
    rows: usize,
    /// Lines of a row's halves: pixels with the zeros around them, in whole vectors.
    pitch: usize,
}

impl Image {
    /// For a picture of `channels` and `size`; `extent` is that with all zeros around it.
    pub(super) fn new(
        channels: usize,
        size: [usize; 2],
        before: [usize; 2],
        extent: [usize; 2],
    ) -> Self {
        let pitch = extent[1].next_multiple_of(LINE);
        Self { channels, size, before, rows: extent[0], pitch }
    }

    /// Words of all lines, and of those that a tile may see beyond them.
    pub(super) fn len(&self) -> usize {
        self.channels.div_ceil(SIDE) * self.block() + LINE * LINE
    }

    /// Words of a block of channels.
    pub(super) fn block(&self) -> usize {
        self.rows * self.row()
    }

    /// Words of a row.
    fn row(&self) -> usize {
        2 * self.half()
    }

    /// Words from upper halves to lower ones.
    pub(super) fn half(&self) -> usize {
        self.pitch * LINE
    }

    /// Where the upper halves of a pixel start in a block; rows and columns count the zeros around.
    pub(super) fn line(&self, [row, column]: [usize; 2]) -> usize {
        row * self.row() + column * LINE
    }

    /// Makes the lines of a picture `(C, H, W)`.
    pub(super) fn pack(&self, x: &[f32], lines: &mut [f32]) {
        let blocks = self.channels.div_ceil(SIDE);
        let (lines, beyond) = lines[..self.len()].split_at_mut(blocks * self.block());
        beyond.fill(0.0);
        let writer = DisjointWriter::new(lines);
        for_each_task(blocks * self.rows, |task| {
            #[expect(unsafe_code, reason = "tasks share the lines")]
            // SAFETY: this task alone owns this row of these channels.
            let to = unsafe { writer.slice_mut(task * self.row(), self.row()) };
            let channels = task / self.rows * SIDE..self.channels;
            match (task % self.rows).checked_sub(self.before[0]) {
                Some(row) if row < self.size[0] => {
                    by_halves!(V => self.pack_row::<V>(x, channels.take(SIDE), row, to));
                }
                _ => to.fill(0.0),
            }
        });
    }

    /// Makes the lines of a row of the picture.
    #[inline(always)]
    fn pack_row<V: Halves>(
        &self,
        x: &[f32],
        channels: impl Iterator<Item = usize>,
        row: usize,
        lines: &mut [f32],
    ) {
        let [height, width] = self.size;
        let mut rows = [&[][..]; SIDE];
        for (to, channel) in rows.iter_mut().zip(channels) {
            *to = &x[(channel * height + row) * width..][..width];
        }
        for column in (0..self.pitch).step_by(V::LANES) {
            for pair in (0..LINE).step_by(V::LANES) {
                let mut pairs = [[V::splat(0.0); 2]; MOST_LANES];
                for lane in 0..V::LANES {
                    for step in 0..2 {
                        let row = rows[2 * (pair + lane) + step];
                        pairs[lane][step] = cut(row, column, self.before[1]);
                    }
                }
                put_turned(pairs, self.half(), &mut lines[column * LINE + pair..]);
            }
        }
    }
}

/// A vector of a row from `column` on; `before` zeros lie before the row, and more behind it.
#[inline(always)]
fn cut<V: Halves>(row: &[f32], column: usize, before: usize) -> V {
    if column >= before && column - before + V::LANES <= row.len() {
        return V::load(&row[column - before..]);
    }
    let mut values = [0.0; MOST_LANES];
    for (lane, value) in values.iter_mut().enumerate().take(V::LANES) {
        if let Some(at) = (column + lane).checked_sub(before) {
            *value = row.get(at).copied().unwrap_or(0.0);
        }
    }
    V::load(&values)
}
