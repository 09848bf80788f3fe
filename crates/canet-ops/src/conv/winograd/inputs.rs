//! From the planes of a picture to the frequencies of its tiles.

use std::ops::Range;

use rayon::prelude::*;

use super::Winograd;
use super::transform::{self, FREQUENCIES, SIDE, STEP};
use crate::array::DisjointWriter;
use crate::real::Real;
use crate::scratch::Scratch;
use crate::simd::{self, Vector};

/// Where frequencies go: `[frequency][panel][channel][column]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Values of a frequency.
    pub(super) len: usize,
    /// Columns of a panel.
    pub(super) columns: usize,
}

/// Fills `to` with the frequencies of some tiles of a batch. The tiles are of `LINES` lines: six
/// for the inputs of a convolution, four for the gradient of its outputs.
pub(super) fn transform<T: Real, V: Vector<T>, const LINES: usize>(
    winograd: &Winograd,
    x: &[T],
    tiles: Range<usize>,
    layout: Layout,
    to: &mut [T],
) {
    let (count, inputs) = (winograd.count(), winograd.inputs);
    let plane = winograd.input[0] * winograd.input[1];
    let writer = DisjointWriter::new(to);
    let images = tiles.start / count..tiles.end.div_ceil(count);
    (0..images.len() * inputs).into_par_iter().for_each(|task| {
        let (image, channel) = (images.start + task / inputs, task % inputs);
        let first = image * count;
        let part = Part {
            winograd,
            x: &x[(image * inputs + channel) * plane..][..plane],
            tiles: tiles.start.max(first) - first..tiles.end.min(first + count) - first,
            column: first as isize - tiles.start as isize,
            channel,
            layout,
            to: &writer,
        };
        simd::vectorised(
            #[inline(always)]
            || part.run::<V, LINES>(),
        );
    });
}

/// One plane's share.
struct Part<'a, T> {
    winograd: &'a Winograd,
    x: &'a [T],
    /// Counted within the image.
    tiles: Range<usize>,
    /// Where the image's first tile lies among all columns; negative if it is not among them.
    column: isize,
    channel: usize,
    layout: Layout,
    to: &'a DisjointWriter<'a, T>,
}

impl<T: Real> Part<'_, T> {
    #[inline(always)]
    fn run<V: Vector<T>, const LINES: usize>(&self) {
        let w = self.winograd;
        // Side by side lie the pictures that dilation makes, each with a gap of one tile after it.
        let vectors = (w.dilation * (w.tiles[1] + 1) - 1).div_ceil(V::LANES);
        let pitch = vectors * V::LANES * STEP + STEP;
        let width = vectors * V::LANES;
        let mut scratch = Scratch::new(LINES * pitch + FREQUENCIES * width);
        let (staged, lines) = scratch.values().split_at_mut(FREQUENCIES * width);
        let rows = self.tiles.start / w.row()..self.tiles.end.div_ceil(w.row());
        for row in rows.clone() {
            // The lines of a row come from afar: they are asked for a row ahead.
            self.prefetch_row(row + 1);
            let (phase, tile) = (row / w.tiles[0], row % w.tiles[0]);
            // The last lines of a tile may be the first of the tile below.
            let known = if row > rows.start && tile > 0 { LINES - STEP } else { 0 };
            lines.copy_within(STEP * pitch..(STEP + known) * pitch, 0);
            for (i, line) in lines.chunks_exact_mut(pitch).enumerate().skip(known) {
                self.line::<V>(phase, tile * STEP + i, line);
            }
            for vector in 0..vectors {
                transform_vector::<T, V, LINES>(lines, pitch, vector, staged, width);
            }
            self.put_row(row, staged, width);
        }
    }

    /// Line `i` of the pictures made of every `dilation`-th row from `phase` on.
    #[inline(always)]
    fn line<V: Vector<T>>(&self, phase: usize, i: usize, line: &mut [T]) {
        let w = self.winograd;
        let d = w.dilation;
        let y = (phase + d * i) as isize - w.before[0];
        let Some(y) = usize::try_from(y).ok().filter(|&y| y < w.input[0]) else {
            line.fill(T::ZERO);
            return;
        };
        let x = &self.x[y * w.input[1]..][..w.input[1]];
        let segment = STEP * (w.tiles[1] + 1);
        line[d * segment..].fill(T::ZERO);
        // Under a usual dilation many columns are sorted into their pictures at a time.
        let sorted = match (d, usize::try_from(w.before[1])) {
            (2, Ok(before)) if before.is_multiple_of(2) => sort::<T, V, 2>(
                &mut line[..d * segment],
                segment,
                before / 2,
                x,
                #[inline(always)]
                |x| V::load_by_two(x),
            ),
            (4, Ok(before)) if before.is_multiple_of(4) => sort::<T, V, 4>(
                &mut line[..d * segment],
                segment,
                before / 4,
                x,
                #[inline(always)]
                |x| V::load_by_four(x),
            ),
            _ => 0,
        };
        for (phase, to) in line[..d * segment].chunks_exact_mut(segment).enumerate() {
            // Element `m` is `x[phase + d m - before]`.
            let before = w.before[1] - phase as isize;
            let first = usize::try_from(before).unwrap_or(0).div_ceil(d).min(segment);
            let start = ((d * first) as isize - before) as usize;
            let count = w.input[1].saturating_sub(start).div_ceil(d).min(segment - first);
            to[..first].fill(T::ZERO);
            to[first + count..].fill(T::ZERO);
            let inside = &mut to[first..first + count];
            if d == 1 {
                inside.copy_from_slice(&x[start..start + count]);
            } else {
                let done = sorted.min(count);
                let from = x.get(start + d * done..).unwrap_or_default().iter().step_by(d);
                inside[done..].iter_mut().zip(from).for_each(|(to, &from)| *to = from);
            }
        }
    }

    /// Copies the frequencies of a row of tiles to their columns.
    #[inline(always)]
    fn put_row(&self, row: usize, staged: &[T], width: usize) {
        self.pieces(
            row,
            #[inline(always)]
            |from, to, count| match count {
                48 => self.put::<48>(staged, width, from, to, count),
                32 => self.put::<32>(staged, width, from, to, count),
                16 => self.put::<16>(staged, width, from, to, count),
                8 => self.put::<8>(staged, width, from, to, count),
                4 => self.put::<4>(staged, width, from, to, count),
                _ => self.put::<0>(staged, width, from, to, count),
            },
        );
    }

    /// Asks for the cache lines that a row of tiles will be written to.
    #[inline(always)]
    fn prefetch_row(&self, row: usize) {
        self.pieces(
            row,
            #[inline(always)]
            |_, to, count| {
                for f in 0..FREQUENCIES {
                    self.to.prefetch(f * self.layout.len + to, count);
                }
            },
        );
    }

    /// Calls `with` for each piece of a row of tiles that lies in one panel: where it starts in the
    /// row, with a gap of one tile between the pictures, where it goes, and how many tiles it has.
    #[inline(always)]
    fn pieces(&self, row: usize, mut with: impl FnMut(usize, usize, usize)) {
        let (w, panel) = (self.winograd, self.layout.columns);
        for picture in 0..w.dilation {
            let first = row * w.row() + picture * w.tiles[1];
            let tiles = first.max(self.tiles.start)..(first + w.tiles[1]).min(self.tiles.end);
            let mut tile = tiles.start;
            while tile < tiles.end {
                let column = (self.column + tile as isize) as usize;
                let count = (panel - column % panel).min(tiles.end - tile);
                let from = picture * (w.tiles[1] + 1) + tile - first;
                let to = (column / panel * w.inputs + self.channel) * panel + column % panel;
                with(from, to, count);
                tile += count;
            }
        }
    }

    /// `count` values of each frequency; a usual count is known to the compiler as `N`.
    #[inline(always)]
    fn put<const N: usize>(
        &self,
        staged: &[T],
        width: usize,
        from: usize,
        to: usize,
        count: usize,
    ) {
        let count = if N > 0 { N } else { count };
        for (f, staged) in staged.chunks_exact(width).enumerate() {
            #[expect(unsafe_code, reason = "tasks share the result")]
            // SAFETY: this task alone owns these columns of its channel, in every frequency.
            let to = unsafe { self.to.slice_mut(f * self.layout.len + to, count) };
            to.copy_from_slice(&staged[from..][..count]);
        }
    }
}

/// Sorts the columns of `x` into `D` segments of `line`, each from `first` on, as far as whole
/// vectors go; returns how many columns of each segment are done.
#[inline(always)]
fn sort<T: Real, V: Vector<T>, const D: usize>(
    line: &mut [T],
    segment: usize,
    first: usize,
    x: &[T],
    load: impl Fn(&[T]) -> [V; D],
) -> usize {
    let mut done = 0;
    while D * (done + V::LANES) <= x.len() && first + done + V::LANES <= segment {
        for (picture, values) in load(&x[D * done..]).into_iter().enumerate() {
            values.store(&mut line[picture * segment + first + done..]);
        }
        done += V::LANES;
    }
    done
}

/// The frequencies of a vector of tiles: tile `l` has the columns from `4 l` on, as many as lines.
#[inline(always)]
fn transform_vector<T: Real, V: Vector<T>, const LINES: usize>(
    lines: &[T],
    pitch: usize,
    vector: usize,
    staged: &mut [T],
    width: usize,
) {
    let staged = &mut staged[vector * V::LANES..];
    let mut x = [[V::splat(T::ZERO); SIDE]; SIDE];
    for (x, line) in x.iter_mut().zip(lines.chunks_exact(pitch)) {
        let line = &line[vector * V::LANES * STEP..];
        [x[0], x[1], x[2], x[3]] = V::load_by_four(line);
        if LINES == SIDE {
            [x[4], x[5], _, _] = V::load_by_four(&line[STEP..]);
        }
    }
    if LINES == SIDE {
        transform::input_tiles::<T, V>(
            &x,
            #[inline(always)]
            |f, value| value.store(&mut staged[f * width..]),
        );
    } else {
        transform::gradient_tiles::<T, V>(
            &x,
            #[inline(always)]
            |f, value| value.store(&mut staged[f * width..]),
        );
    }
}
