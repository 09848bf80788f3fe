//! Augmentation: scale, crop, flip and colour, on whole pixels.
//!
//! Each function here is pure, and each draw is a function of (seed, epoch, sample, purpose), so a
//! sample is augmented the same way by any thread and after any resume, and switching one step off
//! does not change the draws of the others. Pictures are antialiased, masks take the nearest pixel:
//! no step makes up a class id; the only one that may appear is void, as padding.

use canet_core::{ClassId, MAX_SIDE, Mask};
use image::{Rgb, RgbImage, imageops};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::dataset::Frame;
use crate::draw::Draws;
use crate::resize::{self, Window};

/// The mean colour of ImageNet: padding of this colour is near zero once pictures are normalised.
const PADDING: Rgb<u8> = Rgb([124, 116, 104]);

/// What is done to a frame before the network sees it. The default changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// The size (width, height) that a frame is brought to first. Its aspect is not kept: one
    /// resize to a fixed size is what the assignment asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<(u32, u32)>,
    /// The factor that both sides are then scaled by, drawn between these two. Both resizes are
    /// done as one, so the picture is filtered once.
    pub scale: (f64, f64),
    /// The size (width, height) of the part that is cut out, anywhere in the scaled frame. A frame
    /// smaller than that is padded instead: the mask with void, the picture with a mean colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<(u32, u32)>,
    /// How likely the frame is mirrored, from 0 to 1.
    pub flip: f64,
    /// How strongly colours change.
    pub jitter: Jitter,
}

/// Strengths of the changes of colour; 0 leaves a property as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jitter {
    /// Brightness is multiplied by a factor in `1 - s .. 1 + s`.
    pub brightness: f64,
    /// The distance to the picture's mean grey is, likewise.
    pub contrast: f64,
    /// The distance of each pixel to its own grey is, likewise.
    pub saturation: f64,
    /// The hue moves by up to this part of the colour circle either way, at most 0.5.
    pub hue: f64,
}

impl Default for Augment {
    fn default() -> Self {
        Self { base: None, scale: (1.0, 1.0), crop: None, flip: 0.0, jitter: Jitter::default() }
    }
}

impl Augment {
    /// Refuses values without a meaning; the error names the key, and what is possible.
    pub fn check(&self) -> Result<(), Error> {
        let fail = |option, reason| Err(Error::Options { option, reason });
        for (key, size) in [("base", self.base), ("crop", self.crop)] {
            if let Some((width, height)) = size
                && !((1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height))
            {
                return fail(key, format!("is {width}x{height}; sides of 1 to {MAX_SIDE} work"));
            }
        }
        self.check_scale()?;
        let jitter = self.jitter;
        for (key, value, most) in [
            ("flip", self.flip, 1.0),
            ("jitter.brightness", jitter.brightness, 1.0),
            ("jitter.contrast", jitter.contrast, 1.0),
            ("jitter.saturation", jitter.saturation, 1.0),
            ("jitter.hue", jitter.hue, 0.5),
        ] {
            if !(0.0..=most).contains(&value) {
                return fail(key, format!("is {value}; 0 to {most} is possible"));
            }
        }
        Ok(())
    }

    fn check_scale(&self) -> Result<(), Error> {
        let (low, high) = self.scale;
        let fail = |what: String| {
            let reason = format!("is {low} to {high}; {what}");
            Err(Error::Options { option: "scale", reason })
        };
        if !(low >= 0.01 && low <= high && high <= 100.0) {
            return fail("write [low, high] within 0.01 and 100".into());
        }
        // The bounds are compared as they are written: equal ones draw nothing.
        if low < high && self.crop.is_none() {
            return fail("frames of many sizes make no batch, so set a crop".into());
        }
        if let Some((width, height)) = self.base
            && f64::from(width.max(height)) * high > f64::from(MAX_SIDE)
        {
            return fail(format!("base times scale has a side over {MAX_SIDE}"));
        }
        Ok(())
    }

    /// Augments one sample; the result depends on the arguments alone.
    pub fn apply(&self, frame: &Frame, seed: u64, epoch: u32, sample: u64) -> Frame {
        let draws = |purpose| Draws::new(seed, epoch, sample, purpose);
        let factor = draws("scale").range(self.scale.0, self.scale.1);
        let base = self.base.unwrap_or(frame.image.dimensions());
        let size = (scaled(base.0, factor), scaled(base.1, factor));
        let crop = self.crop.unwrap_or(size);
        let mut position = draws("crop");
        let (across, down) = (
            Placement::draw(size.0, crop.0, &mut position),
            Placement::draw(size.1, crop.1, &mut position),
        );
        let window =
            Window { x: across.from, y: down.from, width: across.length, height: down.length };
        let mut frame = Frame {
            image: resize::image(&frame.image, size, window),
            mask: resize::mask(&frame.mask, size, window),
        };
        if draws("flip").chance(self.flip) {
            frame = flip(&frame);
        }
        self.jitter.apply(&mut frame.image, draws);
        pad(frame, crop, (across.to, down.to))
    }
}

fn scaled(side: u32, factor: f64) -> u32 {
    (f64::from(side) * factor).round().clamp(1.0, f64::from(MAX_SIDE)) as u32
}

/// Where along one side the frame and the crop overlap.
struct Placement {
    /// First pixel of the scaled frame that is used.
    from: u32,
    /// Its place in the crop.
    to: u32,
    length: u32,
}

impl Placement {
    /// Any position of the crop within the frame, or of the frame within the crop, is as likely as another.
    fn draw(frame: u32, crop: u32, draws: &mut Draws) -> Self {
        let offset = draws.below(frame.abs_diff(crop) as usize + 1) as u32;
        if frame >= crop {
            Self { from: offset, to: 0, length: crop }
        } else {
            Self { from: 0, to: offset, length: frame }
        }
    }
}

/// Brings a frame to a size (width, height), and nothing else.
pub fn fit(frame: &Frame, size: (u32, u32)) -> Frame {
    Frame {
        image: resize::image(&frame.image, size, Window::whole(size)),
        mask: resize::mask(&frame.mask, size, Window::whole(size)),
    }
}

/// Mirrors a frame left to right.
pub fn flip(frame: &Frame) -> Frame {
    let mut mask = frame.mask.clone();
    let width = mask.width() as usize;
    mask.ids_mut().chunks_exact_mut(width.max(1)).for_each(<[u8]>::reverse);
    Frame { image: imageops::flip_horizontal(&frame.image), mask }
}

/// Puts a frame at `(x, y)` of a canvas of padding.
fn pad(frame: Frame, size: (u32, u32), (x, y): (u32, u32)) -> Frame {
    if frame.image.dimensions() == size {
        return frame;
    }
    let mut image = RgbImage::from_pixel(size.0, size.1, PADDING);
    imageops::replace(&mut image, &frame.image, i64::from(x), i64::from(y));
    let mut mask = Mask::filled(size.0, size.1, ClassId::VOID);
    let (from, to) = (frame.mask.width() as usize, size.0 as usize);
    let lines = mask.ids_mut().chunks_exact_mut(to.max(1)).skip(y as usize);
    for (line, source) in lines.zip(frame.mask.ids().chunks_exact(from.max(1))) {
        line[x as usize..][..from].copy_from_slice(source);
    }
    Frame { image, mask }
}

impl Jitter {
    /// Changes colours in a fixed order: brightness, contrast, saturation, hue.
    fn apply(self, image: &mut RgbImage, draws: impl Fn(&'static str) -> Draws) {
        let factor = |purpose, strength: f64| -> Option<f32> {
            (strength > 0.0).then(|| draws(purpose).range(1.0 - strength, 1.0 + strength) as f32)
        };
        if let Some(factor) = factor("brightness", self.brightness) {
            through_table(image, |v| v * factor);
        }
        if let Some(factor) = factor("contrast", self.contrast) {
            let mean = mean_grey(image);
            through_table(image, |v| mean + (v - mean) * factor);
        }
        if let Some(factor) = factor("saturation", self.saturation) {
            for Rgb(rgb) in image.pixels_mut() {
                let grey = f32::from(grey(*rgb));
                *rgb = rgb.map(|v| to_u8(grey + (f32::from(v) - grey) * factor));
            }
        }
        if self.hue > 0.0 {
            let turn = draws("hue").range(-self.hue, self.hue) as f32;
            image.pixels_mut().for_each(|Rgb(rgb)| *rgb = turn_hue(*rgb, turn));
        }
    }
}

fn to_u8(value: f32) -> u8 {
    (value + 0.5).clamp(0.0, 255.0) as u8
}

fn through_table(image: &mut RgbImage, change: impl Fn(f32) -> f32) {
    let table: [u8; 256] = std::array::from_fn(|v| to_u8(change(v as f32)));
    image.iter_mut().for_each(|v| *v = table[usize::from(*v)]);
}

/// The luma of ITU-R BT.601, rounded.
fn grey([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114 + 500) / 1000) as u8
}

/// The mean grey, rounded; summed in integers, so the order of the pixels cannot matter.
fn mean_grey(image: &RgbImage) -> f32 {
    let sum: u64 = image.pixels().map(|Rgb(rgb)| u64::from(grey(*rgb))).sum();
    let count = u64::from(image.width()) * u64::from(image.height());
    ((sum + count / 2) / count.max(1)) as f32
}

/// Turns the hue by a part of the colour circle, keeping HSV's value and chroma.
fn turn_hue([r, g, b]: [u8; 3], turn: f32) -> [u8; 3] {
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = f32::from(high - low);
    if high == low {
        return [r, g, b];
    }
    let apart = |x: u8, y: u8| (f32::from(x) - f32::from(y)) / chroma;
    // The hue in sixths of the circle, as HSV has it.
    let hue = if high == r {
        apart(g, b)
    } else if high == g {
        apart(b, r) + 2.0
    } else {
        apart(r, g) + 4.0
    };
    let hue = (hue + turn * 6.0).rem_euclid(6.0);
    // Each channel is a trapezium over the circle, a third of a turn from the next.
    [5.0, 3.0, 1.0].map(|shift: f32| {
        let k = (shift + hue).rem_euclid(6.0);
        to_u8(f32::from(high) - chroma * k.min(4.0 - k).clamp(0.0, 1.0))
    })
}

#[cfg(test)]
mod tests;
