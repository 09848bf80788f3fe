//! A check of exported files: another engine, rten, runs them on drawn pictures, and what it computes
//! is compared with this project's own [`Frozen`] network.

mod engine;

use canet_core::{GOLDEN_GAMMA, mix};
use canet_model::{Frozen, Precision, Sizes};

use crate::graph::halves;
use crate::{Error, ExportOptions, Model, Result, Size};
use engine::{Answer, Engine};

/// What [`Agreement::tolerate`] should allow: sums in another order differ by a hundredth of it.
pub const TOLERANCE: f32 = 1e-3;
/// Pictures with more pixels are run alone, to spare memory; smaller ones in pairs.
const PAIRS_UP_TO: usize = 512 * 512;

/// What a comparison found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// The largest difference of a score from that of the frozen network *with the weights of the
    /// file*, where those were rounded to half precision. It is a share of the picture's largest
    /// score, if that is above 1. Where a file has no logits, the score by which a label of its
    /// loses to the best.
    pub largest: f32,
    /// The share of pixels with the label that the network has *with the weights of the checkpoint*:
    /// the drawn pictures show what rounding does, if not quite as real frames would.
    pub equal_labels: f64,
    /// How many pictures were compared.
    pub pictures: usize,
}

impl Agreement {
    /// An error if the difference is above `allowed`, or no number.
    pub fn tolerate(self, allowed: f32) -> Result<Self> {
        if self.largest <= allowed {
            Ok(self)
        } else {
            Err(Error::Differs { found: self.largest, allowed })
        }
    }
}

/// Runs what [`crate::export`] made of a model with these options. Files for frames of any size are
/// run on several.
pub fn compare(file: Vec<u8>, model: &Model, options: &ExportOptions) -> Result<Agreement> {
    let engine = Engine::load(file, options.outputs)?;
    let plain = Frozen::from_lowered(model.lowered.clone())?;
    let rounded = match options.weights {
        Precision::F32 => None,
        Precision::F16 => {
            let rounded = model.lowered.clone().map_weights(round);
            Some(Frozen::from_lowered(rounded)?)
        }
    };
    let network = rounded.as_ref().unwrap_or(&plain);
    let (mut largest, mut equal, mut pixels, mut pictures) = (0.0, 0_usize, 0_usize, 0);
    for size in sizes(options.size, model.lowered.least_side()) {
        let batch: &[u64] = if size[0] * size[1] > PAIRS_UP_TO { &[1] } else { &[1, 2] };
        let batch: Vec<Vec<u8>> = batch.iter().map(|&seed| picture(seed, size)).collect();
        for (frame, theirs) in batch.iter().zip(engine.run(&batch, size)?) {
            let fill = |planes: &mut [f32]| model.meta.normalisation.write_planes(frame, planes);
            let mut ours = vec![0.0; plain.classes() * size[0] * size[1]];
            network.logits(Sizes::same(size), fill, &mut ours)?;
            let mut labels = vec![0; size[0] * size[1]];
            plain.mask(Sizes::same(size), fill, &mut labels)?;
            largest = max(largest, difference(&theirs, &ours));
            equal += theirs.labels.iter().zip(&labels).filter(|(a, b)| a == b).count();
            pixels += labels.len();
            pictures += 1;
        }
    }
    Ok(Agreement { largest, equal_labels: equal as f64 / pixels as f64, pictures })
}

/// Rounds the weights of a convolution as they are in a file of half precision.
fn round(weights: &mut [f32]) {
    if let Some(halves) = halves(weights) {
        weights.iter_mut().zip(halves).for_each(|(weight, half)| *weight = half.to_f32());
    }
}

/// The sizes of the pictures, `[height, width]`.
fn sizes(size: Size, least: usize) -> Vec<[usize; 2]> {
    match size {
        Size::Fixed(size) => vec![size],
        Size::Dynamic => vec![[64, 96], [65, 43], [33, 130], [least, 9]],
    }
}

/// Coloured blocks with some noise, `(H, W, 3)`.
fn picture(seed: u64, [h, w]: [usize; 2]) -> Vec<u8> {
    let draw = |place: usize| mix(GOLDEN_GAMMA.wrapping_mul(seed << 40 | (place as u64 + 1)));
    let value = |place: usize| {
        let (pixel, channel) = (place / 3, place % 3);
        let block = (pixel / w / 8) * w.div_ceil(8) + pixel % w / 8;
        (draw(3 * block + channel) % 224 + draw((1 << 32) + place) % 32) as u8
    };
    (0..3 * h * w).map(value).collect()
}

/// The largest difference between scores, see [`Agreement::largest`].
fn difference(theirs: &Answer, ours: &[f32]) -> f32 {
    let scale = ours.iter().fold(1.0, |scale, score| max(scale, score.abs()));
    let off = if let Some(logits) = &theirs.logits {
        let pairs = logits.iter().zip(ours);
        pairs.fold(0.0, |off, (theirs, ours)| max(off, (theirs - ours).abs()))
    } else {
        let pixels = theirs.labels.len();
        let scores = best(ours, pixels).into_iter().zip(&theirs.labels).enumerate();
        scores.fold(0.0, |off, (pixel, (ours_best, &theirs_best))| {
            let score = |class: u8| ours.get(usize::from(class) * pixels + pixel);
            let lost = match (score(ours_best), score(theirs_best)) {
                (Some(best), Some(theirs)) => best - theirs,
                // A class that there is not.
                _ => f32::INFINITY,
            };
            max(off, lost)
        })
    };
    off / scale
}

/// The larger one; what is not a number is larger than all.
fn max(a: f32, b: f32) -> f32 {
    if a.is_nan() || a > b { a } else { b }
}

/// The first of the best classes at each pixel of scores `(classes, pixels)`.
fn best(scores: &[f32], pixels: usize) -> Vec<u8> {
    let (first, rest) = scores.split_at(pixels);
    let (mut best, mut labels) = (first.to_vec(), vec![0; pixels]);
    for (scores, class) in rest.chunks_exact(pixels).zip(1..) {
        for ((best, label), &score) in best.iter_mut().zip(&mut labels).zip(scores) {
            if score > *best {
                (*best, *label) = (score, class);
            }
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_noticed_in_scores_and_in_labels() {
        let ours = [1.0, 4.0, 3.0, 2.0];
        let answer = |logits: Option<&[f32]>, labels: &[u8]| {
            let logits = logits.map(<[f32]>::to_vec);
            difference(&Answer { logits, labels: labels.to_vec() }, &ours)
        };
        for (logits, labels, expected) in [
            (Some(&[1.0, 4.0, 3.0, 2.0]), [1, 0], 0.0),
            (Some(&[1.0, 4.0, 2.0, 2.0]), [1, 0], 0.25),
            (None, [1, 0], 0.0),
            (None, [0, 0], 0.5),
            (None, [1, 2], f32::INFINITY),
        ] {
            let found = answer(logits.map(|l| &l[..]), &labels);
            assert_eq!(found.to_bits(), f32::to_bits(expected), "{logits:?} {labels:?}");
        }
        assert!(answer(Some(&[1.0, f32::NAN, 3.0, 2.0]), &[1, 0]).is_nan());
        let agreement = |largest| Agreement { largest, equal_labels: 1.0, pictures: 1 };
        assert!(agreement(1e-4).tolerate(TOLERANCE).is_ok());
        assert!(agreement(2e-3).tolerate(TOLERANCE).is_err());
        assert!(agreement(f32::NAN).tolerate(TOLERANCE).is_err());
    }

    #[test]
    fn drawn_pictures_differ_by_seed() {
        let [one, two] = [1, 2].map(|seed| picture(seed, [20, 30]));
        assert_eq!(one.len(), 1800);
        assert!(one != two && one == picture(1, [20, 30]));
        assert!(one.iter().max() > Some(&200) && one.iter().min() < Some(&50));
    }
}
