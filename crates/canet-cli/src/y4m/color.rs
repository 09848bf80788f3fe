//! Between video's colours and RGB, in whole numbers.
//!
//! A colour sample serves all pixels for which it stands, as ffmpeg has it unless told otherwise:
//! where exactly it lies among them, by which the kinds of 4:2:0 differ, would move colours by half a
//! pixel, and brightness by nothing. On the way back it is the mean of its pixels.

use image::RgbImage;

use super::header::{Chroma, Header};

/// Fractions are so many bits.
const BITS: u32 = 16;
const HALF: i32 = 1 << (BITS - 1);

/// What BT.601 or BT.709 makes of a colour, for a range of values.
struct Matrix {
    /// The value of black.
    black: i32,
    /// From brightness to RGB.
    gain: i32,
    /// From Cb and Cr to red, green and blue.
    to_rgb: [[i32; 2]; 3],
    /// From RGB to brightness, Cb and Cr.
    from_rgb: [[i32; 3]; 3],
}

impl Matrix {
    fn of(header: &Header) -> Self {
        let (red, blue) = if header.is_709() { (0.2126, 0.0722) } else { (0.299, 0.114) };
        let green = 1.0 - red - blue;
        let (black, luma, chroma) =
            if header.full_range { (0, 1.0, 1.0) } else { (16, 255.0 / 219.0, 255.0 / 224.0) };
        let fixed = |value: f64| (value * f64::from(1 << BITS)).round() as i32;
        let [red_of, blue_of] = [2.0 * (1.0 - red), 2.0 * (1.0 - blue)];
        let to_rgb =
            [[0.0, red_of], [-blue * blue_of / green, -red * red_of / green], [blue_of, 0.0]];
        let from_rgb = [
            [red, green, blue].map(|share| share / luma),
            [-red, -green, 1.0 - blue].map(|share| share / blue_of / chroma),
            [1.0 - red, -green, -blue].map(|share| share / red_of / chroma),
        ];
        Self {
            black,
            gain: fixed(luma),
            to_rgb: to_rgb.map(|row| row.map(|factor| fixed(factor * chroma))),
            from_rgb: from_rgb.map(|row| row.map(fixed)),
        }
    }

    /// What a colour sample adds to red, green and blue, with half a unit for rounding.
    fn added(&self, cb: u8, cr: u8) -> [i32; 3] {
        let [cb, cr] = [cb, cr].map(|value| i32::from(value) - 128);
        self.to_rgb.map(|[of_cb, of_cr]| of_cb * cb + of_cr * cr + HALF)
    }

    fn rgb(&self, luma: u8, added: [i32; 3]) -> [u8; 3] {
        let luma = self.gain * (i32::from(luma) - self.black);
        added.map(|added| ((luma + added) >> BITS).clamp(0, 255) as u8)
    }

    /// One of brightness, Cb and Cr of the sum of `count` colours, a power of two.
    fn component(&self, which: usize, sum: [i32; 3], count: u32) -> u8 {
        let zero = if which == 0 { self.black } else { 128 };
        let factors = self.from_rgb[which];
        let total: i32 = factors.iter().zip(sum).map(|(factor, value)| factor * value).sum();
        let bits = BITS + count.ilog2();
        (zero + ((total + (1 << (bits - 1))) >> bits)).clamp(0, 255) as u8
    }
}

/// A frame of the stream in RGB.
pub(super) fn to_rgb(header: &Header, planes: &[u8]) -> RgbImage {
    let (width, height) = header.size();
    let (row, matrix) = (width as usize, Matrix::of(header));
    let (luma, chroma) = planes.split_at(row * height as usize);
    let [chroma_row, chroma_rows] = header.chroma_size();
    let [across, down] = header.chroma.divisors();
    let mut added = vec![matrix.added(128, 128); chroma_row];
    let mut picture = RgbImage::new(width, height);
    let rows = picture.chunks_exact_mut(3 * row).zip(luma.chunks_exact(row));
    for (y, (to, luma)) in rows.enumerate() {
        if header.chroma != Chroma::None && y % down == 0 {
            let (cb, cr) = chroma.split_at(chroma_row * chroma_rows);
            let from = y / down * chroma_row;
            let pairs = cb[from..from + chroma_row].iter().zip(&cr[from..]);
            for (added, (cb, cr)) in added.iter_mut().zip(pairs) {
                *added = matrix.added(*cb, *cr);
            }
        }
        let blocks = to.chunks_mut(3 * across).zip(luma.chunks(across));
        for ((to, luma), added) in blocks.zip(&added) {
            for (to, luma) in to.chunks_exact_mut(3).zip(luma) {
                to.copy_from_slice(&matrix.rgb(*luma, *added));
            }
        }
    }
    picture
}

/// Appends a picture of the header's size as the planes of `C420jpeg`.
pub(super) fn from_rgb(header: &Header, picture: &RgbImage, to: &mut Vec<u8>) {
    debug_assert_eq!(picture.dimensions(), header.size());
    let (matrix, row) = (Matrix::of(header), 3 * picture.width() as usize);
    let color = |pixel: &[u8]| [0, 1, 2].map(|at| i32::from(pixel[at]));
    to.extend(picture.chunks_exact(3).map(|pixel| matrix.component(0, color(pixel), 1)));
    let mut cr = Vec::with_capacity(picture.len() / 12);
    for rows in picture.chunks(2 * row) {
        let (upper, lower) = rows.split_at(row);
        // The last row of an odd number stands for the one that is missing, and so in columns.
        let lower = if lower.is_empty() { upper } else { lower };
        for (upper, lower) in upper.chunks(6).zip(lower.chunks(6)) {
            let mut sum = [0; 3];
            for pair in [upper, lower] {
                for pixel in [&pair[..3], &pair[pair.len() - 3..]] {
                    sum.iter_mut().zip(color(pixel)).for_each(|(sum, value)| *sum += value);
                }
            }
            to.push(matrix.component(1, sum, 4));
            cr.push(matrix.component(2, sum, 4));
        }
    }
    to.append(&mut cr);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(line: &str) -> Header {
        Header::parse(line.as_bytes()).unwrap()
    }

    /// The standards' own equations, with fractions.
    fn exact(header: &Header, [luma, cb, cr]: [u8; 3]) -> [f64; 3] {
        let (kr, kb) = if header.is_709() { (0.2126, 0.0722) } else { (0.299, 0.114) };
        let [y, cb, cr] = if header.full_range {
            [f64::from(luma), f64::from(cb) - 128.0, f64::from(cr) - 128.0]
        } else {
            let chroma = |value| (f64::from(value) - 128.0) * 255.0 / 224.0;
            [(f64::from(luma) - 16.0) * 255.0 / 219.0, chroma(cb), chroma(cr)]
        };
        let (r, b) = (y + 2.0 * (1.0 - kr) * cr, y + 2.0 * (1.0 - kb) * cb);
        let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
        [r, g, b].map(|value| value.clamp(0.0, 255.0))
    }

    #[test]
    fn colours_are_those_of_the_standards() {
        for (height, range) in [(4, ""), (4, "FULL"), (720, ""), (720, "FULL")] {
            let header = header(&format!("YUV4MPEG2 W4 H{height} C444 XCOLORRANGE={range}"));
            let matrix = Matrix::of(&header);
            let values = || (0..=255).step_by(15);
            for luma in values() {
                for (cb, cr) in values().flat_map(|cb| values().map(move |cr| (cb, cr))) {
                    let got = matrix.rgb(luma, matrix.added(cb, cr));
                    for (got, exact) in got.iter().zip(exact(&header, [luma, cb, cr])) {
                        let off = (f64::from(*got) - exact).abs();
                        assert!(off <= 0.51, "{height} {range} {luma} {cb} {cr}: {off}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_colour_sample_serves_its_pixels() {
        // Pure red, grey and blue of BT.601, limited.
        let [red, grey, blue] = [[81, 90, 240], [126, 128, 128], [41, 240, 110]];
        let luma = [red[0], red[0], grey[0], grey[0], blue[0], blue[0]];
        for (form, rows, chroma) in [
            ("C420", 2, vec![90, 128, 240, 240, 128, 110]),
            ("C422", 1, vec![90, 128, 240, 240, 128, 110]),
            ("C444", 1, vec![90, 90, 128, 128, 240, 240, 240, 240, 128, 128, 110, 110]),
        ] {
            let header = header(&format!("YUV4MPEG2 W6 H{rows} {form}"));
            let planes = [luma.repeat(rows), chroma].concat();
            let picture = to_rgb(&header, &planes);
            let expected = [[254, 0, 0], [128, 128, 128], [0, 0, 255]];
            for (x, y, pixel) in picture.enumerate_pixels() {
                let off = pixel.0.iter().zip(expected[x as usize / 2]).map(|(a, b)| a.abs_diff(b));
                assert!(off.max() <= Some(1), "{form} {x} {y}: {pixel:?}");
            }
        }
        let mono = to_rgb(&header("YUV4MPEG2 W3 H1 Cmono"), &[16, 126, 235]);
        assert_eq!(mono.into_raw(), [0, 0, 0, 128, 128, 128, 255, 255, 255]);
    }
}
