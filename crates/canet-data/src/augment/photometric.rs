//! Changes of colour.

use image::{Rgb, RgbImage};
use serde::{Deserialize, Serialize};

use crate::draw::Draws;

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

impl Jitter {
    /// Changes colours in a fixed order: brightness, contrast, saturation, hue.
    pub(super) fn apply(self, image: &mut RgbImage, draws: impl Fn(&'static str) -> Draws) {
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
pub(super) fn turn_hue([r, g, b]: [u8; 3], turn: f32) -> [u8; 3] {
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
