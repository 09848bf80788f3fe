//! From bytes to what a network sees: the same for training and inference.

use candle_core::{DType, Device, Tensor};
use image::RgbImage;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Result;

/// `(value / 255 - mean) / std`, for each of red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// Of red, green and blue.
    pub mean: [f32; 3],
    /// Of red, green and blue.
    pub std: [f32; 3],
}

impl Default for Normalisation {
    /// That of ImageNet, which published backbones expect.
    fn default() -> Self {
        Self { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
    }
}

impl Normalisation {
    /// The pixels of a picture, `(H, W, 3)` bytes, as planes `(3, H, W)`.
    pub fn planes(&self, pixels: &[u8]) -> Vec<f32> {
        let mut planes = vec![0.0; pixels.len()];
        self.write_planes(pixels, &mut planes);
        planes
    }

    /// A picture as networks take it: `(1, 3, H, W)` on `device`.
    pub fn tensor(&self, picture: &RgbImage, device: &Device) -> Result<Tensor> {
        let [h, w] = [picture.height(), picture.width()].map(|side| side as usize);
        self.batch(picture.as_raw(), [h, w], DType::F32, device)
    }

    /// Pictures of one size, `(N, H, W, 3)` bytes, as networks take them: `(N, 3, H, W)` of `dtype` on
    /// `device`. To a GPU the bytes are sent, which are few, and become numbers there.
    pub fn batch(
        &self,
        pixels: &[u8],
        size: [usize; 2],
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let [h, w] = size;
        let count = pixels.len() / (3 * h * w);
        #[cfg(feature = "cuda")]
        if device.is_cuda() {
            let pictures = self.buffer([count, h, w], device)?;
            pictures.fill(pixels)?;
            return Ok(pictures.normalised(dtype)?);
        }
        let planes = pixels.par_chunks(h * w * 3).map(|pixels| self.planes(pixels));
        let values = planes.collect::<Vec<_>>().concat();
        Ok(Tensor::from_vec(values, (count, 3, h, w), device)?.to_dtype(dtype)?)
    }

    /// Room on a GPU for pictures of `[n, h, w]`, which become what networks take there.
    #[cfg(feature = "cuda")]
    pub fn buffer(&self, size: [usize; 3], device: &Device) -> Result<canet_ops::cuda::Pictures> {
        Ok(canet_ops::cuda::Pictures::new(size, &self.tables(), device)?)
    }

    /// What each byte becomes, in each channel. A byte has 256 values; looking them up is faster than
    /// dividing.
    fn tables(&self) -> [[f32; 256]; 3] {
        let table = |channel: usize| {
            let (mean, std) = (self.mean[channel], self.std[channel]);
            std::array::from_fn(|value| (value as f32 / 255.0 - mean) / std)
        };
        [table(0), table(1), table(2)]
    }

    /// As [`Normalisation::planes`], into a place at hand.
    ///
    /// # Panics
    /// If `planes` has not one value a byte.
    pub fn write_planes(&self, pixels: &[u8], planes: &mut [f32]) {
        canet_ops::frozen::look_up(pixels, &self.tables(), planes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_normalised_by_channel() {
        let halves = Normalisation { mean: [0.5, 0.5, 0.0], std: [0.5, 0.25, 1.0] };
        assert_eq!(halves.planes(&[255, 0, 51, 0, 255, 102]), [1.0, -1.0, -2.0, 2.0, 0.2, 0.4]);
    }
}
