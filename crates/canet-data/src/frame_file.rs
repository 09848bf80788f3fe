//! Frame files: is this image whole?
//!
//! A picture cut short by a broken download must not become training data. A PNG decoder notices;
//! JPEG decoders fill the missing part with grey and say nothing. So a frame is decoded once, and a
//! JPEG is also walked marker by marker to its end (ITU T.81, annex B).

use std::io::Cursor;
use std::path::Path;

use canet_core::{FRAME_GROWTH_FROM, MAX_DECODED_BYTES, MAX_FRAME_GROWTH, MAX_SIDE};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use crate::Error;

/// What a PNG's header may take beyond its pixels: colour profiles are packed.
pub(crate) const MAX_HEADER_BYTES: u64 = 16 << 20;

/// Each scan of a progressive JPEG goes over the whole picture; encoders write some ten.
const MAX_SCANS: usize = 100;

/// A decoder's message may repeat what is in the file.
const LONGEST_REASON: usize = 200;

/// What a picture's first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) format: ImageFormat,
    /// Width and height in pixels, within the limits.
    pub(crate) size: (u32, u32),
}

/// Checks that an image can be read to its end and returns its width and height. What kind of image
/// it is, is told by its content, not by its name. `path` names it in errors.
pub fn check(bytes: &[u8], path: &Path) -> Result<(u32, u32), Error> {
    let picture = read(bytes, path)?;
    Ok((picture.width(), picture.height()))
}

/// Reads a JPEG or PNG as 8-bit RGB, with the checks of [`check`]. Grey and palette pictures, 16 bits a
/// channel and CMYK are converted, transparency is dropped, and an EXIF orientation is not applied:
/// polygons, and so masks, refer to the pixels as they are stored.
pub fn decode(bytes: &[u8], path: &Path) -> Result<RgbImage, Error> {
    Ok(read(bytes, path)?.into_rgb8())
}

fn read(bytes: &[u8], path: &Path) -> Result<DynamicImage, Error> {
    let (_, decoder) = open(bytes, path)?;
    DynamicImage::from_decoder(decoder).map_err(|e| unreadable(&e, path))
}

/// Width and height by the header, with all of [`check`] that does not need the pixels.
pub fn size(bytes: &[u8], path: &Path) -> Result<(u32, u32), Error> {
    Ok(header(bytes, path)?.size)
}

/// All of [`check`] that does not need the pixels.
pub(crate) fn header(bytes: &[u8], path: &Path) -> Result<Header, Error> {
    open(bytes, path).map(|(header, _)| header)
}

fn open<'a>(bytes: &'a [u8], path: &Path) -> Result<(Header, impl ImageDecoder + use<'a>), Error> {
    let fail = |reason: String| Error::Frame { path: path.to_owned(), reason };
    let too_large = |reason: String| Error::FrameTooLarge { path: path.to_owned(), reason };
    if bytes.is_empty() {
        return Err(fail("is empty".into()));
    }
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(Error::io("read", path))?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_HEADER_BYTES);
    reader.limits(limits);
    let format = reader.format();
    // The decoder knows the size from the header; nothing of that size is allocated yet.
    let decoder = reader.into_decoder().map_err(|e| unreadable(&e, path))?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(fail(format!("is {width}x{height}; sides of 1 to {MAX_SIDE} are possible")));
    }
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(too_large(format!(
            "is {width}x{height}; sides of 1 to {MAX_SIDE} are possible"
        )));
    }
    let decoded = decoder.total_bytes();
    if decoded > MAX_DECODED_BYTES {
        return Err(too_large(format!(
            "would take {decoded} bytes decoded; {MAX_DECODED_BYTES} are possible"
        )));
    }
    if decoded > FRAME_GROWTH_FROM && decoded / MAX_FRAME_GROWTH > bytes.len() as u64 {
        return Err(too_large(format!(
            "would grow from {} to {decoded} bytes, which no photograph does",
            bytes.len()
        )));
    }
    let format = format.unwrap_or(ImageFormat::Png);
    if format == ImageFormat::Jpeg {
        let (whole, scans) = walk(bytes);
        if !whole {
            return Err(fail("is cut short: its end-of-image marker is missing".into()));
        }
        if scans > MAX_SCANS {
            return Err(fail(format!("has {scans} scans; {MAX_SCANS} are possible")));
        }
    }
    Ok((Header { format, size: (width, height) }, decoder))
}

fn unreadable(e: &image::ImageError, path: &Path) -> Error {
    let reason: String = e.to_string().trim_end().chars().take(LONGEST_REASON).collect();
    Error::Frame { path: path.to_owned(), reason: format!("is no readable JPEG or PNG: {reason}") }
}

/// Whether the markers of a JPEG lead to its end, and how many scans there are on the way. Looking
/// for the end marker alone would not do: a thumbnail in the header has one too, and cameras append
/// data of their own after the last.
fn walk(bytes: &[u8]) -> (bool, usize) {
    const END: u8 = 0xD9;
    const SCAN: u8 = 0xDA;
    let mut scans = 0;
    let mut at = 2; // after the start-of-image marker
    while let Some(&[first, marker]) = bytes.get(at..at + 2) {
        match (first, marker) {
            (0xFF, END) => return (true, scans),
            // Fill bytes, restart markers, and stuffed zeros inside a scan have no length.
            (0xFF, 0xFF) => at += 1,
            (0xFF, 0x00 | 0x01 | 0xD0..=0xD8) => at += 2,
            (0xFF, _) => {
                let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { break };
                at += 2 + usize::from(u16::from_be_bytes([high, low]));
                if marker == SCAN {
                    scans += 1;
                    at = next_marker(bytes, at);
                }
            }
            // Between segments decoders look for the next marker, and so does this.
            _ => at = next_marker(bytes, at),
        }
    }
    (false, scans)
}

fn next_marker(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().position(|&byte| byte == 0xFF).map_or(bytes.len(), |n| from + n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let picture =
            RgbImage::from_fn(37, 23, |x, y| Rgb([(x * 7) as u8, (y * 11) as u8, (x * y) as u8]));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_cut_is_noticed() {
        let mut cuts = 0;
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let whole = encoded(format);
            assert_eq!(check(&whole, Path::new("whole")).unwrap(), (37, 23));
            // The last 12 bytes of a PNG are an empty end chunk; no pixel is lost without it.
            let end = whole.len() - if format == ImageFormat::Png { 12 } else { 0 };
            for length in 0..end {
                assert!(check(&whole[..length], Path::new("cut")).is_err(), "{format:?} {length}");
                cuts += 1;
            }
        }
        assert!(cuts > 500, "{cuts}");
    }

    #[test]
    fn what_cameras_append_is_no_fault() {
        let mut bytes = encoded(ImageFormat::Jpeg);
        bytes.extend([0; 100]);
        assert!(check(&bytes, Path::new("appended")).is_ok());
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        let mut bytes = encoded(ImageFormat::Jpeg);
        let frame_header = bytes.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
        bytes[frame_header + 5..frame_header + 9].fill(0xFF);
        let error = check(&bytes, Path::new("bomb")).unwrap_err().to_string();
        assert!(error.contains("65535x65535; sides of 1 to 16384"), "{error}");
        // 16 bits a channel, with alpha: twice the limit, with sides that are still allowed.
        let mut bytes = encoded(ImageFormat::Png);
        let side = MAX_SIDE.to_be_bytes();
        bytes[16..26].copy_from_slice(&[&side[..], &side, &[16, 6]].concat());
        let sum = crc32(&bytes[12..29]).to_be_bytes();
        bytes[29..33].copy_from_slice(&sum);
        let error = check(&bytes, Path::new("bomb")).unwrap_err().to_string();
        assert!(error.contains("would take 2147483648 bytes"), "{error}");
    }

    /// The checksum of PNG chunks.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1))
            })
        })
    }
}
