//! Maps of one number a pixel, as colours.

use candle_core::Tensor;
use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma, Rgb, RgbImage};

use crate::{Error, Result};

/// Ten colours of viridis (by Stéfan van der Walt and Nathaniel Smith, in the public domain): equal
/// steps look equal, to the colour-blind and in print, too.
const VIRIDIS: [[u8; 3]; 10] = [
    [0x44, 0x01, 0x54],
    [0x48, 0x28, 0x78],
    [0x3e, 0x49, 0x89],
    [0x31, 0x68, 0x8e],
    [0x26, 0x82, 0x8e],
    [0x1f, 0x9e, 0x89],
    [0x35, 0xb7, 0x79],
    [0x6e, 0xce, 0x58],
    [0xb5, 0xde, 0x2b],
    [0xfd, 0xe7, 0x25],
];

/// The colour of a number from 0 (dark violet) to 1 (yellow); what lies outside is at the end.
///
/// ```
/// use canet_model::{image::Rgb, picture::viridis};
///
/// assert_eq!(viridis(0.0), Rgb([0x44, 0x01, 0x54]));
/// assert_eq!(viridis(2.0), Rgb([0xfd, 0xe7, 0x25]));
/// ```
pub fn viridis(value: f32) -> Rgb<u8> {
    let last = VIRIDIS.len() - 1;
    // NaN has no place on the scale; it is put at its beginning.
    let at = if value > 0.0 { value.min(1.0) } else { 0.0 } * last as f32;
    let low = (at as usize).min(last - 1);
    let share = at - low as f32;
    let mix = |c: usize| {
        let [from, to] = [low, low + 1].map(|colour| f32::from(VIRIDIS[colour][c]));
        (from + (to - from) * share).round() as u8
    };
    Rgb([mix(0), mix(1), mix(2)])
}

/// One number a pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap(ImageBuffer<Luma<f32>, Vec<f32>>);

impl HeatMap {
    /// Numbers row by row. Fails if they are not `width * height`, or none.
    pub fn new(width: u32, height: u32, values: Vec<f32>) -> Result<Self> {
        let count = values.len();
        let fitting = u64::from(width) * u64::from(height) == count as u64 && count > 0;
        let map = ImageBuffer::from_raw(width, height, values).filter(|_| fitting);
        map.map(Self).ok_or_else(|| {
            Error::Input(format!("a map of {width}x{height} pixels cannot have {count} values"))
        })
    }

    /// How strongly features `(C, h, w)` answer at each pixel: the mean of their absolute values over
    /// the channels.
    pub fn of_features(features: &Tensor) -> Result<Self> {
        let (_, h, w) = features.dims3()?;
        let values = features.abs()?.mean(0)?.flatten_all()?.to_vec1()?;
        Self::new(w as u32, h as u32, values)
    }

    /// The numbers, row by row.
    pub fn values(&self) -> &[f32] {
        self.0.as_raw()
    }

    /// The least and the greatest number.
    pub fn range(&self) -> [f32; 2] {
        let values = self.values().iter();
        values.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], &v| [low.min(v), high.max(v)])
    }

    /// The range without the hundredth of the values at either end: a few outliers, such as at the
    /// picture's edge, would leave no colours for the rest.
    pub fn most(&self) -> [f32; 2] {
        let mut sorted = self.values().to_vec();
        sorted.sort_by(f32::total_cmp);
        let cut = sorted.len() / 100;
        [sorted[cut], sorted[sorted.len() - 1 - cut]]
    }

    /// The mean of all numbers.
    pub fn mean(&self) -> f64 {
        self.values().iter().map(|&v| f64::from(v)).sum::<f64>() / self.values().len() as f64
    }

    /// A picture of `width` and `height`, coloured by [`viridis`] from the first to the second of
    /// `range`; where these are equal, it has the colour of the middle.
    pub fn to_image(&self, width: u32, height: u32, [low, high]: [f32; 2]) -> RgbImage {
        // Before it is resized: that keeps floats within 0 and 1.
        let mut map = self.0.clone();
        for Luma([value]) in map.pixels_mut() {
            *value = if high > low { (*value - low) / (high - low) } else { 0.5 };
        }
        let map = resize(&map, width, height, FilterType::Triangle);
        RgbImage::from_fn(width, height, |x, y| viridis(map.get_pixel(x, y).0[0]))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// Lightness only rises: the eye can tell more from less anywhere on the scale.
    #[test]
    fn viridis_grows_lighter() {
        let light = |i: u16| {
            let [r, g, b] = viridis(f32::from(i) / 500.0).0.map(f64::from);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        assert!((0..20).all(|i| light(25 * (i + 1)) > light(25 * i) + 2.0));
        assert_eq!(viridis(f32::NAN), viridis(-1.0));
    }

    #[test]
    fn maps_are_the_mean_of_absolute_values_and_get_their_colours() {
        let values = [1.0_f32, -2.0, 0.0, 4.0, -3.0, 0.0, 0.0, 4.0];
        let features = Tensor::from_slice(&values, (2, 1, 4), &Device::Cpu).unwrap();
        let map = HeatMap::of_features(&features).unwrap();
        assert_eq!(map.values(), [2.0, 1.0, 0.0, 4.0]);
        assert_eq!((map.range(), map.mean()), ([0.0, 4.0], 1.75));
        let picture = map.to_image(4, 1, map.range());
        let expected = [0.5, 0.25, 0.0, 1.0].map(viridis);
        assert_eq!(picture.pixels().copied().collect::<Vec<_>>(), expected);
        // In the middle of where each pixel has gone.
        let large = map.to_image(36, 9, map.range());
        assert_eq!([4, 13, 22, 31].map(|x| *large.get_pixel(x, 4)), expected);
        let flat = HeatMap::new(1, 1, vec![7.0]).unwrap();
        assert_eq!(*flat.to_image(9, 5, [7.0; 2]).get_pixel(8, 4), viridis(0.5));
        assert_eq!(flat.most().map(f32::to_bits), [7.0_f32; 2].map(f32::to_bits));
        let outliers = (0..200).map(|i| if i < 2 { -900.0 } else { i as f32 }).collect();
        let most = HeatMap::new(20, 10, outliers).unwrap().most();
        assert_eq!(most.map(f32::to_bits), [2.0_f32, 197.0].map(f32::to_bits));
        for (w, h) in [(2, 1), (0, 0), (1, 3)] {
            HeatMap::new(w, h, if w == 0 { vec![] } else { vec![0.0; 4] }).unwrap_err();
        }
    }
}
