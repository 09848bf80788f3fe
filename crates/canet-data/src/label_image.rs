//! Label images: data sets whose labels come as PNGs of raw values (IDD-Lite, Cityscapes, Pascal VOC)
//! or of colours (`CamVid`'s own form).
//!
//! Each value or colour goes through the label map. One that the map does not know is an error that
//! names the pixel: a wrong map is found here, not as a strange loss hours later. Nothing is ever
//! rounded to the nearest colour: smoothed edges would become lines of classes that are not there.
//!
//! A palette PNG is read by its indices as a value image, and by its palette as a colour image.

use std::io::Cursor;
use std::path::Path;

use canet_core::{
    ClassId, Error, LabelMap, MAX_DECODED_BYTES, MAX_PNG_GROWTH, MAX_SIDE, Mask, Rgb,
};
use image::codecs::png::PngDecoder;
use image::{ColorType, DynamicImage, ImageDecoder, Limits, RgbImage};

use crate::frame_file::MAX_HEADER_BYTES;

/// Reads the classes from a PNG of raw values; `path` names it in errors. If the frame's `size` (width
/// and height) is known, a PNG of another is refused by its header.
pub fn from_png(
    bytes: &[u8],
    path: &Path,
    labels: &LabelMap,
    size: Option<(u32, u32)>,
) -> Result<Mask, Error> {
    let mut mask = Mask::from_png_of_size(bytes, path, size)?;
    let classes: Vec<Option<ClassId>> =
        (0..=u8::MAX).map(|value| labels.class_of_value(value)).collect();
    let width = mask.width() as usize;
    for (at, id) in mask.ids_mut().iter_mut().enumerate() {
        let Some(class) = classes[usize::from(*id)] else {
            let known: Vec<_> = (0..=u8::MAX)
                .filter(|v| classes[usize::from(*v)].is_some())
                .map(|v| v.to_string())
                .collect();
            let reason = format!(
                "pixel ({}, {}) has value {id}, but the label map {} knows only {}; choose the map of this data set",
                at % width,
                at / width,
                labels.classes().name,
                if known.is_empty() { "label names".to_owned() } else { known.join(", ") },
            );
            return Err(Error::Mask { path: path.to_owned(), reason });
        };
        *id = class.0;
    }
    Ok(mask)
}

/// Reads the classes from a PNG of colours, as [`from_png`] does. Opacity is not looked at.
pub fn from_color_png(
    bytes: &[u8],
    path: &Path,
    labels: &LabelMap,
    size: Option<(u32, u32)>,
) -> Result<Mask, Error> {
    let picture = colors_of_png(bytes, path, size)?;
    let (width, height) = picture.dimensions();
    let mut ids = Vec::with_capacity(width as usize * height as usize);
    // Most pixels are like their left neighbour, so most need no search.
    let mut last = None;
    for (x, y, pixel) in picture.enumerate_pixels() {
        let color = Rgb(pixel.0);
        let class = match last {
            Some((known, class)) if known == color => class,
            _ => labels.class_of_color(color).ok_or_else(|| Error::Mask {
                path: path.to_owned(),
                reason: unknown_color((x, y), color, labels),
            })?,
        };
        last = Some((color, class));
        ids.push(class.0);
    }
    Ok(Mask::from_ids(width, height, ids))
}

/// Decodes a PNG of 8-bit colours, within the limits of size.
pub(crate) fn colors_of_png(
    bytes: &[u8],
    path: &Path,
    size: Option<(u32, u32)>,
) -> Result<RgbImage, Error> {
    let fail = |reason: String| Error::Mask { path: path.to_owned(), reason };
    let unreadable = |e| fail(format!("is not a readable PNG: {e}; other formats change colours"));
    // Profiles are packed, and may be bombs.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_HEADER_BYTES);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    if let Some((w, h)) = size.filter(|&size| size != (width, height)) {
        return Err(fail(format!("is for {width}x{height} pixels, but its frame has {w}x{h}")));
    }
    // A pixel of a palette may be one bit.
    if u64::from(width) * u64::from(height) / 8 / MAX_PNG_GROWTH > bytes.len() as u64 {
        return Err(fail(format!(
            "claims {width}x{height} pixels in {} bytes, which no PNG can hold",
            bytes.len()
        )));
    }
    if width > MAX_SIDE || height > MAX_SIDE || decoder.total_bytes() > MAX_DECODED_BYTES {
        return Err(fail(format!("is {width}x{height}; sides up to {MAX_SIDE} are read")));
    }
    match decoder.color_type() {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => {}
        other => {
            return Err(fail(format!(
                "is a PNG of {other:?}; colours of 8 bits a channel are read"
            )));
        }
    }
    Ok(DynamicImage::from_decoder(decoder).map_err(unreadable)?.into_rgb8())
}

/// What to say of a colour that the map does not know: the nearest known one, and how far it is.
fn unknown_color((x, y): (u32, u32), color: Rgb, labels: &LabelMap) -> String {
    let far = |known: Rgb| {
        let apart = |(a, b): (u8, u8)| u32::from(a.abs_diff(b)).pow(2);
        known.0.into_iter().zip(color.0).map(apart).sum::<u32>()
    };
    let (map, classes) = (&labels.classes().name, labels.classes());
    let nearest = labels.colors().min_by_key(|(known, _)| far(*known));
    let hint = nearest.map_or_else(
        || "it knows no colours at all; give its classes `colors`".to_owned(),
        |(known, id)| format!("the nearest that it knows is {known}, {}", classes.class_name(id)),
    );
    format!(
        "pixel ({x}, {y}) has the colour {color}, which the label map {map} does not know; {hint}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

    #[test]
    fn values_become_classes() {
        let map = LabelMap::builtin("cityscapes-19").unwrap();
        let raw = Mask::from_ids(3, 1, vec![7, 33, 0]).to_png(map.classes());
        assert_eq!(from_png(&raw, Path::new("l.png"), &map, None).unwrap().ids(), [0, 18, 255]);
    }

    #[test]
    fn an_unknown_value_is_named_with_its_pixel_and_the_known_ones() {
        let map = LabelMap::builtin("idd-lite-7").unwrap();
        let raw = Mask::from_ids(2, 2, vec![0, 6, 255, 9]).to_png(map.classes());
        let error = from_png(&raw, Path::new("l.png"), &map, None).unwrap_err().to_string();
        assert!(error.contains("l.png: pixel (1, 1) has value 9"), "{error}");
        assert!(error.contains("idd-lite-7 knows only 0, 1, 2, 3, 4, 5, 6, 255"), "{error}");
    }

    fn png(data: &[u8], width: u32, color: ExtendedColorType) -> Vec<u8> {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes).write_image(data, width, 1, color).unwrap();
        bytes
    }

    #[test]
    fn colours_become_classes_whatever_form_the_png_has() {
        let map = LabelMap::builtin("camvid-11").unwrap();
        let rgb = [128, 64, 128, 192, 0, 64, 0, 0, 0, 64, 192, 0];
        let rgba: Vec<u8> = rgb.chunks(3).flat_map(|c| [c[0], c[1], c[2], 0]).collect();
        for bytes in
            [png(&rgb, 4, ExtendedColorType::Rgb8), png(&rgba, 4, ExtendedColorType::Rgba8)]
        {
            let mask = from_color_png(&bytes, Path::new("c.png"), &map, None).unwrap();
            assert_eq!(mask.ids(), [3, 3, 255, 1]);
        }
        // A palette image is read by its palette, a grey one as grey.
        let own = Mask::from_ids(3, 1, vec![0, 3, 8]).to_png(map.classes());
        assert_eq!(from_color_png(&own, Path::new("c.png"), &map, None).unwrap().ids(), [0, 3, 8]);
        let grey = png(&[128, 0], 2, ExtendedColorType::L8);
        assert_eq!(from_color_png(&grey, Path::new("c.png"), &map, None).unwrap().ids(), [0, 255]);
    }

    #[test]
    fn an_unknown_colour_is_named_with_its_pixel_and_the_nearest_known_one() {
        let map = LabelMap::builtin("camvid-11").unwrap();
        let smoothed = png(&[128, 64, 128, 126, 66, 128], 2, ExtendedColorType::Rgb8);
        let deep = png(&[0; 12], 2, ExtendedColorType::Rgb16);
        let numbers = LabelMap::builtin("idd-level3").unwrap();
        for (bytes, map, needle) in [
            (
                &smoothed,
                &map,
                "c.png: pixel (1, 0) has the colour #7e4280, which the label map camvid-11 does not know; the nearest that it knows is #804080, road",
            ),
            (
                &smoothed,
                &numbers,
                "pixel (0, 0) has the colour #804080, which the label map idd-level3 does not know; it knows no colours",
            ),
            (&deep, &map, "is a PNG of Rgb16; colours of 8 bits"),
            (&b"\xff\xd8\xff".to_vec(), &map, "is not a readable PNG"),
        ] {
            let error =
                from_color_png(bytes, Path::new("c.png"), map, None).unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
