//! A frozen network on a GPU, and masks by passes that are recorded once a size and replayed: queueing a pass
//! kernel by kernel takes the host longer than a small picture takes the GPU.

use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Tensor};
use canet_core::Mask;
use canet_ops::cuda::{NOT_FINITE, Pictures, Recorded, best_class, turn};
use canet_ops::{Corners, Value, resize_bilinear};
use image::RgbImage;

use super::Segmenter;
use crate::segmentation::Segmentation;
use crate::{Error, FrozenGpu, Normalisation, Result};

/// Sizes whose passes are kept. Each has memory of its own.
const MOST_SIZES: usize = 2;

/// Frames that are taken together: more gain little.
const MOST_TOGETHER: usize = 8;

/// See the top of the file.
#[derive(Debug)]
pub(super) struct OnGpu {
    device: Device,
    activations: DType,
    /// There until it is dropped.
    state: Mutex<Option<State>>,
}

/// What is freed where no other thread records.
#[derive(Debug)]
struct State {
    network: FrozenGpu,
    /// The one used last stands last.
    sizes: Vec<(Size, Recording)>,
}

/// What has one size: pictures, and what becomes of them.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Size {
    /// Pictures, height, width.
    pictures: [usize; 3],
    /// Height and width of a mask.
    mask: [usize; 2],
}

/// What is known of a size that was met.
enum Recording {
    /// It was met once. The first time algorithms are looked for, which cannot be recorded; it may be the only time.
    NotYet,
    Made(Replayable),
    /// It failed, for want of memory perhaps.
    Impossible,
}

/// A recorded pass, and where its input and its result are.
struct Replayable {
    recorded: Recorded,
    pictures: Pictures,
    masks: Tensor,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotYet => "NotYet",
            Self::Made(_) => "Made",
            Self::Impossible => "Impossible",
        })
    }
}

impl Drop for OnGpu {
    fn drop(&mut self) {
        let _turn = turn();
        drop(self.state.get_mut().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl OnGpu {
    pub(super) fn new(network: FrozenGpu) -> Self {
        let (device, activations) = (network.device().clone(), network.activations());
        let state = Mutex::new(Some(State { network, sizes: Vec::new() }));
        Self { device, activations, state }
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    /// Calls `work` with the state, which no other thread has meanwhile.
    fn with_state<R>(&self, work: impl FnOnce(&mut State) -> Result<R>) -> Result<R> {
        match self.state.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(state) => work(state),
            None => {
                Err(candle_core::Error::Msg("internal: used while it is dropped".into()).into())
            }
        }
    }

    /// The scores of a picture, at its size, in the type of the activations. Within the caller's [`turn`].
    pub(super) fn logits(
        &self,
        picture: &RgbImage,
        normalisation: &Normalisation,
    ) -> Result<Tensor> {
        let size = [picture.height(), picture.width()].map(|side| side as usize);
        let x = normalisation.batch(picture.as_raw(), size, self.activations, &self.device)?;
        self.with_state(|state| Ok(state.network.logits(&x)?))
    }

    /// The best class of each pixel of a picture. Waits for its turn.
    pub(super) fn mask(
        &self,
        picture: &RgbImage,
        normalisation: &Normalisation,
        mask: [usize; 2],
    ) -> Result<Vec<u8>> {
        finite(self.masks(&[picture], normalisation, mask)?)
    }

    /// The best classes of all pixels of pictures of one size, mask after mask; `NOT_FINITE` where a score is not.
    /// Waits for its turn.
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
        let _turn = turn();
        self.with_state(|state| {
            let place = state.sizes.iter().position(|(known, _)| *known == size);
            let known = place.map(|place| state.sizes.remove(place).1);
            let made = match known {
                Some(Recording::NotYet) => state.record(size, normalisation).ok(),
                Some(Recording::Made(pass)) => Some(pass),
                None | Some(Recording::Impossible) => None,
            };
            let masks = if let Some(pass) = &made {
                pass.replay(&bytes)?
            } else {
                let x = normalisation.batch(&bytes, [h, w], self.activations, &self.device)?;
                best(&state.network, &x, mask)?.flatten_all()?.to_vec1()?
            };
            if state.sizes.len() == MOST_SIZES {
                state.sizes.remove(0);
            }
            let recording = match (made, place) {
                (Some(pass), _) => Recording::Made(pass),
                (None, Some(_)) => Recording::Impossible,
                (None, None) => Recording::NotYet,
            };
            state.sizes.push((size, recording));
            Ok(masks)
        })
    }
}

impl State {
    fn record(&self, size: Size, normalisation: &Normalisation) -> Result<Replayable> {
        let (device, dtype) = (self.network.device(), self.network.activations());
        let pictures = normalisation.buffer(size.pictures, device)?;
        let draw = Tensor::zeros(8, DType::U8, device)?;
        let run = || best(&self.network, &pictures.normalised(dtype)?, size.mask);
        let (recorded, masks) = Recorded::new(device, &draw, run)?;
        Ok(Replayable { recorded, pictures, masks })
    }
}

impl Replayable {
    fn replay(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        self.pictures.fill(bytes)?;
        self.recorded.replay()?;
        Ok(self.masks.flatten_all()?.to_vec1()?)
    }
}

/// Refuses a mask of scores that are not all finite.
fn finite(ids: Vec<u8>) -> Result<Vec<u8>> {
    if ids.contains(&NOT_FINITE) { Err(Error::NotFinite) } else { Ok(ids) }
}

/// Pictures to masks of a size.
fn best(network: &FrozenGpu, x: &Tensor, [h, w]: [usize; 2]) -> candle_core::Result<Tensor> {
    let logits = network.logits(x)?;
    let (_, _, height, width) = logits.dims4()?;
    if [height, width] == [h, w] {
        return best_class(&logits);
    }
    let resized = resize_bilinear(&Value::from(logits), [h, w], Corners::HalfPixel)?;
    best_class(resized.tensor())
}

/// Frames as they go to a GPU: some of one size, that follow each other.
pub(super) fn batches(frames: &[RgbImage]) -> impl Iterator<Item = &[RgbImage]> {
    let alike = frames.chunk_by(|a, b| a.dimensions() == b.dimensions());
    alike.flat_map(|frames| frames.chunks(MOST_TOGETHER))
}

impl Segmenter {
    /// Waits until no other thread works on a GPU, if this one does. What it returns is to be kept meanwhile.
    pub(super) fn turn(&self) -> Option<MutexGuard<'static, ()>> {
        self.device().is_cuda().then(turn)
    }

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
            let mask = Mask::from_ids(width as u32, height as u32, finite(ids.to_vec())?);
            Ok(Segmentation { mask, classes: self.classes.clone(), confidence: None })
        };
        masks.chunks_exact(height * width).map(segmentation).collect()
    }
}
