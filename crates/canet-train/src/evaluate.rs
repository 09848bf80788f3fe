//! Scoring a network on a split, frame by frame.

use std::sync::Arc;

use canet_core::Mask;
use canet_data::dataset::{Dataset, Frame};
use canet_data::loader::Frames;
use canet_model::Segmenter;
use image::RgbImage;

use crate::metrics::{Confusion, Drives, IouTally, Resolution, Scores, Tally};
use crate::progress::Progress;
use crate::{Error, Result};

/// What to count besides the scores under `strict`.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Threads that read frames.
    pub threads: usize,
    /// The size at which masks are compared.
    pub resolution: Resolution,
    /// A second size at which matrices are taken.
    pub second: Option<Resolution>,
    /// Images of a batch of the student metric, if it is asked for. It is taken at the frames' own size.
    pub iou_batch: Option<usize>,
}

/// What was counted.
#[derive(Debug, Clone)]
pub struct Counted {
    /// At the resolution asked for.
    pub tally: Tally,
    /// Matrices at the second resolution.
    pub second: Option<Drives>,
    /// The student metric.
    pub iou: Option<IouTally>,
}

/// Predicts every frame of `dataset` and scores it at the frames' own size. `visit` sees each frame
/// with its prediction, in order; returning `false` stops early, with no scores.
pub fn evaluate(
    segmenter: &Segmenter,
    dataset: &Arc<Dataset>,
    threads: usize,
    visit: impl FnMut(usize, &Frame, &Mask) -> bool,
) -> Result<Option<Scores>> {
    let options = Options { threads, ..Options::default() };
    let counted = count(segmenter, dataset, &options, visit)?;
    Ok(counted.map(|counted| counted.tally.scores(segmenter.classes())))
}

/// As [`evaluate`], but gives the counts, of which scores by any policy can be made.
pub fn count(
    segmenter: &Segmenter,
    dataset: &Arc<Dataset>,
    options: &Options,
    mut visit: impl FnMut(usize, &Frame, &Mask) -> bool,
) -> Result<Option<Counted>> {
    check_classes(segmenter, dataset)?;
    let classes = segmenter.classes().len();
    let mut counted = Counted {
        tally: Tally::new(classes),
        second: options.second.map(|_| Drives::new(classes)),
        iou: options.iou_batch.map(|batch| IouTally::new(classes, batch)),
    };
    let mut frames = 0;
    let mut progress = Progress::new("scoring", 0, dataset.len() as u64);
    for item in Frames::new(Arc::clone(dataset), options.threads, 2 * options.threads) {
        let (index, frame) = item?;
        let predicted = match &mut counted.iou {
            None => segmenter.segment(&frame.image)?.mask,
            Some(tally) => {
                let logits = logits(segmenter, &frame.image)?;
                let best = best_class(&logits, &frame.mask).ok_or(canet_model::Error::NotFinite)?;
                tally.add(&frame.mask, &logits);
                best
            }
        };
        counted.add(options, dataset, index, &frame.mask, &predicted);
        frames += 1;
        progress.at(frames, |seconds| format!("{:.1} images/s", 1.0 / seconds.max(1e-9)));
        if !visit(index, &frame, &predicted) {
            return Ok(None);
        }
    }
    Ok(Some(counted))
}

impl Counted {
    /// Adds the masks of frame `index`.
    fn add(
        &mut self,
        options: &Options,
        dataset: &Dataset,
        index: usize,
        truth: &Mask,
        predicted: &Mask,
    ) {
        let entry = dataset.entry(index);
        let at = |resolution: Resolution| [truth, predicted].map(|mask| resolution.resized(mask));
        let [small, small_predicted] = at(options.resolution);
        let (t, p) = (small.as_ref().unwrap_or(truth), small_predicted.as_ref());
        self.tally.add(index, entry, t, p.unwrap_or(predicted));
        if let (Some(drives), Some(resolution)) = (&mut self.second, options.second) {
            let [small, small_predicted] = at(resolution);
            let (t, p) = (small.as_ref().unwrap_or(truth), small_predicted.as_ref());
            let mut matrix = Confusion::new(drives.classes());
            matrix.add(t, p.unwrap_or(predicted));
            drives.merge(&entry.drive, &matrix);
        }
    }
}

/// Refuses data of other classes than the network's.
fn check_classes(segmenter: &Segmenter, dataset: &Dataset) -> Result<()> {
    let (ours, theirs) = (segmenter.classes(), dataset.classes());
    if ours == theirs {
        return Ok(());
    }
    Err(Error::config(
        "classes",
        format!(
            "the network knows the {} classes of {}, the data has the {} of {}; prepare the data with --label-map {}",
            ours.len(),
            ours.name,
            theirs.len(),
            theirs.name,
            ours.name
        ),
    ))
}

/// The logits `(classes, H, W)` of a frame at its own size.
fn logits(segmenter: &Segmenter, frame: &RgbImage) -> Result<Vec<f32>> {
    Ok(segmenter.logits(frame)?.flatten_all()?.to_vec1::<f32>()?)
}

/// The class with the highest logit of each pixel, the first of equals, as in
/// [`Segmenter::segment`]; none if a logit is not finite. `like` has the size.
fn best_class(logits: &[f32], like: &Mask) -> Option<Mask> {
    if !logits.iter().all(|logit| logit.is_finite()) {
        return None;
    }
    let mut planes = logits.chunks_exact(like.ids().len().max(1));
    let mut best = planes.next()?.to_vec();
    let mut ids = vec![0; best.len()];
    for (plane, id) in planes.zip(1u8..) {
        for ((best, at), &logit) in best.iter_mut().zip(&mut ids).zip(plane) {
            if logit > *best {
                (*best, *at) = (logit, id);
            }
        }
    }
    Some(Mask::from_ids(like.width(), like.height(), ids))
}

#[cfg(test)]
mod tests {
    use canet_core::ClassId;

    use super::*;

    #[test]
    fn the_first_of_equal_logits_wins_and_nan_is_noticed() {
        let like = Mask::filled(3, 1, ClassId(0));
        let logits = [0.0, 1.0, 2.0, 0.0, 3.0, 2.0, -1.0, 3.0, 9.0];
        assert_eq!(best_class(&logits, &like).unwrap().ids(), [0, 1, 2]);
        assert_eq!(best_class(&[0.0, f32::NAN, 1.0], &like), None);
    }
}
