//! Frames at a fixed smaller size, made once when a data set is prepared.
//!
//! Who trains on small pictures need not decode large ones in every epoch. The picture is brought to
//! its size by the integer filter of `resize`; a JPEG becomes a JPEG of quality 95 without
//! chroma subsampling, and a PNG stays a PNG: what was lossless stays lossless.
//!
//! With [`Resize::jpeg_scale`] a JPEG of at least twice the size is decoded straight to 1/2, 1/4 or 1/8, if its sides divide by that: of
//! each block of 8x8 values only the lowest frequencies are transformed (the decoder's scaled inverse
//! DCT), which is faster, and the mean over pixels that a filter would take next. Other bytes come
//! out than without it, so manifests record it.

use std::fmt;
use std::io::Cursor;
use std::path::Path;
use std::str::FromStr;

use canet_core::MAX_SIDE;
use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, RgbImage};
use serde::{Deserialize, Serialize};

use crate::frame_file::{self, Header};
use crate::{Error, resize};

/// High: blocks would teach a net more about JPEG than about streets.
const QUALITY: u8 = 95;

/// The size that all frames and masks are brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// Width in pixels, from 1 to [`MAX_SIDE`].
    pub width: u32,
    /// Height in pixels, from 1 to [`MAX_SIDE`].
    pub height: u32,
    /// Whether JPEGs may be decoded to a half, a quarter or an eighth.
    pub jpeg_scale: bool,
}

impl Resize {
    /// The size alone.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Refuses sizes that no picture may have.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let possible = 1..=MAX_SIDE;
        if possible.contains(&self.width) && possible.contains(&self.height) {
            return Ok(());
        }
        Err(Error::Options {
            option: "resize",
            reason: format!("is {self}; sides of 1 to {MAX_SIDE} are possible"),
        })
    }

    /// By how much a JPEG's decoder may shrink: so much that the picture is no smaller than wanted, and
    /// nothing is left over at its edges, for which the decoder would add a pixel and so stretch it
    /// against its mask.
    fn part_of(&self, (width, height): (u32, u32)) -> u32 {
        let fits = |part| {
            width.is_multiple_of(part)
                && height.is_multiple_of(part)
                && self.width <= width / part
                && self.height <= height / part
        };
        [8, 4, 2].into_iter().find(|&part| fits(part)).unwrap_or(1)
    }
}

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.width, self.height)
    }
}

impl FromStr for Resize {
    type Err = Error;

    /// Reads `W,H`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let sides = text
            .split_once(',')
            .and_then(|(w, h)| Some((w.trim().parse().ok()?, h.trim().parse().ok()?)));
        let Some((width, height)) = sides else {
            return Err(Error::Options {
                option: "resize",
                reason: format!("is {text:?}; width and height are expected, such as 960,540"),
            });
        };
        let resize = Self { width, height, jpeg_scale: false };
        resize.check().map(|()| resize)
    }
}

/// A frame's file at its new size.
pub(crate) struct Shrunk {
    /// The size that the frame had.
    pub(crate) source: (u32, u32),
    /// The new file, of the same format.
    pub(crate) bytes: Vec<u8>,
}

/// Brings a frame to a size. `path` names it in errors.
pub(crate) fn frame(bytes: &[u8], path: &Path, to: &Resize) -> Result<Shrunk, Error> {
    let header = frame_file::header(bytes, path)?;
    let part = if to.jpeg_scale { to.part_of(header.size) } else { 1 };
    let scaled = match header.format {
        ImageFormat::Jpeg if part > 1 => decode_part(bytes, &header, part, path)?,
        _ => None,
    };
    let picture = match scaled {
        Some(picture) => picture,
        None => frame_file::decode(bytes, path)?,
    };
    let small = resize::image(&picture, to.size(), resize::Window::whole(to.size()));
    let mut encoded = Cursor::new(Vec::new());
    match header.format {
        ImageFormat::Jpeg => {
            small.write_with_encoder(JpegEncoder::new_with_quality(&mut encoded, QUALITY))
        }
        _ => small.write_to(&mut encoded, ImageFormat::Png),
    }
    .map_err(|e| Error::Frame {
        path: path.to_owned(),
        reason: format!("cannot be written at {to}: {e}"),
    })?;
    Ok(Shrunk { source: header.size, bytes: encoded.into_inner() })
}

/// Decodes a JPEG at `1 / part` of its size; none if it has neither one channel nor three, which the
/// decoder for all other pictures knows how to convert.
fn decode_part(
    bytes: &[u8],
    header: &Header,
    part: u32,
    path: &Path,
) -> Result<Option<RgbImage>, Error> {
    let fail = |e: jpeg_decoder::Error| Error::Frame {
        path: path.to_owned(),
        reason: format!("is no readable JPEG or PNG: {e}"),
    };
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.read_info().map_err(fail)?;
    let wanted = |side: u32| (side / part) as u16;
    let (width, height) =
        decoder.scale(wanted(header.size.0), wanted(header.size.1)).map_err(fail)?;
    let pixels = decoder.decode().map_err(fail)?;
    let pixels = match decoder.info().map(|info| info.pixel_format) {
        Some(jpeg_decoder::PixelFormat::RGB24) => pixels,
        Some(jpeg_decoder::PixelFormat::L8) => pixels.into_iter().flat_map(|v| [v; 3]).collect(),
        _ => return Ok(None),
    };
    Ok(RgbImage::from_raw(u32::from(width), u32::from(height), pixels))
}

#[cfg(test)]
mod tests;
