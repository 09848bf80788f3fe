//! Going through scales, tiles and their mirror images.

use std::borrow::Cow;

use canet_core::MAX_SIDE;
use canet_ops::Corners;
use canet_ops::frozen::Resize;
use canet_ops::in_pool;
use image::RgbImage;
use image::imageops::{FilterType, flip_horizontal, resize};

use super::mean::{Mean, join_mirrored, softmax, take_in};
use super::shared::{Tiles, Told};
use super::tiles::starts;
use super::{TestTime, Tile};
use crate::frozen::{Part, Sums};
use crate::{Error, Result};

/// Frames smaller than the network's output stride are enlarged to it first.
pub(crate) const LEAST_SIDE: u32 = 8;

/// What there is to predict.
pub(crate) struct Views<'a> {
    pub(crate) test_time: &'a TestTime,
    pub(crate) frame: &'a RgbImage,
    /// Width and height at which the network sees the frame at scale 1.
    pub(crate) base: [u32; 2],
    pub(crate) classes: usize,
    /// Height and width of the result.
    pub(crate) size: [usize; 2],
}

/// What predicts pictures.
pub(crate) trait Predictor {
    /// Writes the scores of a picture, `(classes, h, w)` at its size. The global averages are those
    /// that are told, in the network's order, and from there on the picture's own.
    fn scores(&mut self, picture: &RgbImage, told: &[Vec<f32>], to: &mut [f32]) -> Result<()>;

    /// How many global averages can be told.
    fn global_averages(&self) -> usize {
        0
    }

    /// Adds what a part of a tile has to the first global average that is not told.
    fn sum(&mut self, _: &RgbImage, _: &[Vec<f32>], _: &Part, _: &mut Sums) -> Result<()> {
        Ok(())
    }
}

/// The mean probabilities of a frame, `(classes, H, W)` of the result.
///
/// At once there are, at most, the probabilities at the result's size, at one scale's, and of a tile
/// (or two, if it is mirrored).
pub(crate) fn probabilities(views: &Views, predictor: &mut impl Predictor) -> Result<Vec<f32>> {
    let Views { test_time, classes, size, .. } = *views;
    let mut mean: Option<Vec<f32>> = None;
    for (&scale, number) in test_time.scales.iter().zip(1_u8..) {
        let picture = scaled(views, scale)?;
        let at_scale = at_scale(&picture, test_time, classes, predictor)?;
        let of = [picture.height(), picture.width()].map(|side| side as usize);
        mean = Some(match mean {
            None if of == size => at_scale,
            mean => {
                let mut mean = mean.unwrap_or_else(|| vec![0.0; classes * size[0] * size[1]]);
                enlarge_into(&mut mean, size, &at_scale, of, 1.0 / f32::from(number))?;
                mean
            }
        });
    }
    mean.ok_or_else(|| Error::Config("no scale is given".into()))
}

/// Width and height at which the network sees a frame at a scale.
pub(super) fn scaled_size(base: [u32; 2], scale: f64) -> [u32; 2] {
    base.map(|side| ((f64::from(side) * scale).round() as u32).max(LEAST_SIDE))
}

/// The frame as the network sees it at a scale.
fn scaled<'a>(views: &Views<'a>, scale: f64) -> Result<Cow<'a, RgbImage>> {
    let [w, h] = scaled_size(views.base, scale);
    if w.max(h) > MAX_SIDE {
        return Err(Error::Input(format!(
            "at scale {scale} the frame has {w}x{h} pixels; sides up to {MAX_SIDE} are possible"
        )));
    }
    Ok(if (w, h) == views.frame.dimensions() {
        Cow::Borrowed(views.frame)
    } else {
        Cow::Owned(resize(views.frame, w, h, FilterType::Triangle))
    })
}

/// The mean probabilities of a picture over its tiles, at its own size.
fn at_scale(
    picture: &RgbImage,
    test_time: &TestTime,
    classes: usize,
    predictor: &mut impl Predictor,
) -> Result<Vec<f32>> {
    let whole = [picture.width(), picture.height()];
    let Tile { size, overlap } = test_time.tile.unwrap_or(Tile { size: whole, overlap: 0.0 });
    let [w, h] = [0, 1].map(|axis| size[axis].min(whole[axis]));
    let [width, height, tw, th] = [whole[0], whole[1], w, h].map(|side| side as usize);
    let mut tile = Probabilities::new(classes, [th, tw], test_time.flip);
    if [w, h] == whole {
        tile.take(picture, &Told::default(), predictor)?;
        return Ok(tile.values);
    }
    let grid = [starts(height, th, overlap), starts(width, tw, overlap)];
    let tiles = Tiles { picture, grid, size: [th, tw] };
    let told = if test_time.share_context {
        Told::of(&tiles, test_time.flip, predictor)?
    } else {
        Told::default()
    };
    let mut mean = Mean::new(classes, [height, width]);
    for (at, _) in tiles.places() {
        tile.take(&tiles.cut(at), &told, predictor)?;
        mean.add(&tile.values, at, [th, tw]);
    }
    Ok(mean.into_values())
}

/// The probabilities of a tile, and those of its mirror image if they are wanted.
struct Probabilities {
    /// `(classes, h, w)`.
    values: Vec<f32>,
    mirrored: Option<Vec<f32>>,
    size: [usize; 2],
}

impl Probabilities {
    fn new(classes: usize, size: [usize; 2], flip: bool) -> Self {
        let room = || vec![0.0; classes * size[0] * size[1]];
        Self { values: room(), mirrored: flip.then(room), size }
    }

    fn take(&mut self, tile: &RgbImage, told: &Told, predictor: &mut impl Predictor) -> Result<()> {
        let [h, w] = self.size;
        let mut of = |picture: &RgbImage, told: &[Vec<f32>], values: &mut [f32]| {
            predictor.scores(picture, told, values)?;
            if softmax(values, h * w) { Ok(()) } else { Err(Error::NotFinite) }
        };
        of(tile, &told.upright, &mut self.values)?;
        if let Some(mirrored) = &mut self.mirrored {
            of(&flip_horizontal(tile), &told.mirrored, mirrored)?;
            join_mirrored(&mut self.values, mirrored, w);
        }
        Ok(())
    }
}

/// Takes probabilities `(classes, H, W)` of size `of` into a running mean of size `size`.
fn enlarge_into(
    mean: &mut [f32],
    size: [usize; 2],
    values: &[f32],
    of: [usize; 2],
    share: f32,
) -> Result<()> {
    let way = Resize::new(of, size, Corners::HalfPixel)?;
    let mut plane = vec![0.0; size[0] * size[1]];
    let pairs = mean.chunks_exact_mut(plane.len()).zip(values.chunks_exact(of[0] * of[1]));
    for (mean, values) in pairs {
        in_pool(|| way.run(values, &mut plane));
        mean.iter_mut().zip(&plane).for_each(|(mean, &new)| take_in(mean, new, share));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
