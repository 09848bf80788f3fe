//! How well the areas of classes overlap: soft Dice over a batch, with cross-entropy beside it.

use candle_core::Result;

use super::blocks::{BLOCK, Place, Size, Softmax};
use super::dice::DiceClasses;
use super::probabilities::{planes_of, probabilities};
use super::targets::Counts;
use crate::array::DisjointWriter;
use crate::graph::Value;
use crate::lanes;
use crate::math::Math;
use crate::simd;

/// What is summed.
pub(super) struct Overlap {
    pub(super) smooth: f64,
    pub(super) classes: DiceClasses,
    /// What the mean cross-entropy of a pixel counts.
    pub(super) cross_entropy: f64,
}

/// Sums over the pixels of a block or of a batch.
struct Areas {
    /// Of each class: the probability on its own pixels, and on all.
    of_class: Vec<[f64; 2]>,
    cross_entropy: f64,
}

/// How the loss changes with the probability of a class.
#[derive(Clone, Copy)]
struct Slope<T> {
    everywhere: T,
    /// What comes to it on the class's own pixels.
    on_target: T,
}

pub(super) fn overlap<T: Math>(
    logits: &Value,
    targets: &[u8],
    counts: &Counts,
    options: &Overlap,
) -> Result<Value> {
    let tracked = logits.is_tracked();
    let sums = |softmax: &Softmax<T>, targets: &[u8]| Areas::of_block(softmax, targets, counts);
    let (areas, mut values) = probabilities::<T, _>(logits, targets, counts, tracked, sums)?;
    let areas = Areas::sum(counts.pixels.len(), &areas);
    let (dice, slopes) = dice_of(&areas, counts, options);
    let pixel = options.cross_entropy * counts.scale;
    if tracked {
        let writer = DisjointWriter::new(&mut values);
        Size::of(logits)?.map_blocks(
            || (),
            |(), place: Place| {
                #[expect(unsafe_code, reason = "a block owns its pixels in all planes")]
                // SAFETY: each block is given to one task.
                let mut planes = unsafe { planes_of(&writer, place) };
                gradient(&mut planes, place.of(targets), counts, &slopes, T::of_f64(pixel));
            },
        );
    }
    super::value(logits, dice + pixel * areas.cross_entropy, values)
}

impl Areas {
    fn of_block<T: Math>(softmax: &Softmax<T>, targets: &[u8], counts: &Counts) -> Self {
        let planes = softmax.values.chunks_exact(BLOCK);
        let mut of_class: Vec<[f64; 2]> = simd::vectorised(
            #[inline(always)]
            || planes.map(|p| [0.0, lanes::sum(&p[..targets.len()], |p| p).as_f64()]).collect(),
        );
        let mut cross_entropy = 0.0;
        for (i, &target) in targets.iter().enumerate() {
            if counts.weight(target) != 0.0 {
                let class = usize::from(target);
                of_class[class][0] += softmax.values[class * BLOCK + i].as_f64();
                cross_entropy += (softmax.shortfalls[i] + softmax.logs[i]).as_f64();
            }
        }
        Self { of_class, cross_entropy }
    }

    /// In order, whoever computed them.
    fn sum(classes: usize, parts: &[Self]) -> Self {
        let mut all = Self { of_class: vec![[0.0; 2]; classes], cross_entropy: 0.0 };
        for part in parts {
            all.cross_entropy += part.cross_entropy;
            for (sum, part) in all.of_class.iter_mut().zip(&part.of_class) {
                *sum = [sum[0] + part[0], sum[1] + part[1]];
            }
        }
        all
    }
}

/// `1 - mean of (2 I + smooth) / (P + T + smooth)`, and its slope in each class's probabilities; 0
/// if there is no class to take the mean of.
fn dice_of<T: Math>(areas: &Areas, counts: &Counts, options: &Overlap) -> (f64, Vec<Slope<T>>) {
    let is_in = |pixels: usize| options.classes == DiceClasses::All || pixels > 0;
    let classes = counts.pixels.iter().filter(|&&pixels| is_in(pixels)).count();
    let share = 1.0 / classes.max(1) as f64;
    let mut score = 0.0;
    let slope = |(&[common, predicted], &pixels): (&[f64; 2], &usize)| {
        if !is_in(pixels) {
            return Slope { everywhere: T::ZERO, on_target: T::ZERO };
        }
        let above = 2.0 * common + options.smooth;
        let below = predicted + pixels as f64 + options.smooth;
        score += above / below;
        Slope {
            everywhere: T::of_f64(share * above / (below * below)),
            on_target: T::of_f64(share * -2.0 / below),
        }
    };
    let slopes = areas.of_class.iter().zip(&counts.pixels).map(slope).collect();
    (if classes > 0 { 1.0 - share * score } else { 0.0 }, slopes)
}

/// Turns the probabilities of a block into the gradient of its logits.
///
/// Of class `c` that is `p (slope - mean slope of the pixel)`, and `pixel (softmax - one-hot)` from the
/// cross-entropy.
fn gradient<T: Math>(
    planes: &mut [&mut [T]],
    targets: &[u8],
    counts: &Counts,
    slopes: &[Slope<T>],
    pixel: T,
) {
    let mut means = [T::ZERO; BLOCK];
    let means = &mut means[..targets.len()];
    simd::vectorised(
        #[inline(always)]
        || {
            for (plane, slope) in planes.iter().zip(slopes) {
                means.iter_mut().zip(&**plane).for_each(|(m, &p)| *m = p.fma(slope.everywhere, *m));
            }
        },
    );
    // What the target's class gets beside all that follows from slopes everywhere.
    let mut own = [T::ZERO; BLOCK];
    for (i, &target) in targets.iter().enumerate() {
        if counts.weight(target) != 0.0 {
            let class = usize::from(target);
            let more = planes[class][i] * slopes[class].on_target;
            means[i] += more;
            own[i] = more - pixel;
        }
    }
    simd::vectorised(
        #[inline(always)]
        || {
            for (plane, slope) in planes.iter_mut().zip(slopes) {
                let level = slope.everywhere + pixel;
                plane.iter_mut().zip(&*means).for_each(|(p, &mean)| *p *= level - mean);
            }
        },
    );
    for (i, &target) in targets.iter().enumerate() {
        if counts.weight(target) != 0.0 {
            planes[usize::from(target)][i] += own[i];
        }
    }
}
