//! The sheet of strips as a picture of bounded size, for files that hold one an epoch or go by mail.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, RgbImage};

use crate::{Error, Result};

/// How wide and high the picture is at most, in pixels.
const WIDTH: u32 = 960;
const HEIGHT: u32 = 4096;

/// Some 100 to 250 kB for usual frames; the colours of thin objects are still to be told apart.
const QUALITY: u8 = 80;

/// The size of the picture, and the picture as JPEG. The sheet in `pictures/` is the exact one.
pub(super) fn jpeg(sheet: &RgbImage) -> Result<((u32, u32), Vec<u8>)> {
    let mut picture = DynamicImage::ImageRgb8(sheet.clone());
    if sheet.width() > WIDTH || sheet.height() > HEIGHT {
        picture = picture.resize(WIDTH, HEIGHT, FilterType::Triangle);
    }
    let mut jpeg = Cursor::new(Vec::new());
    picture
        .write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, QUALITY))
        .map_err(|e| Error::run("the sheet of strips", format!("cannot be encoded: {e}")))?;
    Ok(((picture.width(), picture.height()), jpeg.into_inner()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_sheets_become_smaller_and_keep_their_sides() {
        for (sheet, expected) in [((300, 200), (300, 200)), ((2560, 1000), (960, 375))] {
            let (size, jpeg) = jpeg(&RgbImage::new(sheet.0, sheet.1)).unwrap();
            assert_eq!(size, expected);
            let picture = image::load_from_memory(&jpeg).unwrap();
            assert_eq!((picture.width(), picture.height()), expected);
        }
    }
}
