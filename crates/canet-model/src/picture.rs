//! Pictures for people: colours, overlays, legends, strips, heat maps, sheets.

mod heat;
mod sheet;

use canet_core::{ClassId, ClassSet, Mask};
use image::{Rgb, RgbImage, imageops};

use crate::{Error, Result, text};

pub use heat::{HeatMap, viridis};
pub use sheet::{Panel, bars, fit, fitted, sheet, sheet_width};

/// Between the pictures of a strip.
const GAP: u32 = 4;
/// Of a class name in a legend; a checkpoint from elsewhere may have any name.
const MAX_LETTERS: usize = 48;
const BACKGROUND: Rgb<u8> = Rgb([24, 24, 24]);
const INK: Rgb<u8> = Rgb([235, 235, 235]);

/// The mask in the colours of its classes; void is black.
pub fn color_image(mask: &Mask, classes: &ClassSet) -> RgbImage {
    RgbImage::from_fn(mask.width(), mask.height(), |x, y| Rgb(classes.color(mask.at(x, y)).0))
}

/// The frame under the mask's colours; `opacity` 0 shows the frame alone, 1 the colours. Void
/// pixels are left as they are.
pub fn overlay(
    frame: &RgbImage,
    mask: &Mask,
    classes: &ClassSet,
    opacity: f32,
) -> Result<RgbImage> {
    if frame.dimensions() != (mask.width(), mask.height()) {
        return Err(Error::Input(format!(
            "the frame is {}x{}, but the mask {}x{}",
            frame.width(),
            frame.height(),
            mask.width(),
            mask.height()
        )));
    }
    let opacity = opacity.clamp(0.0, 1.0);
    let mix = |under: u8, over: u8| {
        (f32::from(under) * (1.0 - opacity) + f32::from(over) * opacity).round() as u8
    };
    let mut picture = frame.clone();
    for (pixel, &id) in picture.pixels_mut().zip(mask.ids()) {
        if ClassId(id) != ClassId::VOID {
            let color = classes.color(ClassId(id)).0;
            *pixel = Rgb([0, 1, 2].map(|c| mix(pixel[c], color[c])));
        }
    }
    Ok(picture)
}

/// The picture with a legend below it that names the classes of the mask, and only those.
pub fn with_legend(picture: &RgbImage, mask: &Mask, classes: &ClassSet) -> RgbImage {
    let legend = legend(mask, classes, picture.width());
    let width = picture.width().max(legend.width());
    let mut whole = RgbImage::from_pixel(width, picture.height() + legend.height(), BACKGROUND);
    imageops::replace(&mut whole, picture, 0, 0);
    imageops::replace(&mut whole, &legend, 0, i64::from(picture.height()));
    whole
}

/// Colours and names of the classes in the mask, in columns that fill `width`; wider only if a
/// single column needs it.
pub fn legend(mask: &Mask, classes: &ClassSet, width: u32) -> RgbImage {
    let counts = mask.histogram();
    let present: Vec<_> =
        (0..=u8::MAX).filter(|&id| counts[usize::from(id)] > 0).map(ClassId).collect();
    // Legible at the size that a large picture is looked at.
    let scale = if width >= 960 { 2 } else { 1 };
    let name = |id: ClassId| classes.class_name(id).chars().take(MAX_LETTERS).collect::<String>();
    let longest = present.iter().map(|&id| text::width(&name(id), scale)).max();
    let [line, pad] = [12, 4].map(|length| length * scale);
    let swatch = line - pad;
    let column = swatch + 3 * pad + longest.unwrap_or(0);
    let columns = (width / column).max(1);
    let rows = (present.len() as u32).div_ceil(columns);
    let mut picture = RgbImage::from_pixel(width.max(column), rows * line + pad, BACKGROUND);
    for (at, &id) in (0..).zip(&present) {
        // Down the columns first, as lists are read.
        let (x, y) = (at / rows * column + pad, at % rows * line + pad);
        let color = RgbImage::from_pixel(swatch, swatch, Rgb(classes.color(id).0));
        imageops::replace(&mut picture, &color, i64::from(x), i64::from(y));
        text::draw(&mut picture, &name(id), x + swatch + pad, y, scale, INK);
    }
    picture
}

/// Pictures side by side, such as frame, truth and prediction.
pub fn strip(pictures: &[&RgbImage]) -> RgbImage {
    let gaps = GAP * (pictures.len() as u32).saturating_sub(1);
    let width = pictures.iter().map(|p| p.width()).sum::<u32>() + gaps;
    let height = pictures.iter().map(|p| p.height()).max().unwrap_or(0);
    let mut whole = RgbImage::from_pixel(width, height, BACKGROUND);
    let mut x = 0;
    for picture in pictures {
        imageops::replace(&mut whole, *picture, x, 0);
        x += i64::from(picture.width() + GAP);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use canet_core::{Class, Rgb as Color};

    fn classes() -> ClassSet {
        let class = |name: &str, color| Class { name: name.into(), color: Color(color) };
        let classes = vec![class("road", [100, 0, 0]), class("sky", [0, 0, 200])];
        ClassSet { name: "two".into(), classes }
    }

    #[test]
    fn overlays_mix_and_leave_void_alone() {
        let frame = RgbImage::from_pixel(3, 1, Rgb([10, 20, 30]));
        let mask = Mask::from_ids(3, 1, vec![0, 1, 255]);
        let mixed = overlay(&frame, &mask, &classes(), 0.5).unwrap();
        let pixels: Vec<_> = mixed.pixels().map(|p| p.0).collect();
        assert_eq!(pixels, [[55, 10, 15], [5, 10, 115], [10, 20, 30]]);
        assert_eq!(overlay(&frame, &mask, &classes(), 0.0).unwrap(), frame);
        assert_eq!(color_image(&mask, &classes()).get_pixel(1, 0).0, [0, 0, 200]);
        let error = overlay(&frame, &Mask::filled(2, 1, ClassId(0)), &classes(), 0.5);
        assert!(error.unwrap_err().to_string().contains("3x1, but the mask 2x1"));
    }

    #[test]
    fn legends_show_only_what_is_there() {
        let has = |picture: &RgbImage, color| picture.pixels().any(|p| p.0 == color);
        for width in [1, 40, 300, 2000] {
            let mask = Mask::filled(width, 2, ClassId(1));
            let picture = with_legend(&color_image(&mask, &classes()), &mask, &classes());
            let legend = legend(&mask, &classes(), width);
            assert!(has(&legend, [0, 0, 200]) && has(&legend, INK.0), "{width}");
            assert!(!has(&legend, [100, 0, 0]), "{width}");
            assert_eq!(picture.height(), 2 + legend.height());
            assert!(picture.width() >= width);
        }
    }

    #[test]
    fn strips_stand_side_by_side() {
        let [a, b] = [(2, 3), (5, 1)].map(|(w, h)| RgbImage::from_pixel(w, h, Rgb([9; 3])));
        let whole = strip(&[&a, &b]);
        assert_eq!(whole.dimensions(), (2 + GAP + 5, 3));
        assert_eq!(whole.get_pixel(2 + GAP, 0).0, [9; 3]);
        assert_eq!(whole.get_pixel(2 + GAP, 1), &BACKGROUND);
        assert_eq!(strip(&[]).dimensions(), (0, 0));
    }
}
