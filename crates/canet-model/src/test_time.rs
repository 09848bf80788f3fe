//! Predicting a frame more than once and taking the mean: at several scales, mirrored, in tiles.
//!
//! ```text
//! for each scale:          the picture at scale * the network's size
//!   for each tile:         scores of the tile, and of the mirrored tile, mirrored back
//!     softmax              probabilities; the two halves of a mirrored pair count the same
//!     mean of the tiles    weighted with a tent, 1 at a tile's edge, more by 1 for each pixel inwards
//!   resize to the frame    bilinear, half-pixel centres
//!   mean of the scales     each counts the same
//! ```
//!
//! Means are kept as running means, `mean + (new - mean) * share`: equal probabilities stay what they
//! are to the last bit, and so a network that looks at nothing but single pixels gives the same in
//! tiles as in one piece. With [`TestTime::share_context`] a network that also takes global averages
//! gives nearly the same: `shared` gathers those of the whole picture, tile by tile. `tiles` says where tiles lie, `mean` what is kept, `views` goes through them.

mod mean;
mod shared;
mod tiles;
mod views;

use std::str::FromStr;

use canet_core::MAX_SIDE;

pub(crate) use mean::softmax;
pub(crate) use views::{LEAST_SIDE, Predictor, Views, probabilities};

use crate::{Error, Result};

/// The smallest side of a tile; smaller ones see too little to be worth it.
const LEAST_TILE: u32 = 32;
/// Scales in one list.
const MOST_SCALES: usize = 16;

/// What is done to a frame beyond one prediction. The default is nothing.
///
/// ```
/// use canet_model::{TestTime, Tile};
///
/// let tile = Tile { overlap: 0.5, .."512x384".parse()? };
/// let scales = vec![0.75, 1.0, 1.25];
/// let test_time = TestTime { scales, flip: true, tile: Some(tile), ..TestTime::default() };
/// test_time.check()?;
/// assert!(TestTime::default().is_plain());
/// # Ok::<(), canet_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TestTime {
    /// Factors of the size at which the network sees frames, 0.25 to 4.
    pub scales: Vec<f64>,
    /// Whether mirrored pictures are predicted, too.
    pub flip: bool,
    /// Whether pictures are cut into tiles; a picture that fits into one is not.
    pub tile: Option<Tile>,
    /// Whether tiles are told what the network learns from the whole picture, which CANet's global
    /// flow and feature selection take from global averages. It takes two more rounds through the
    /// tiles, up to there; on the CPU only.
    pub share_context: bool,
}

/// Tiles of one size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tile {
    /// Width and height, in pixels of the scaled picture.
    pub size: [u32; 2],
    /// The share of a tile that at least lies in the one before it, 0 to 0.75.
    pub overlap: f64,
}

impl Default for TestTime {
    fn default() -> Self {
        Self { scales: vec![1.0], flip: false, tile: None, share_context: false }
    }
}

impl TestTime {
    /// Whether this is one prediction of the whole picture, of any size, and nothing more.
    pub fn is_plain(&self) -> bool {
        self.is_plain_for([usize::MAX; 2])
    }

    /// Whether this is one prediction of the whole picture of `[height, width]`.
    pub(crate) fn is_plain_for(&self, [height, width]: [usize; 2]) -> bool {
        let in_one = |tile: Tile| {
            let [w, h] = tile.size.map(|side| side as usize);
            w >= width && h >= height
        };
        self.scales == [1.0] && !self.flip && self.tile.is_none_or(in_one)
    }

    /// What [`probabilities`] works in at most, for a frame that the network sees at `base`, width
    /// and height, and a result of `size`: `[height, width]` of the largest picture that the network
    /// sees at once, and how many pixels have their probabilities kept meanwhile.
    pub(crate) fn needs(&self, base: [u32; 2], size: [usize; 2]) -> ([usize; 2], usize) {
        let area = |[h, w]: [usize; 2]| h * w;
        let at_scale = |&scale: &f64| {
            let [w, h] = views::scaled_size(base, scale);
            let whole = [h, w].map(|side| side as usize);
            let tile = self.tile.map_or(whole, |tile| {
                let [w, h] = tile.size.map(|side| side as usize);
                [h.min(whole[0]), w.min(whole[1])]
            });
            let mean = if tile == whole { 0 } else { area(whole) };
            (tile, mean + area(tile) * if self.flip { 2 } else { 1 }, whole)
        };
        let scales: Vec<_> = self.scales.iter().map(at_scale).collect();
        let tile = scales.iter().map(|&(tile, ..)| tile).max_by_key(|&tile| area(tile));
        let kept = scales.iter().map(|&(_, kept, _)| kept).max().unwrap_or(0);
        let is_the_result = matches!(scales[..], [(.., whole)] if whole == size);
        (tile.unwrap_or_default(), kept + if is_the_result { 0 } else { area(size) })
    }

    /// Refuses what cannot be meant, naming the bounds.
    pub fn check(&self) -> Result<()> {
        let fail = |reason: String| Err(Error::Config(reason));
        if !(1..=MOST_SCALES).contains(&self.scales.len()) {
            let count = self.scales.len();
            return fail(format!("{count} scales are given; 1 to {MOST_SCALES} are possible"));
        }
        if let Some(scale) = self.scales.iter().find(|s| !(0.25..=4.0).contains(*s)) {
            return fail(format!("scale {scale} is impossible; 0.25 to 4 are possible"));
        }
        let Some(Tile { size, overlap }) = self.tile else { return Ok(()) };
        if size.iter().any(|side| !(LEAST_TILE..=MAX_SIDE).contains(side)) {
            let [w, h] = size;
            return fail(format!(
                "tiles of {w}x{h} are impossible; sides of {LEAST_TILE} to {MAX_SIDE} are possible"
            ));
        }
        if !(0.0..=0.75).contains(&overlap) {
            return fail(format!("overlap {overlap} is impossible; 0 to 0.75 are possible"));
        }
        Ok(())
    }
}

/// `512x384`, width first, overlapping by a quarter.
impl FromStr for Tile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let sides = text.split_once('x').map(|(w, h)| (w.parse().ok(), h.parse().ok()));
        let Some((Some(w), Some(h))) = sides else {
            return Err(Error::Config(format!("tile {text:?} is not WIDTHxHEIGHT, as 512x384 is")));
        };
        Ok(Self { size: [w, h], overlap: 0.25 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_settings_are_refused_with_the_bounds() {
        let plain = TestTime::default;
        let tile = |size, overlap| TestTime { tile: Some(Tile { size, overlap }), ..plain() };
        for (test_time, needle) in [
            (TestTime { scales: vec![], ..plain() }, "0 scales"),
            (TestTime { scales: vec![1.0; 17], ..plain() }, "17 scales"),
            (TestTime { scales: vec![1.0, 0.0], ..plain() }, "scale 0 is impossible"),
            (TestTime { scales: vec![f64::NAN], ..plain() }, "scale NaN"),
            (tile([31, 64], 0.0), "tiles of 31x64"),
            (tile([64, MAX_SIDE + 1], 0.0), "to 16384"),
            (tile([64, 64], 0.8), "overlap 0.8"),
            (tile([64, 64], -0.1), "overlap -0.1"),
        ] {
            let error = test_time.check().unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
        tile([32, MAX_SIDE], 0.75).check().unwrap();
        for text in ["", "512", "512x", "x4", "4x-4", "4x4x4", "4.5x4"] {
            assert!(text.parse::<Tile>().is_err(), "{text}");
        }
        assert_eq!("512x384".parse::<Tile>().unwrap().size, [512, 384]);
    }

    #[test]
    fn only_one_whole_prediction_is_plain() {
        let plain = TestTime::default;
        assert!(plain().is_plain());
        assert!(!TestTime { flip: true, ..plain() }.is_plain());
        assert!(!TestTime { scales: vec![1.0, 1.0], ..plain() }.is_plain());
        assert!(!TestTime { tile: "64x64".parse().ok(), ..plain() }.is_plain());
    }
}
