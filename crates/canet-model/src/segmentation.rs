//! What became of a frame: its mask, how sure it is, and pictures of it.

use std::sync::Arc;

use canet_core::{ClassSet, Mask};
use image::{GrayImage, RgbImage};

use crate::{Result, picture};

/// The classes of a frame's pixels.
#[derive(Debug, Clone)]
pub struct Segmentation {
    /// One class a pixel of the frame.
    pub mask: Mask,
    /// What the ids in the mask stand for.
    pub classes: Arc<ClassSet>,
    /// How sure each pixel's class is, if [`crate::Options::confidence`] asked for it.
    pub confidence: Option<Confidence>,
}

/// The probability that the network gives the class of each pixel, 0 to 1, row by row. It is what the
/// network says of itself: trained networks are surer than they are right.
#[derive(Debug, Clone, PartialEq)]
pub struct Confidence {
    width: u32,
    height: u32,
    values: Vec<f32>,
}

impl Segmentation {
    /// The mask in the colours of its classes.
    pub fn color_image(&self) -> RgbImage {
        picture::color_image(&self.mask, &self.classes)
    }

    /// The frame under the mask's colours; `opacity` 0 shows the frame alone, 1 the colours.
    pub fn overlay(&self, frame: &RgbImage, opacity: f32) -> Result<RgbImage> {
        picture::overlay(frame, &self.mask, &self.classes, opacity)
    }

    /// The share of the frame that each class has, by id.
    pub fn shares(&self) -> Vec<f64> {
        let total = self.mask.ids().len() as f64;
        let counts = self.mask.histogram();
        counts[..self.classes.len()].iter().map(|&count| count as f64 / total).collect()
    }
}

impl Confidence {
    /// `values` has one probability a pixel of the mask.
    pub(crate) fn of(mask: &Mask, values: Vec<f32>) -> Self {
        debug_assert_eq!(values.len(), mask.ids().len());
        Self { width: mask.width(), height: mask.height(), values }
    }

    /// All probabilities, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// That of the pixel at column `x` of row `y`.
    pub fn at(&self, x: u32, y: u32) -> f32 {
        self.values[y as usize * self.width as usize + x as usize]
    }

    /// The mean over all pixels.
    pub fn mean(&self) -> f64 {
        self.values.iter().map(|&p| f64::from(p)).sum::<f64>() / self.values.len() as f64
    }

    /// As a grey picture: 255 is certain.
    pub fn to_gray(&self) -> GrayImage {
        let grey = |x, y| image::Luma([(self.at(x, y) * 255.0).round() as u8]);
        GrayImage::from_fn(self.width, self.height, grey)
    }
}

#[cfg(test)]
mod tests {
    use canet_core::ClassId;

    use super::*;

    #[test]
    fn confidence_is_read_by_pixel_as_mean_and_as_a_picture() {
        let mask = Mask::filled(3, 2, ClassId(0));
        let map = Confidence::of(&mask, vec![1.0, 0.5, 0.25, 0.0, 1.0, 0.25]);
        assert_eq!(
            [map.at(2, 0), map.at(0, 1)].map(f32::to_bits),
            [0.25_f32, 0.0].map(f32::to_bits)
        );
        assert!((map.mean() - 0.5).abs() < 1e-12);
        assert_eq!(map.to_gray().into_raw(), [255, 128, 64, 0, 255, 64]);
    }
}
