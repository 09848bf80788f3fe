//! From a frame to its mask: resize, normalise, run, resize back, take the best class.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use canet_core::{ClassSet, Mask};
use canet_ops::{Corners, Value};
use image::RgbImage;
use image::imageops::{FilterType, resize};

use crate::test_time::{TestTime, Views, probabilities};
use crate::{Checkpoint, CheckpointMeta, Error, Frozen, Network, Pass, Result, Sizes, picture};

/// Frames smaller than the network's output stride are enlarged to it first.
pub(crate) const LEAST_SIDE: u32 = 8;

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
    test_time: TestTime,
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
        Self::from_checkpoint(Checkpoint::read(path)?, device)
    }

    /// Uses a checkpoint that was read, as [`Segmenter::load`] does.
    pub fn from_checkpoint(checkpoint: Checkpoint, device: &Device) -> Result<Self> {
        let checkpoint = checkpoint.without_aux();
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
        Ok(Self { engine, meta, test_time: TestTime::default() })
    }

    /// The same network, which from now on predicts each frame as [`TestTime`] says.
    pub fn with_test_time(mut self, test_time: TestTime) -> Result<Self> {
        test_time.check()?;
        self.test_time = test_time;
        Ok(self)
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
        let sizes = self.sizes(frame)?;
        let pixels = sizes.frame[0] * sizes.frame[1];
        let ids = if !self.is_plain(sizes) {
            best_classes(&self.probabilities(frame)?, pixels)
        } else if let Engine::Frozen(frozen) = &self.engine {
            let picture = resized(frame, sizes);
            let mut ids = vec![0; pixels];
            frozen.mask(sizes, |planes| self.normalise(&picture, planes), &mut ids)?;
            Some(ids)
        } else {
            best_classes(&self.plain_logits(frame)?.flatten_all()?.to_vec1()?, pixels)
        };
        let mask = Mask::from_ids(frame.width(), frame.height(), ids.ok_or(Error::NotFinite)?);
        Ok(Segmentation { mask, classes: self.meta.classes.clone() })
    }

    /// The scores behind [`Segmenter::segment`]: `(1, classes, H, W)` at the frame's size, on the
    /// network's device. Where several predictions are averaged they are the logarithms of the
    /// probabilities, which softmax gives back, and not below -87.4, that of the least `f32`.
    pub fn logits(&self, frame: &RgbImage) -> Result<Tensor> {
        let sizes = self.sizes(frame)?;
        if self.is_plain(sizes) {
            return self.plain_logits(frame);
        }
        let mut scores = self.probabilities(frame)?;
        for p in &mut scores {
            *p = p.max(f32::MIN_POSITIVE).ln();
        }
        let [height, width] = sizes.frame;
        Ok(Tensor::from_vec(scores, (1, self.meta.classes.len(), height, width), self.device())?)
    }

    /// The scores of one prediction of the whole frame.
    fn plain_logits(&self, frame: &RgbImage) -> Result<Tensor> {
        let sizes = self.sizes(frame)?;
        let picture = resized(frame, sizes);
        let [height, width] = sizes.frame;
        match &self.engine {
            Engine::Frozen(frozen) => {
                let classes = frozen.classes();
                let mut logits = vec![0.0; classes * height * width];
                frozen.logits(sizes, |planes| self.normalise(&picture, planes), &mut logits)?;
                Ok(Tensor::from_vec(logits, (1, classes, height, width), &Device::Cpu)?)
            }
            Engine::Network(network) => {
                let logits = self.forward(network, &picture)?;
                if sizes.network == sizes.frame {
                    return Ok(logits.into_tensor());
                }
                let logits = canet_ops::resize_bilinear(&logits, sizes.frame, Corners::HalfPixel)?;
                Ok(logits.into_tensor())
            }
        }
    }

    /// The mean probabilities that [`TestTime`] asks for, `(classes, H, W)` of the frame.
    fn probabilities(&self, frame: &RgbImage) -> Result<Vec<f32>> {
        let base = self.meta.input.unwrap_or(frame.dimensions().into());
        let (test_time, classes) = (&self.test_time, self.meta.classes.len());
        let views = Views { test_time, frame, base, classes };
        probabilities(&views, |picture, scores| match &self.engine {
            Engine::Frozen(frozen) => {
                let sizes = Sizes::same([picture.height(), picture.width()].map(|n| n as usize));
                frozen.logits(sizes, |planes| self.normalise(picture, planes), scores)
            }
            Engine::Network(network) => {
                let logits = self.forward(network, picture)?.into_tensor();
                scores.copy_from_slice(&logits.flatten_all()?.to_vec1()?);
                Ok(())
            }
        })
    }

    /// What a network on another device than the CPU makes of a picture, at the picture's size.
    fn forward(&self, network: &Network, picture: &RgbImage) -> Result<Value> {
        let (width, height) = picture.dimensions();
        let planes = self.meta.normalisation.planes(picture.as_raw());
        let shape = (1, 3, height as usize, width as usize);
        let x = Tensor::from_vec(planes, shape, network.device())?;
        Ok(network.forward(&x, Pass::Eval)?.logits)
    }

    /// The sizes of one prediction of the whole frame.
    fn sizes(&self, frame: &RgbImage) -> Result<Sizes> {
        let (width, height) = frame.dimensions();
        if width == 0 || height == 0 {
            return Err(Error::Input(format!("the frame has no pixels ({width}x{height})")));
        }
        let [w, h] = self.meta.input.unwrap_or([width, height]).map(|side| side.max(LEAST_SIDE));
        let size = |h: u32, w: u32| [h as usize, w as usize];
        Ok(Sizes { network: size(h, w), frame: size(height, width) })
    }

    /// Whether one prediction of the whole frame is all that is asked for.
    fn is_plain(&self, sizes: Sizes) -> bool {
        self.test_time.is_plain_for(sizes.network)
    }

    fn device(&self) -> &Device {
        match &self.engine {
            Engine::Frozen(_) => &Device::Cpu,
            Engine::Network(network) => network.device(),
        }
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

/// The frame as the network wants it.
fn resized(frame: &RgbImage, sizes: Sizes) -> Cow<'_, RgbImage> {
    let [h, w] = sizes.network;
    if sizes.network == sizes.frame {
        Cow::Borrowed(frame)
    } else {
        Cow::Owned(resize(frame, w as u32, h as u32, FilterType::Triangle))
    }
}

/// The class with the highest of `scores` `(classes, pixels)`, the first of equals; `None` if any
/// score is not finite.
fn best_classes(scores: &[f32], pixels: usize) -> Option<Vec<u8>> {
    let (first, rest) = scores.split_at_checked(pixels)?;
    let mut best = first.to_vec();
    let mut ids = vec![0; best.len()];
    let mut finite = best.iter().all(|score| score.is_finite());
    for (scores, id) in rest.chunks_exact(pixels).zip(1..) {
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
mod tests;
