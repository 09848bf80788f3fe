//! The context that tiles share: the global averages of the whole picture, taken tile by tile.
//!
//! Each average depends on those before it, so the tiles are gone through once for each; within such
//! a round every pixel of the picture counts in one tile.

use std::ops::Range;

use image::RgbImage;
use image::imageops::{crop_imm, flip_horizontal};

use super::tiles::middles;
use super::views::Predictor;
use crate::Result;
use crate::frozen::{Averages, Part, Sums};

/// A picture and where its tiles are.
pub(super) struct Tiles<'a> {
    pub(super) picture: &'a RgbImage,
    /// Where they begin: rows, columns.
    pub(super) grid: [Vec<usize>; 2],
    /// Height and width of each.
    pub(super) size: [usize; 2],
}

/// The global averages that tiles are told, upright and mirrored.
#[derive(Default)]
pub(super) struct Told {
    pub(super) upright: Averages,
    pub(super) mirrored: Averages,
}

impl Tiles<'_> {
    /// The corners of all tiles, and which rows and columns of each are its own.
    pub(super) fn places(&self) -> impl Iterator<Item = ([usize; 2], [Range<usize>; 2])> {
        let own = [0, 1].map(|axis| middles(&self.grid[axis], self.size[axis]));
        let [rows, columns] = [0, 1].map(|axis| {
            let starts = self.grid[axis].iter().copied();
            starts.zip(own[axis].clone()).collect::<Vec<_>>()
        });
        rows.into_iter().flat_map(move |(top, rows)| {
            let tile = move |(left, columns)| ([top, left], [rows.clone(), columns]);
            columns.clone().into_iter().map(tile)
        })
    }

    /// The tile at a place.
    pub(super) fn cut(&self, [top, left]: [usize; 2]) -> RgbImage {
        let [h, w] = self.size.map(|side| side as u32);
        crop_imm(self.picture, left as u32, top as u32, w, h).to_image()
    }
}

impl Told {
    /// Those of the picture that the tiles are of.
    pub(super) fn of(tiles: &Tiles, flip: bool, predictor: &mut impl Predictor) -> Result<Self> {
        let upright = averages(tiles, false, predictor)?;
        let mirrored = if flip { averages(tiles, true, predictor)? } else { Averages::new() };
        Ok(Self { upright, mirrored })
    }
}

fn averages(tiles: &Tiles, mirrored: bool, predictor: &mut impl Predictor) -> Result<Averages> {
    let mut told = Averages::new();
    while told.len() < predictor.global_averages() {
        let mut sums = Sums::default();
        for (at, [rows, columns]) in tiles.places() {
            let tile = tiles.cut(at);
            let [_, width] = tiles.size;
            let (tile, columns) = if mirrored {
                (flip_horizontal(&tile), width - columns.end..width - columns.start)
            } else {
                (tile, columns)
            };
            let part = Part { of: [rows, columns], tile: tiles.size };
            predictor.sum(&tile, &told, &part, &mut sums)?;
        }
        told.push(sums.means());
    }
    Ok(told)
}
