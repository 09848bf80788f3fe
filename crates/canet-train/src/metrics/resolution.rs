//! The size at which masks are compared.
//!
//! IDD's public script brings truth and prediction to a working size with Pillow's nearest neighbour,
//! silently, whatever size they have. Pillow takes the source pixel under the centre of the new one, but finds centres by adding
//! the ratio again and again in f64. Where a centre falls on the edge between two pixels, the sum may
//! end up on the other side of it: never from 1920x1080 to 1280x720, but often the other way. Scores are to be the
//! script's own, so positions are computed just like that. Ids are only copied.

use std::fmt;
use std::str::FromStr;

use canet_core::{MAX_SIDE, Mask};

use crate::{Error, Result};

/// The size at which masks are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resolution {
    /// Each frame's own.
    #[default]
    Native,
    /// Width and height in pixels.
    Fixed(u32, u32),
}

impl Resolution {
    /// IDD-Lite is scored at this size.
    pub const IDD_LITE: Self = Self::Fixed(256, 128);
    /// The default of IDD's public script. Its public leaderboard used 1920x1080.
    pub const IDD: Self = Self::Fixed(1280, 720);

    /// The mask at this size; none if it has it already.
    pub fn resized(self, mask: &Mask) -> Option<Mask> {
        match self {
            Self::Fixed(width, height) if (width, height) != (mask.width(), mask.height()) => {
                Some(nearest(mask, width, height))
            }
            Self::Fixed(..) | Self::Native => None,
        }
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("native"),
            Self::Fixed(width, height) => write!(f, "{width}x{height}"),
        }
    }
}

impl FromStr for Resolution {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "native" => return Ok(Self::Native),
            "720" => return Ok(Self::Fixed(1280, 720)),
            "1080" => return Ok(Self::Fixed(1920, 1080)),
            _ => {}
        }
        let side = |text: &str| text.parse().ok().filter(|side| (1..=MAX_SIDE).contains(side));
        let sides = text.split_once('x').and_then(|(w, h)| Some((side(w)?, side(h)?)));
        sides.map(|(width, height)| Self::Fixed(width, height)).ok_or_else(|| {
            Error::config(
                "--resolution",
                format!(
                    "{text:?} is no resolution; possible are native, 720, 1080, and WIDTHxHEIGHT with sides of 1 to {MAX_SIDE}"
                ),
            )
        })
    }
}

/// As Pillow's `resize` with `NEAREST`.
fn nearest(mask: &Mask, width: u32, height: u32) -> Mask {
    let columns = positions(mask.width(), width);
    let mut ids = Vec::with_capacity(width as usize * height as usize);
    for y in positions(mask.height(), height) {
        let row = &mask.ids()[y * mask.width() as usize..][..mask.width() as usize];
        ids.extend(columns.iter().map(|&x| row[x]));
    }
    Mask::from_ids(width, height, ids)
}

/// The source position of each of `output` positions.
fn positions(input: u32, output: u32) -> Vec<usize> {
    let ratio = f64::from(input) / f64::from(output);
    let mut centre = ratio * 0.5;
    let mut next = || {
        let at = (centre as usize).min(input as usize - 1);
        centre += ratio;
        at
    };
    (0..output).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolutions_are_read() {
        for (text, expected) in [
            ("native", Some(Resolution::Native)),
            ("720", Some(Resolution::Fixed(1280, 720))),
            ("1080", Some(Resolution::Fixed(1920, 1080))),
            ("256x128", Some(Resolution::IDD_LITE)),
            ("256", None),
            ("0x4", None),
            ("4x99999", None),
            ("4x4x4", None),
        ] {
            assert_eq!(text.parse::<Resolution>().ok(), expected, "{text}");
        }
        assert_eq!(Resolution::IDD.to_string(), "1280x720");
    }

    /// The centre rule in whole numbers, which `canet-data` resizes masks by.
    fn exact(input: u32, output: u32) -> Vec<usize> {
        let (input, output) = (u64::from(input), u64::from(output));
        (0..output).map(|i| ((2 * i + 1) * input / (2 * output)) as usize).collect()
    }

    /// How many positions differ from the exact rule, as counted with Pillow 13.0. From 1280 to 1920
    /// every third centre lies on an edge, and the sum decides.
    #[test]
    fn positions_are_pillows_where_they_differ_from_the_exact_rule() {
        for (input, output, expected) in [
            (1920, 1280, 0),
            (1080, 720, 0),
            (320, 256, 0),
            (227, 128, 0),
            (5, 5, 0),
            (1280, 858, 1),
            (1920, 858, 3),
            (1280, 1920, 405),
            (720, 1080, 151),
        ] {
            let (ours, exact) = (positions(input, output), exact(input, output));
            let apart = ours.iter().zip(&exact).filter(|(a, b)| a != b).count();
            assert_eq!(apart, expected, "{input} to {output}");
        }
    }

    #[test]
    fn masks_are_copied_pixel_by_pixel() {
        let mask = Mask::from_ids(3, 2, vec![1, 2, 3, 4, 255, 6]);
        assert_eq!(Resolution::Native.resized(&mask), None);
        assert_eq!(Resolution::Fixed(3, 2).resized(&mask), None);
        let wide = Resolution::Fixed(6, 1).resized(&mask).unwrap();
        assert_eq!(wide.ids(), [4, 4, 255, 255, 6, 6]);
    }
}
