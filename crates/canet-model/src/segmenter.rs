//! From a frame to its mask: resize, normalise, run, resize back, take the best class.

mod best;
mod elsewhere;
#[cfg(feature = "cuda")]
mod on_gpu;

use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use canet_core::{ClassSet, Mask};
use canet_ops::Corners;
use canet_ops::frozen::side_by_side;
use image::RgbImage;

pub(crate) use self::best::best_classes;
use self::best::largest;
use self::elsewhere::Elsewhere;
use crate::frozen::{Part, Sums};
use crate::segmentation::{Confidence, Segmentation};
use crate::test_time::{Predictor, TestTime, Views, probabilities, softmax};
use crate::{Checkpoint, CheckpointMeta, Error, Frozen, Network, Options, Result, Sizes};

/// A network that is ready for frames.
///
/// It can be shared between threads; segmenting does not change it. Clones share its weights.
///
/// ```no_run
/// use canet_model::{Options, Segmenter};
///
/// let segmenter = Segmenter::load("model.safetensors", Options::default())?;
/// let frame = image::open("frame.jpg")?.into_rgb8();
/// let segmentation = segmenter.segment(&frame)?;
/// segmentation.overlay(&frame, 0.5)?.save("overlay.png")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Segmenter {
    engine: Engine,
    meta: Arc<CheckpointMeta>,
    classes: Arc<ClassSet>,
    test_time: TestTime,
    output: Option<[u32; 2]>,
    confidence: bool,
}

/// What computes.
#[derive(Debug, Clone)]
enum Engine {
    /// On the CPU.
    Frozen(Arc<Frozen>),
    /// On other devices.
    Elsewhere(Elsewhere),
}

impl Engine {
    /// The frozen network of the CPU.
    fn frozen(&self) -> Option<&Frozen> {
        match self {
            Self::Frozen(frozen) => Some(frozen),
            Self::Elsewhere(_) => None,
        }
    }
}

impl Segmenter {
    /// Reads a checkpoint and makes its network ready: batch norms are folded into convolutions, and
    /// weights packed once. An auxiliary head is left out, as only the training needs it.
    pub fn load(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        Self::from_checkpoint(Checkpoint::read(path.as_ref())?, options)
    }

    /// Uses a checkpoint that was read, as [`Segmenter::load`] does.
    pub fn from_checkpoint(checkpoint: Checkpoint, options: Options) -> Result<Self> {
        options.check()?;
        let mut checkpoint = checkpoint.without_aux();
        checkpoint.round(options.precision)?;
        let plain = {
            #[cfg(feature = "cuda")]
            let _turn = options.device.is_cuda().then(canet_ops::cuda::turn);
            let (network, _) = checkpoint.network(&options.device)?;
            Self::made(network.with_arithmetic(options.arithmetic)?, checkpoint.meta)?
        };
        let Options { test_time, output, confidence, .. } = options;
        Ok(Self { output, confidence, ..plain.with_test_time(test_time)? })
    }

    /// Uses a network at hand, such as one in training, as it is now. (On devices without
    /// kernels of our own it is not copied, and later changes of its parameters would show.)
    pub fn from_parts(network: Network, meta: CheckpointMeta) -> Result<Self> {
        #[cfg(feature = "cuda")]
        let _turn = network.device().is_cuda().then(canet_ops::cuda::turn);
        Self::made(network, meta)
    }

    fn made(network: Network, meta: CheckpointMeta) -> Result<Self> {
        meta.check()?;
        if *network.config() != meta.model {
            return Err(Error::Config("the network is not the one of the description".into()));
        }
        let engine = if network.device().is_cpu() {
            Engine::Frozen(Arc::new(Frozen::new(&network)?))
        } else {
            Engine::Elsewhere(Elsewhere::new(network)?)
        };
        let test_time = TestTime::default();
        let (classes, meta) = (Arc::new(meta.classes.clone()), Arc::new(meta));
        Ok(Self { engine, meta, classes, test_time, output: None, confidence: false })
    }

    /// The same network, which from now on predicts each frame as [`TestTime`] says.
    pub fn with_test_time(mut self, test_time: TestTime) -> Result<Self> {
        test_time.check()?;
        if test_time.share_context && self.engine.frozen().is_none() {
            return Err(Error::Config("tiles share their context on the CPU only".into()));
        }
        self.test_time = test_time;
        Ok(self)
    }

    /// The same network, which from now on tells how sure it is, or not.
    #[must_use]
    pub fn with_confidence(mut self, confidence: bool) -> Self {
        self.confidence = confidence;
        self
    }

    /// What the checkpoint says about the network.
    pub fn meta(&self) -> &CheckpointMeta {
        &self.meta
    }

    /// The classes it tells apart.
    pub fn classes(&self) -> &ClassSet {
        &self.meta.classes
    }

    /// The network alone, without what brings frames to it; for measurements. None on other devices
    /// than the CPU.
    pub fn frozen(&self) -> Option<&Frozen> {
        self.engine.frozen()
    }

    /// The class of every pixel of a frame.
    pub fn segment(&self, frame: &RgbImage) -> Result<Segmentation> {
        let sizes = self.sizes(frame)?;
        let [height, width] = sizes.frame;
        let mut ids = vec![0; height * width];
        let mut sure = self.confidence.then(|| vec![0.0; ids.len()]);
        match &self.engine {
            Engine::Frozen(frozen) if self.is_plain(sizes) => {
                let picture = self.meta.seen(frame)?;
                let fill = |planes: &mut [f32]| self.normalise(&picture, planes);
                match &mut sure {
                    Some(sure) => frozen.mask_and_confidence(sizes, fill, &mut ids, sure)?,
                    None => frozen.mask(sizes, fill, &mut ids)?,
                }
            }
            #[cfg(feature = "cuda")]
            Engine::Elsewhere(Elsewhere::Gpu(gpu)) if self.is_plain(sizes) && sure.is_none() => {
                let picture = self.meta.seen(frame)?;
                ids = gpu.mask(&picture, &self.meta.normalisation, sizes.frame)?;
            }
            _ if self.is_plain(sizes) => {
                #[cfg(feature = "cuda")]
                let _turn = self.turn();
                let mut scores = self.plain_logits(frame)?.flatten_all()?.to_vec1()?;
                best_classes(&scores, &mut ids)?;
                if let Some(sure) = &mut sure {
                    softmax(&mut scores, ids.len());
                    largest(&scores, sure);
                }
            }
            _ => {
                #[cfg(feature = "cuda")]
                let _turn = self.turn();
                let scores = self.probabilities(frame)?;
                best_classes(&scores, &mut ids)?;
                if let Some(sure) = &mut sure {
                    largest(&scores, sure);
                }
            }
        }
        let mask = Mask::from_ids(width as u32, height as u32, ids);
        let confidence = sure.map(|values| Confidence::of(&mask, values));
        Ok(Segmentation { mask, classes: self.classes.clone(), confidence })
    }

    /// What becomes of several frames, in their order; one that fails does not spoil the others. On
    /// the CPU as many frames as there are threads are worked on side by side, each with the
    /// [`Segmenter::memory`] of its size: small networks leave cores idle within one frame. A GPU takes up to 8
    /// frames of one size together.
    pub fn segment_batch(&self, frames: &[RgbImage]) -> Vec<Result<Segmentation>> {
        match &self.engine {
            Engine::Frozen(_) => side_by_side(frames, |frame| self.segment(frame)),
            #[cfg(feature = "cuda")]
            Engine::Elsewhere(Elsewhere::Gpu(gpu)) if !self.confidence => {
                on_gpu::batches(frames).flat_map(|some| self.segment_together(gpu, some)).collect()
            }
            Engine::Elsewhere(_) => frames.iter().map(|frame| self.segment(frame)).collect(),
        }
    }

    /// Bytes that segmenting a frame of a width and height works in, besides the weights and the
    /// frame: what the network, the averages and the result take. On other devices than the CPU it
    /// is what is needed here, not there.
    pub fn memory(&self, width: u32, height: u32) -> Result<usize> {
        let area = |[h, w]: [usize; 2]| h * w;
        let sizes = self.sizes_of(width, height)?;
        let result = area(sizes.frame) * if self.confidence { 1 + size_of::<f32>() } else { 1 };
        let resized = if sizes.network == sizes.frame { 0 } else { 3 * area(sizes.network) };
        let network = |sizes| match &self.engine {
            Engine::Frozen(frozen) => frozen.memory(sizes),
            Engine::Elsewhere(_) => Ok(0),
        };
        if self.is_plain(sizes) {
            return Ok(result + resized + network(sizes)?);
        }
        let base = self.meta.input.unwrap_or([width, height]);
        let (tile, kept) = self.test_time.needs(base, sizes.frame);
        let averages = kept * self.meta.classes.len() * size_of::<f32>();
        Ok(result + averages + network(Sizes::same(tile))?)
    }

    /// The scores behind [`Segmenter::segment`]: `(1, classes, H, W)` at the mask's size, on the
    /// network's device. Where several predictions are averaged they are the logarithms of the
    /// probabilities, which softmax gives back, and not below -87.4, that of the least `f32`.
    pub fn logits(&self, frame: &RgbImage) -> Result<Tensor> {
        let sizes = self.sizes(frame)?;
        #[cfg(feature = "cuda")]
        let _turn = self.turn();
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
        let picture = self.meta.seen(frame)?;
        let [height, width] = sizes.frame;
        match &self.engine {
            Engine::Frozen(frozen) => {
                let classes = frozen.classes();
                let mut logits = vec![0.0; classes * height * width];
                frozen.logits(sizes, |planes| self.normalise(&picture, planes), &mut logits)?;
                Ok(Tensor::from_vec(logits, (1, classes, height, width), &Device::Cpu)?)
            }
            Engine::Elsewhere(engine) => {
                Ok(self.resized_logits(engine, frame)?.to_dtype(DType::F32)?)
            }
        }
    }

    /// The same on another device than the CPU, of the network's own type.
    fn resized_logits(&self, engine: &Elsewhere, frame: &RgbImage) -> Result<Tensor> {
        let sizes = self.sizes(frame)?;
        let logits = engine.logits(&*self.meta.seen(frame)?, &self.meta.normalisation)?;
        if sizes.network == sizes.frame {
            return Ok(logits.into_tensor());
        }
        Ok(canet_ops::resize_bilinear(&logits, sizes.frame, Corners::HalfPixel)?.into_tensor())
    }

    /// The mean probabilities that [`TestTime`] asks for, `(classes, H, W)` of the frame.
    fn probabilities(&self, frame: &RgbImage) -> Result<Vec<f32>> {
        let base = self.meta.input.unwrap_or(frame.dimensions().into());
        let (test_time, classes) = (&self.test_time, self.meta.classes.len());
        let size = self.sizes(frame)?.frame;
        let views = Views { test_time, frame, base, classes, size };
        probabilities(&views, &mut &*self)
    }

    /// The sizes of one prediction of the whole frame.
    fn sizes(&self, frame: &RgbImage) -> Result<Sizes> {
        let (width, height) = frame.dimensions();
        self.sizes_of(width, height)
    }

    fn sizes_of(&self, width: u32, height: u32) -> Result<Sizes> {
        let [w, h] = self.meta.seen_size(width, height)?;
        let size = |h: u32, w: u32| [h as usize, w as usize];
        let [width, height] = self.output.unwrap_or([width, height]);
        Ok(Sizes { network: size(h, w), frame: size(height, width) })
    }

    /// Whether one prediction of the whole frame is all that is asked for.
    fn is_plain(&self, sizes: Sizes) -> bool {
        self.test_time.is_plain_for(sizes.network)
    }

    fn device(&self) -> &Device {
        match &self.engine {
            Engine::Frozen(_) => &Device::Cpu,
            Engine::Elsewhere(engine) => engine.device(),
        }
    }

    fn normalise(&self, picture: &RgbImage, planes: &mut [f32]) {
        self.meta.normalisation.write_planes(picture.as_raw(), planes);
    }
}

impl Predictor for &Segmenter {
    fn scores(&mut self, picture: &RgbImage, told: &[Vec<f32>], to: &mut [f32]) -> Result<()> {
        match &self.engine {
            Engine::Frozen(frozen) => {
                let fill = |planes: &mut [f32]| self.normalise(picture, planes);
                frozen.logits_within(told, Sizes::same(height_and_width(picture)), fill, to)
            }
            Engine::Elsewhere(engine) => {
                let logits = engine.logits(picture, &self.meta.normalisation)?.into_tensor();
                let logits = logits.to_dtype(DType::F32)?;
                to.copy_from_slice(&logits.flatten_all()?.to_vec1()?);
                Ok(())
            }
        }
    }

    fn global_averages(&self) -> usize {
        self.engine.frozen().map_or(0, Frozen::global_averages)
    }

    fn sum(
        &mut self,
        tile: &RgbImage,
        told: &[Vec<f32>],
        part: &Part,
        sums: &mut Sums,
    ) -> Result<()> {
        match self.engine.frozen() {
            Some(frozen) => frozen.sum(told, |planes| self.normalise(tile, planes), part, sums),
            None => Ok(()),
        }
    }
}

/// Height and width of a picture.
fn height_and_width(picture: &RgbImage) -> [usize; 2] {
    [picture.height(), picture.width()].map(|side| side as usize)
}

#[cfg(test)]
mod tests;
