//! What belongs to the camera and not to the street: the car's bonnet and the recorder's strip.

use super::camera::Painter;
use super::canvas::Point;
use super::street::Street;
use super::texture::{Colour, mix, scale};

/// Dark paints only: a bonnet is known by its place and its shine.
const PAINTS: [Colour; 4] =
    [[0.07, 0.08, 0.10], [0.10, 0.07, 0.14], [0.13, 0.06, 0.09], [0.06, 0.09, 0.16]];

/// Three by five dots a digit, row by row from the top.
const DIGITS: [u16; 10] = [
    0b111_101_101_101_111,
    0b010_110_010_010_111,
    0b111_001_111_100_111,
    0b111_001_111_001_111,
    0b101_101_111_001_001,
    0b111_100_111_001_111,
    0b111_100_111_101_111,
    0b111_001_010_010_010,
    0b111_101_111_101_111,
    0b111_101_111_001_111,
];

/// Paints both where the drive has them.
pub(super) fn paint(painter: &mut Painter, street: &Street, frame: u32) {
    let height = f64::from(painter.canvas.height);
    let low = match street.strip {
        Some((share, true)) => height * (1.0 - share),
        _ => height,
    };
    if let Some(paint) = street.bonnet {
        bonnet(painter, PAINTS[paint], low);
    }
    if let Some((share, bottom)) = street.strip {
        strip(painter, height * share, bottom, street.drive, frame);
    }
}

fn bonnet(painter: &mut Painter, colour: Colour, low: f64) {
    let w = f64::from(painter.canvas.width);
    let rise = 0.125 * low;
    let arch = |k: u32| {
        let t = f64::from(k) / 12.0;
        [w * (t * 1.2 - 0.1), low - rise * (1.0 - (2.0 * t - 1.0).powi(4) * 0.75)]
    };
    let mut polygon: Vec<Point> = (0..=12).map(arch).collect();
    polygon.extend([[w * 1.1, low + 3.0], [-0.1 * w, low + 3.0]]);
    let (light, texture) = (painter.light, painter.texture);
    painter.canvas.object("ego vehicle", &polygon, |x, y| {
        let t = ((low - y) / rise) as f32;
        let ridge = ((x / w - 0.5).abs() - 0.28).abs() < 0.006;
        let sheen = mix(colour, [0.46, 0.52, 0.60], (t - 0.35).max(0.0).powi(2) * 1.1);
        let lit = scale(sheen, if ridge { 1.5 } else { 1.0 + 0.2 * texture.at(x * 0.05, 7.0) });
        light.lit(lit, 0.5)
    });
}

/// The recorder's black strip with the date; nothing of it is part of the scene.
fn strip(painter: &mut Painter, size: f64, bottom: bool, drive: u32, frame: u32) {
    let (w, h) = (f64::from(painter.canvas.width), f64::from(painter.canvas.height));
    let (top, low) = if bottom { (h - size, h + 2.0) } else { (-3.0, size) };
    let polygon = [[-3.0, top], [w + 2.0, top], [w + 2.0, low], [-3.0, low]];
    painter.canvas.object("out of roi", &polygon, |_, _| [0.015, 0.015, 0.02]);
    let dot = (size / 9.0).max(1.0).floor();
    let y = (if bottom { top } else { 0.0 } + (size - 5.0 * dot) / 2.0).round();
    let text = format!(
        "2019 {:02} {:02} {:02} {:02}",
        1 + drive % 12,
        3 + drive % 25,
        7 + drive % 11,
        frame % 60
    );
    let mut x = 4.0 * dot;
    for digit in text.chars() {
        if let Some(rows) = digit.to_digit(10).and_then(|d| DIGITS.get(d as usize)) {
            for k in (0..15u8).filter(|k| (rows >> (14 - k)) & 1 == 1) {
                let (u, v) = (x + f64::from(k % 3) * dot, y + f64::from(k / 3) * dot);
                let cell = [
                    [u, v],
                    [u + dot - 1.0, v],
                    [u + dot - 1.0, v + dot - 1.0],
                    [u, v + dot - 1.0],
                ];
                painter.canvas.detail(&cell, |_, _| [0.86, 0.86, 0.80]);
            }
        }
        x += 4.0 * dot;
    }
}
