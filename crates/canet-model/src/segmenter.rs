//! From a frame to its mask: resize, normalise, run, resize back, take the best class.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use canet_core::{ClassSet, Mask};
use canet_ops::Corners;
use image::RgbImage;
use image::imageops::{FilterType, resize};

use crate::{Checkpoint, CheckpointMeta, Error, Frozen, Network, Pass, Result, Sizes, picture};

/// Frames smaller than the network's output stride are enlarged to it first.
const LEAST_SIDE: u32 = 8;

/// A network that is ready for frames.
///
/// It can be shared between threads; segmenting does not change it. Clones share its weights.
///
/// ```no_run
/// use canet_model::{Device, Segmenter};
///
/// let segmenter = Segmenter::load("model.safetensors".as_ref(), &Device::Cpu)?;
/// let frame = image::open("frame.jpg")?.into_rgb8();
/// let segmentation = segmenter.segment(&frame)?;
/// segmentation.overlay(&frame, 0.5)?.save("overlay.png")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Segmenter {
    engine: Engine,
    meta: CheckpointMeta,
}

/// What computes.
#[derive(Debug, Clone)]
enum Engine {
    /// On the CPU.
    Frozen(Arc<Frozen>),
    /// On other devices.
    Network(Network),
}

/// The classes of a frame's pixels.
#[derive(Debug, Clone)]
pub struct Segmentation {
    /// One class a pixel of the frame.
    pub mask: Mask,
    /// What the ids in the mask stand for.
    pub classes: ClassSet,
}

impl Segmenter {
    /// Reads a checkpoint. An auxiliary head is left out, as only the training needs it.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let checkpoint = Checkpoint::read(path)?.without_aux();
        let (network, _) = checkpoint.network(device)?;
        Self::from_parts(network, checkpoint.meta)
    }

    /// Uses a network at hand, such as one in training, as it is now. (On devices other than the CPU
    /// it is not copied, and later changes of its parameters would show.)
    pub fn from_parts(network: Network, meta: CheckpointMeta) -> Result<Self> {
        meta.check()?;
        if *network.config() != meta.model {
            return Err(Error::Config("the network is not the one of the description".into()));
        }
        let engine = if network.device().is_cpu() {
            Engine::Frozen(Arc::new(Frozen::new(&network)?))
        } else {
            Engine::Network(network)
        };
        Ok(Self { engine, meta })
    }

    /// What the checkpoint says about the network.
    pub fn meta(&self) -> &CheckpointMeta {
        &self.meta
    }

    /// The classes it tells apart.
    pub fn classes(&self) -> &ClassSet {
        &self.meta.classes
    }

    /// The class of every pixel of a frame.
    pub fn segment(&self, frame: &RgbImage) -> Result<Segmentation> {
        let ids = match &self.engine {
            Engine::Frozen(frozen) => {
                let (picture, sizes) = self.picture(frame)?;
                let mut ids = vec![0; sizes.frame[0] * sizes.frame[1]];
                frozen.mask(sizes, |planes| self.normalise(&picture, planes), &mut ids)?;
                ids
            }
            Engine::Network(_) => {
                let logits = self.logits(frame)?.squeeze(0)?.flatten_from(1)?.to_vec2::<f32>()?;
                best_classes(&logits).ok_or(Error::NotFinite)?
            }
        };
        let mask = Mask::from_ids(frame.width(), frame.height(), ids);
        Ok(Segmentation { mask, classes: self.meta.classes.clone() })
    }

    /// The scores behind [`Segmenter::segment`]: `(1, classes, H, W)` at the frame's size, on the
    /// network's device.
    pub fn logits(&self, frame: &RgbImage) -> Result<Tensor> {
        let (picture, sizes) = self.picture(frame)?;
        let [height, width] = sizes.frame;
        match &self.engine {
            Engine::Frozen(frozen) => {
                let classes = frozen.classes();
                let mut logits = vec![0.0; classes * height * width];
                frozen.logits(sizes, |planes| self.normalise(&picture, planes), &mut logits)?;
                Ok(Tensor::from_vec(logits, (1, classes, height, width), &Device::Cpu)?)
            }
            Engine::Network(network) => {
                let [h, w] = sizes.network;
                let planes = self.meta.normalisation.planes(picture.as_raw());
                let x = Tensor::from_vec(planes, (1, 3, h, w), network.device())?;
                let logits = network.forward(&x, Pass::Eval)?.logits;
                if sizes.network == sizes.frame {
                    return Ok(logits.into_tensor());
                }
                let logits = canet_ops::resize_bilinear(&logits, sizes.frame, Corners::HalfPixel)?;
                Ok(logits.into_tensor())
            }
        }
    }

    /// The frame as the network wants it.
    fn picture<'a>(&self, frame: &'a RgbImage) -> Result<(Cow<'a, RgbImage>, Sizes)> {
        let (width, height) = frame.dimensions();
        if width == 0 || height == 0 {
            return Err(Error::Input(format!("the frame has no pixels ({width}x{height})")));
        }
        let [w, h] = self.meta.input.unwrap_or([width, height]).map(|side| side.max(LEAST_SIDE));
        let size = |h: u32, w: u32| [h as usize, w as usize];
        let sizes = Sizes { network: size(h, w), frame: size(height, width) };
        let picture = if sizes.network == sizes.frame {
            Cow::Borrowed(frame)
        } else {
            Cow::Owned(resize(frame, w, h, FilterType::Triangle))
        };
        Ok((picture, sizes))
    }

    fn normalise(&self, picture: &RgbImage, planes: &mut [f32]) {
        self.meta.normalisation.write_planes(picture.as_raw(), planes);
    }
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

/// The class with the highest of `scores[class][pixel]`, the first of equals; `None` if any score
/// is not finite.
fn best_classes(scores: &[Vec<f32>]) -> Option<Vec<u8>> {
    let (first, rest) = scores.split_first()?;
    let mut best = first.clone();
    let mut ids = vec![0; best.len()];
    let mut finite = best.iter().all(|score| score.is_finite());
    for (scores, id) in rest.iter().zip(1..) {
        for ((best, at), &score) in best.iter_mut().zip(&mut ids).zip(scores) {
            finite &= score.is_finite();
            if score > *best {
                (*best, *at) = (score, id);
            }
        }
    }
    finite.then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_scores_wins() {
        let scores =
            [vec![0.0, 1.0, 2.0, -1.0], vec![0.0, 3.0, 2.0, -3.0], vec![0.0, 3.0, 9.0, -2.0]];
        assert_eq!(best_classes(&scores), Some(vec![0, 1, 2, 0]));
        assert_eq!(best_classes(&[vec![0.0], vec![f32::NAN]]), None);
    }

    #[test]
    fn segmenters_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Segmenter>();
    }
}
