//! Scoring a network on a split, frame by frame at the frames' own size.

use std::sync::Arc;

use canet_core::Mask;
use canet_data::dataset::{Dataset, Frame};
use canet_data::loader::Frames;
use canet_model::Segmenter;

use crate::metrics::{Scores, Tally};
use crate::progress::Progress;
use crate::{Error, Result};

/// Predicts every frame of `dataset` and counts. `visit` sees each frame with its prediction, in
/// order; returning `false` stops early, with no scores.
pub fn evaluate(
    segmenter: &Segmenter,
    dataset: &Arc<Dataset>,
    threads: usize,
    mut visit: impl FnMut(usize, &Frame, &Mask) -> bool,
) -> Result<Option<Scores>> {
    let (ours, theirs) = (segmenter.classes(), dataset.classes());
    if ours != theirs {
        return Err(Error::config(
            "classes",
            format!(
                "the network knows the {} classes of {}, the data has the {} of {}; prepare the data with --label-map {}",
                ours.len(),
                ours.name,
                theirs.len(),
                theirs.name,
                ours.name
            ),
        ));
    }
    let mut tally = Tally::new(ours.len());
    let mut frames = 0;
    let mut progress = Progress::new("scoring", 0, dataset.len() as u64);
    for item in Frames::new(Arc::clone(dataset), threads, 2 * threads) {
        let (index, frame) = item?;
        let segmentation = segmenter.segment(&frame.image)?;
        tally.add(index, dataset.entry(index), &frame.mask, &segmentation.mask);
        frames += 1;
        progress.at(frames, |seconds| format!("{:.1} images/s", 1.0 / seconds.max(1e-9)));
        if !visit(index, &frame, &segmentation.mask) {
            return Ok(None);
        }
    }
    Ok(Some(tally.scores(ours)))
}
