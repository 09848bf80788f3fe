//! A frozen network on a GPU, and masks by passes that are recorded once a size and replayed: queueing a pass
//! kernel by kernel takes the host longer than a small picture takes the GPU.

use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Tensor};
use canet_core::Mask;
use canet_ops::cuda::{NOT_FINITE, Pictures, Recorded, best_class, trim};
use canet_ops::{Corners, Value, resize_bilinear};
use image::RgbImage;

use super::Segmenter;
use crate::segmentation::Segmentation;
use crate::{Error, FrozenGpu, Normalisation, Result};

/// Sizes whose passes are kept. Each has memory of its own.
const MOST_SIZES: usize = 2;

/// Frames that are taken together: more gain little.
const MOST_TOGETHER: usize = 8;

/// All work on GPUs goes through one stream a GPU, and what one thread queues while another records would be recorded,
/// too: they take turns.
static TURN: Mutex<()> = Mutex::new(());

/// See the top of the file.
#[derive(Debug)]
pub(super) struct OnGpu {
    pub(super) network: FrozenGpu,
    /// The one used last stands last.
    passes: Mutex<Vec<Known>>,
}

/// What has one size: pictures, and what becomes of them.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Size {
    /// Pictures, height, width.
    pictures: [usize; 3],
    /// Height and width of a mask.
    mask: [usize; 2],
}

/// A size that was met.
struct Known {
    size: Size,
    /// From the second time on.
    pass: Option<Pass>,
}

/// A recorded pass, and where its input and its result are.
struct Pass {
    recorded: Recorded,
    pictures: Pictures,
    masks: Tensor,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("size", &self.size).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OnGpu {
    pub(super) fn new(network: FrozenGpu) -> Self {
        Self { network, passes: Mutex::default() }
    }

    /// The scores of a picture, at its size, in the type of the activations.
    pub(super) fn logits(
        &self,
        picture: &RgbImage,
        normalisation: &Normalisation,
    ) -> Result<Tensor> {
        let _turn = locked(&TURN);
        let size = [picture.height(), picture.width()].map(|side| side as usize);
        let (dtype, device) = (self.network.activations(), self.network.device());
        let x = normalisation.batch(picture.as_raw(), size, dtype, device)?;
        Ok(self.network.logits(&x)?)
    }

    /// The best classes of all pixels of pictures of one size, mask after mask; `NOT_FINITE` where a score is not.
    pub(super) fn masks(
        &self,
        pictures: &[&RgbImage],
        normalisation: &Normalisation,
        mask: [usize; 2],
    ) -> Result<Vec<u8>> {
        let [first, ..] = pictures else { return Ok(Vec::new()) };
        let [h, w] = [first.height(), first.width()].map(|side| side as usize);
        let bytes: Vec<u8> =
            pictures.iter().flat_map(|picture| picture.as_raw()).copied().collect();
        let size = Size { pictures: [pictures.len(), h, w], mask };
        let _turn = locked(&TURN);
        let mut passes = locked(&self.passes);
        let (device, dtype) = (self.network.device(), self.network.activations());
        let Some(place) = passes.iter().position(|known| known.size == size) else {
            // The first time algorithms are looked for, which cannot be recorded; it may be the only time.
            if passes.len() == MOST_SIZES {
                passes.remove(0);
            }
            passes.push(Known { size, pass: None });
            let x = normalisation.batch(&bytes, [h, w], dtype, device)?;
            return Ok(self.best(&x, mask)?.flatten_all()?.to_vec1()?);
        };
        let mut known = passes.remove(place);
        let pass = match known.pass.take() {
            Some(pass) => pass,
            None => self.record(size, normalisation, dtype)?,
        };
        pass.pictures.fill(&bytes)?;
        pass.recorded.replay()?;
        let masks = pass.masks.flatten_all()?.to_vec1()?;
        passes.push(Known { size, pass: Some(pass) });
        Ok(masks)
    }

    fn record(&self, size: Size, normalisation: &Normalisation, dtype: DType) -> Result<Pass> {
        let device = self.network.device();
        // The recording has memory of its own.
        trim(device)?;
        let pictures = normalisation.buffer(size.pictures, device)?;
        let draw = Tensor::zeros(8, DType::U8, device)?;
        let run = || self.best(&pictures.normalised(dtype)?, size.mask);
        let (recorded, masks) = Recorded::new(device, &draw, run)?;
        Ok(Pass { recorded, pictures, masks })
    }

    /// Pictures to masks of a size.
    fn best(&self, x: &Tensor, [h, w]: [usize; 2]) -> candle_core::Result<Tensor> {
        let logits = self.network.logits(x)?;
        let (_, _, height, width) = logits.dims4()?;
        if [height, width] == [h, w] {
            return best_class(&logits);
        }
        let resized = resize_bilinear(&Value::from(logits), [h, w], Corners::HalfPixel)?;
        best_class(resized.tensor())
    }
}

/// Frames as they go to a GPU: some of one size, that follow each other.
pub(super) fn batches(frames: &[RgbImage]) -> impl Iterator<Item = &[RgbImage]> {
    let alike = frames.chunk_by(|a, b| a.dimensions() == b.dimensions());
    alike.flat_map(|frames| frames.chunks(MOST_TOGETHER))
}

impl Segmenter {
    /// What becomes of frames of one size on a GPU.
    pub(super) fn segment_together(
        &self,
        gpu: &OnGpu,
        frames: &[RgbImage],
    ) -> Vec<Result<Segmentation>> {
        let one_by_one = || frames.iter().map(|frame| self.segment(frame)).collect();
        let [first, _, ..] = frames else { return one_by_one() };
        let Ok(sizes) = self.sizes(first) else { return one_by_one() };
        if !self.is_plain(sizes) {
            return one_by_one();
        }
        let masks = || {
            let seen = frames.iter().map(|frame| self.meta.seen(frame));
            let seen = seen.collect::<Result<Vec<_>>>()?;
            let pictures: Vec<&RgbImage> = seen.iter().map(AsRef::as_ref).collect();
            gpu.masks(&pictures, &self.meta.normalisation, sizes.frame)
        };
        // Too large together may be small enough alone.
        let Ok(masks) = masks() else { return one_by_one() };
        let [height, width] = sizes.frame;
        let segmentation = |ids: &[u8]| {
            if ids.contains(&NOT_FINITE) {
                return Err(Error::NotFinite);
            }
            let mask = Mask::from_ids(width as u32, height as u32, ids.to_vec());
            Ok(Segmentation { mask, classes: self.classes.clone(), confidence: None })
        };
        masks.chunks_exact(height * width).map(segmentation).collect()
    }
}
