//! Text on pictures, in an 8x8 font that needs no file.

use font8x8::legacy::{BASIC_LEGACY, LATIN_LEGACY};
use image::{Rgb, RgbImage};

const SIDE: u32 = 8;

/// How wide a text is at a scale.
pub(crate) fn width(text: &str, scale: u32) -> u32 {
    text.chars().count() as u32 * SIDE * scale
}

/// Draws a text with its upper left corner at `(x, y)`; what falls outside is left out.
pub(crate) fn draw(picture: &mut RgbImage, text: &str, x: u32, y: u32, scale: u32, ink: Rgb<u8>) {
    for (at, letter) in (0..).zip(text.chars()) {
        let glyph = glyph(letter);
        let left = x + at * SIDE * scale;
        for (row, column) in (0..SIDE * scale).flat_map(|r| (0..SIDE * scale).map(move |c| (r, c)))
        {
            let lit = glyph[(row / scale) as usize] >> (column / scale) & 1 == 1;
            if lit && let Some(pixel) = picture.get_pixel_mut_checked(left + column, y + row) {
                *pixel = ink;
            }
        }
    }
}

/// Eight rows, the lowest bit on the left; `?` for letters that the font lacks.
fn glyph(letter: char) -> [u8; 8] {
    let code = letter as usize;
    match code {
        0..0x80 => BASIC_LEGACY[code],
        0xa0..0x100 => LATIN_LEGACY[code - 0xa0],
        _ => BASIC_LEGACY['?' as usize],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_upright_and_scaled() {
        let mut picture = RgbImage::new(16, 16);
        draw(&mut picture, "L", 0, 0, 2, Rgb([255; 3]));
        let lit = |x, y| picture.get_pixel(x, y).0 == [255; 3];
        // The foot of an L is at the bottom, and reaches further right than its stem.
        let right_most = |y| (0..16).rev().find(|&x| lit(x, y)).unwrap();
        assert!(right_most(12) > right_most(4));
        assert_eq!(lit(4, 4), lit(5, 5));
        draw(&mut picture, "é日\u{7f}", 12, 12, 1, Rgb([1; 3]));
    }
}
