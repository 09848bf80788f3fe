//! A plane of a picture, row of tiles by row of tiles, as frequencies.

use std::ops::Range;

use super::Winograd;
use super::transform::{self, FREQUENCIES, SIDE, STEP};
use crate::real::Real;
use crate::simd::Vector;

/// One channel of one image. Its tiles are of `LINES` lines: six for the
/// inputs of a convolution, four for the gradient of its outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plane<'a, T> {
    pub(super) winograd: &'a Winograd,
    pub(super) x: &'a [T],
}

/// How the frequencies of a row of tiles lie while they are worked on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Vectors of tiles. Side by side lie those of the pictures that dilation makes, each with a gap of
    /// one tile after it.
    vectors: usize,
    /// Tiles, and what fills up the last vector: those of a frequency.
    pub(super) width: usize,
    /// Values of a line.
    pitch: usize,
}

impl Sizes {
    pub(super) fn of<T: Real, V: Vector<T>>(winograd: &Winograd) -> Self {
        let vectors = (winograd.dilation * (winograd.tiles[1] + 1) - 1).div_ceil(V::LANES);
        let width = vectors * V::LANES;
        Self { vectors, width, pitch: width * STEP + STEP }
    }

    /// Values of the lines that a row of tiles sees.
    pub(super) fn lines(&self, lines: usize) -> usize {
        lines * self.pitch
    }

    /// Values of the frequencies of a row of tiles.
    pub(super) fn frequencies(&self) -> usize {
        FREQUENCIES * self.width
    }
}

/// Some tiles of a block that are neighbours in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    /// The first in the row, with the gaps between the pictures.
    pub(super) from: usize,
    /// The first among the columns of the block.
    pub(super) column: usize,
    pub(super) count: usize,
}

/// The tiles of an image that are among those of a block.
#[derive(Debug, Clone)]
pub(super) struct Share<'a> {
    pub(super) winograd: &'a Winograd,
    /// Counted within the image.
    tiles: Range<usize>,
    /// Where the image's first tile lies among the columns of the block; negative if it is not among
    /// them.
    first: isize,
}

impl Winograd {
    /// The images that some tiles of a batch are of.
    pub(super) fn images(&self, tiles: &Range<usize>) -> Range<usize> {
        tiles.start / self.count()..tiles.end.div_ceil(self.count())
    }

    /// The share of an image in a block of `tiles`, which has some of its own.
    pub(super) fn share(&self, image: usize, tiles: &Range<usize>) -> Share<'_> {
        let start = image * self.count();
        Share {
            winograd: self,
            tiles: tiles.start.max(start) - start..tiles.end.min(start + self.count()) - start,
            first: start as isize - tiles.start as isize,
        }
    }
}

impl Share<'_> {
    /// The rows of tiles, the first and the last perhaps in part.
    #[inline(always)]
    pub(super) fn rows(&self) -> Range<usize> {
        let row = self.winograd.row();
        self.tiles.start / row..self.tiles.end.div_ceil(row)
    }

    /// Calls `with` for each piece of a row of tiles, cut where `panel` columns of the block end.
    #[inline(always)]
    pub(super) fn pieces(&self, row: usize, panel: usize, mut with: impl FnMut(Piece)) {
        let w = self.winograd;
        for picture in 0..w.dilation {
            let start = row * w.row() + picture * w.tiles[1];
            let end = (start + w.tiles[1]).min(self.tiles.end);
            let mut tile = start.max(self.tiles.start);
            while tile < end {
                let column = (self.first + tile as isize) as usize;
                let count = (panel - column % panel).min(end - tile);
                let from = picture * (w.tiles[1] + 1) + tile - start;
                with(Piece { from, column, count });
                tile += count;
            }
        }
    }
}

impl<T: Real> Plane<'_, T> {
    /// The frequencies of a row of tiles, `staged[frequency * width + tile]`. `lines` is the place of
    /// what the row sees; `is_next` if it still holds what the row above saw.
    #[inline(always)]
    pub(super) fn row<V: Vector<T>, const LINES: usize>(
        &self,
        row: usize,
        is_next: bool,
        sizes: Sizes,
        lines: &mut [T],
        staged: &mut [T],
    ) {
        let (phase, tile) = (row / self.winograd.tiles[0], row % self.winograd.tiles[0]);
        let pitch = sizes.pitch;
        // The last lines of a tile may be the first of the tile below.
        let known = if is_next && tile > 0 { LINES - STEP } else { 0 };
        lines.copy_within(STEP * pitch..(STEP + known) * pitch, 0);
        for (i, line) in lines.chunks_exact_mut(pitch).enumerate().skip(known) {
            self.line::<V>(phase, tile * STEP + i, line);
        }
        for vector in 0..sizes.vectors {
            transform_vector::<T, V, LINES>(lines, pitch, vector, staged, sizes.width);
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
