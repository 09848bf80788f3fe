//! Gaussian blur in whole numbers, so that every machine gets the same bytes.

use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::draw::Draws;

/// Weights are whole multiples of 2^-16.
const PRECISION: u32 = 16;
/// The kernel ends this many standard deviations from its centre.
const REACH: f64 = 3.0;

/// How often and how strongly a picture is blurred. The authors' code blurs every second picture with
/// a radius of up to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blur {
    /// How likely a picture is blurred, from 0 to 1.
    pub chance: f64,
    /// The standard deviation in pixels is drawn between these two.
    pub radius: (f64, f64),
}

impl Blur {
    /// The largest radius, in pixels.
    const MOST: f64 = 20.0;

    /// Refuses values without a meaning.
    pub(super) fn check(&self) -> Result<(), Error> {
        let (low, high) = self.radius;
        if low >= 0.0 && low <= high && high <= Self::MOST {
            return Ok(());
        }
        let reason = format!("is {low} to {high}; write [low, high] within 0 and {}", Self::MOST);
        Err(Error::Options { option: "blur.radius", reason })
    }

    pub(super) fn apply(self, image: &mut RgbImage, mut draws: Draws) {
        if draws.chance(self.chance) {
            let radius = draws.range(self.radius.0, self.radius.1);
            gaussian(image, radius);
        }
    }
}

/// Half of a symmetric kernel, its centre first; all of it sums to 1, which is 2^16 here.
fn kernel(radius: f64) -> Vec<u32> {
    let reach = (REACH * radius).ceil() as u32;
    let weight = |x: u32| (-0.5 * (f64::from(x) / radius).powi(2)).exp();
    let one_side: f64 = (1..=reach).map(weight).sum();
    let total = 1.0 + 2.0 * one_side;
    let fixed = |x| (weight(x) / total * f64::from(1u32 << PRECISION)).round() as u32;
    let sides: Vec<u32> = (1..=reach).map(fixed).collect();
    // What rounding took or gave is the centre's.
    let centre = (1u32 << PRECISION) - 2 * sides.iter().sum::<u32>();
    std::iter::once(centre).chain(sides).collect()
}

/// Blurs along rows, then along columns; the border's pixels go on beyond it.
fn gaussian(image: &mut RgbImage, radius: f64) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    if radius <= 0.0 || width == 0 || height == 0 {
        return;
    }
    let kernel = kernel(radius);
    if kernel[0] == 1 << PRECISION {
        return;
    }
    let mut across = vec![0; image.len()];
    for (to, from) in across.chunks_exact_mut(3 * width).zip(image.chunks_exact(3 * width)) {
        blur_row(from, to, &kernel);
    }
    let line = |y: usize| &across[y * 3 * width..][..3 * width];
    let mut sums = vec![0; 3 * width];
    for (y, to) in image.chunks_exact_mut(3 * width).enumerate() {
        sums.fill(1 << (PRECISION - 1));
        add(&mut sums, line(y), kernel[0]);
        for (distance, &weight) in kernel.iter().enumerate().skip(1) {
            add(&mut sums, line(y.saturating_sub(distance)), weight);
            add(&mut sums, line((y + distance).min(height - 1)), weight);
        }
        to.iter_mut().zip(&sums).for_each(|(to, sum)| *to = (sum >> PRECISION) as u8);
    }
}

fn blur_row(from: &[u8], to: &mut [u8], kernel: &[u32]) {
    let width = from.len() / 3;
    for x in 0..width {
        for channel in 0..3 {
            let at = |x: usize| u32::from(from[3 * x + channel]);
            let mut sum = (1 << (PRECISION - 1)) + at(x) * kernel[0];
            for (distance, &weight) in kernel.iter().enumerate().skip(1) {
                let (left, right) = (x.saturating_sub(distance), (x + distance).min(width - 1));
                sum += (at(left) + at(right)) * weight;
            }
            to[3 * x + channel] = (sum >> PRECISION) as u8;
        }
    }
}

/// 255 times a full weight and the half for rounding fit a `u32`.
fn add(sums: &mut [u32], line: &[u8], weight: u32) {
    sums.iter_mut().zip(line).for_each(|(sum, &v)| *sum += u32::from(v) * weight);
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn kernels_are_whole_and_fall() {
        for radius in [0.05, 0.3, 0.5, 1.0, 2.7, 20.0] {
            let kernel = kernel(radius);
            let sum = kernel[0] + 2 * kernel[1..].iter().sum::<u32>();
            assert_eq!(sum, 1 << PRECISION, "{radius}");
            // The centre also takes what rounding leaves.
            assert!(kernel.windows(2).all(|p| p[0] + 64 >= p[1]), "{radius}: {kernel:?}");
            assert!(kernel[1..].windows(2).all(|p| p[0] >= p[1]), "{radius}: {kernel:?}");
        }
    }

    #[test]
    fn a_point_spreads_as_the_normal_distribution_and_one_colour_stays() {
        let mut plain = RgbImage::from_pixel(7, 5, Rgb([255, 3, 0]));
        gaussian(&mut plain, 2.0);
        assert!(plain.pixels().all(|p| p.0 == [255, 3, 0]));
        let mut point = RgbImage::new(21, 21);
        point.put_pixel(10, 10, Rgb([255, 255, 0]));
        gaussian(&mut point, 1.5);
        for (x, y, pixel) in point.enumerate_pixels() {
            let (dx, dy) = (f64::from(x) - 10.0, f64::from(y) - 10.0);
            let density = |d: f64| (-0.5 * (d / 1.5).powi(2)).exp() / (1.5 * 2.5066);
            let expected = 255.0 * density(dx) * density(dy);
            assert!((f64::from(pixel[0]) - expected).abs() < 1.5, "{dx} {dy}: {pixel:?}");
            assert_eq!((pixel[0], pixel[2]), (pixel[1], 0));
        }
    }

    #[test]
    fn small_pictures_and_radii_are_no_matter() {
        for (width, height) in [(1, 1), (1, 9), (9, 1), (2, 2)] {
            let image = RgbImage::from_fn(width, height, |x, y| Rgb([(x * 90 + y * 70) as u8; 3]));
            let mut blurred = image.clone();
            gaussian(&mut blurred, 5.0);
            let range = |image: &RgbImage| {
                let values = image.iter().copied();
                (values.clone().min(), values.max())
            };
            assert!(range(&blurred).0 >= range(&image).0 && range(&blurred).1 <= range(&image).1);
            let mut same = image.clone();
            gaussian(&mut same, 0.0);
            gaussian(&mut same, 0.01);
            assert_eq!(same, image);
        }
    }
}
