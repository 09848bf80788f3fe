//! Cross-entropy over the hard pixels of a batch (online hard example mining).

use candle_core::{Result, Tensor};

use super::pixelwise::pixelwise;
use super::targets::{Counts, with_targets};
use crate::array::{by_dtype, by_plane, edit};
use crate::fallback::{by_reference, on_cpu};
use crate::graph::Value;
use crate::math::Math;
use crate::{reference, simd};

/// What counts, and how much.
#[derive(Debug, Clone)]
pub struct Ohem {
    /// Targets of this value have no loss and no gradient.
    pub ignore: u8,
    /// Pixels whose target has a smaller probability are kept; more than 0, at most 1.
    pub threshold: f64,
    /// The share of the valid pixels that is kept at least, the hardest ones; from 0 to 1.
    pub min_kept: f64,
    /// A weight for each class; all 1 if absent.
    pub class_weights: Option<Vec<f32>>,
}

impl Default for Ohem {
    fn default() -> Self {
        Self { ignore: 255, threshold: 0.7, min_kept: 0.1, class_weights: None }
    }
}

/// [`crate::cross_entropy`] of the pixels that are kept: those whose target has a probability below
/// `threshold`, and if these are fewer than `min_kept` of the valid ones (rounded up), the hardest.
///
/// Pixels that tie with the last of the hardest are all kept, so that no order of pixels decides;
/// equal logits everywhere keep every pixel. A pixel whose class has weight 0 is not a valid one. The
/// choice has no gradient of its own. `logits` is `(N, C, H, W)`, `targets` `(N, H, W)` of `u8`.
/// A batch of which nothing is kept has loss 0 and gradient 0. A target that is neither a class nor
/// ignored is an error.
///
/// Shrivastava et al., Training Region-based Object Detectors with Online Hard Example Mining, 2016;
/// over the whole batch, as segmentation does it.
pub fn ohem(logits: &Value, targets: &Tensor, options: &Ohem) -> Result<Value> {
    let Ohem { ignore, threshold, min_kept, class_weights } = options;
    if !(*threshold > 0.0 && *threshold <= 1.0 && (0.0..=1.0).contains(min_kept)) {
        candle_core::bail!(
            "threshold {threshold} and min_kept {min_kept} of OHEM are not both shares"
        );
    }
    let (_, classes, _, _) = logits.dims4()?;
    with_targets(logits, targets, |targets| {
        let counts = Counts::new(targets, classes, *ignore, class_weights.as_deref())?;
        if !on_cpu(&[logits]) {
            return by_reference(&[logits], |t| reference::ohem(&t[0], targets, options));
        }
        by_dtype!(logits.tensor().dtype(), T => kernel::<T>(logits, targets, &counts, options))
    })
}

/// Whether a pixel is kept whose cross-entropy is `surprise`: if that is above `easy`, or not below
/// that of the easiest that must be kept. NaN is kept: it must not be hidden.
#[inline(always)]
fn is_kept(surprise: f64, easy: f64, kth: f64) -> bool {
    let is_easy = surprise <= easy;
    !is_easy || surprise >= kth
}

fn kernel<T: Math>(
    logits: &Value,
    targets: &[u8],
    counts: &Counts,
    options: &Ohem,
) -> Result<Value> {
    let (surprises, mut gradient) = pixelwise::<T, Vec<T>>(logits, targets, |pixels, targets| {
        let surprise = |(i, &target): (usize, &u8)| {
            pixels.weigh(i, target, T::of_f64(counts.weight(target)));
            pixels.softmax.shortfalls[i] + pixels.softmax.logs[i]
        };
        targets.iter().enumerate().map(surprise).collect()
    })?;
    let surprises = surprises.concat();
    let kth = kth_hardest(&surprises, targets, counts, options.min_kept);
    // A probability below the threshold is a cross-entropy above this.
    let easy = -options.threshold.ln();
    let (mut loss, mut total) = (0.0, 0.0);
    let mut kept = vec![T::ZERO; surprises.len()];
    for ((kept, surprise), &target) in kept.iter_mut().zip(&surprises).zip(targets) {
        let (weight, surprise) = (counts.weight(target), surprise.as_f64());
        if weight != 0.0 && is_kept(surprise, easy, kth) {
            loss += weight * surprise;
            total += weight;
            *kept = T::of_f64(1.0);
        }
    }
    let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
    for kept in &mut kept {
        *kept *= T::of_f64(scale);
    }
    let (_, classes, h, w) = logits.dims4()?;
    edit(&mut gradient, |at, block| {
        by_plane(at, block, h * w, |plane, start, piece| {
            let kept = &kept[plane / classes * h * w + start % (h * w)..];
            simd::vectorised(
                #[inline(always)]
                || piece.iter_mut().zip(kept).for_each(|(g, &kept)| *g *= kept),
            );
        });
    });
    super::value(logits, loss * scale, gradient)
}

/// The cross-entropy of the easiest pixel that must be kept; infinite if none must be.
fn kth_hardest<T: Math>(surprises: &[T], targets: &[u8], counts: &Counts, share: f64) -> f64 {
    let valid = surprises.iter().zip(targets).filter(|&(_, &target)| counts.weight(target) != 0.0);
    let mut valid: Vec<T> = valid.map(|(&surprise, _)| surprise).collect();
    let count = ((share * valid.len() as f64).ceil() as usize).min(valid.len());
    if count == 0 {
        return f64::INFINITY;
    }
    let hardest_first = |a: &T, b: &T| b.as_f64().total_cmp(&a.as_f64());
    valid.select_nth_unstable_by(count - 1, hardest_first).1.as_f64()
}
