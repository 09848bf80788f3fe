//! Lovasz-softmax: a convex surrogate of the mean intersection over union.

mod order;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use self::order::Ordered;
use super::blocks::{BLOCK, Place, Size, Softmax};
use super::probabilities::{planes_of, probabilities, take};
use super::targets::{Counts, with_targets};
use crate::array::{DisjointWriter, by_dtype, with_elements};
use crate::fallback::{by_reference, on_cpu};
use crate::graph::Value;
use crate::{reference, simd};

/// The mean over the classes with a pixel in the targets of the Lovasz extension of the Jaccard loss
/// `1 - intersection / union`, over the valid pixels of the whole batch; a scalar.
///
/// Of a class, the error of a pixel is `1 - p` where it is the target and `p` elsewhere. Errors are
/// sorted, largest first, of equal ones the first in reading order first; each counts by how much the
/// Jaccard loss grows when its pixel joins the wrong ones.
///
/// Berman et al., The Lovasz-Softmax loss, 2018. Sorting takes 8 bytes a pixel of the batch for each
/// thread (16 in `f64`). `logits` is `(N, C, H, W)`, `targets` `(N, H, W)` of `u8`, at most 2^32 pixels in all. A
/// batch without a valid pixel has loss 0 and gradient 0. A target that is neither a class nor ignored
/// is an error.
pub fn lovasz_softmax(logits: &Value, targets: &Tensor, ignore: u8) -> Result<Value> {
    let (_, classes, _, _) = logits.dims4()?;
    with_targets(logits, targets, |targets| {
        let counts = Counts::new(targets, classes, ignore, None)?;
        if u32::try_from(targets.len()).is_err() {
            candle_core::bail!("a batch of {} pixels is too large to be sorted", targets.len());
        }
        if !on_cpu(&[logits]) {
            return by_reference(&[logits], |t| reference::lovasz_softmax(&t[0], targets, ignore));
        }
        by_dtype!(logits.tensor().dtype(), T => kernel::<T>(logits, targets, &counts))
    })
}

fn kernel<T: Ordered>(logits: &Value, targets: &[u8], counts: &Counts) -> Result<Value> {
    let size = Size::of(logits)?;
    let nothing = |_: &Softmax<T>, _: &[u8]| ();
    let (_, mut values) = probabilities::<T, ()>(logits, targets, counts, true, nothing)?;
    let present: Vec<usize> = (0..size.classes).filter(|&c| counts.pixels[c] > 0).collect();
    let share = 1.0 / present.len().max(1) as f64;
    let writer = DisjointWriter::new(&mut values);
    let of_class = |keys: &mut Vec<T::Key>, &class: &usize| {
        let plane = |image: usize| {
            #[expect(unsafe_code, reason = "a task owns the planes of its class")]
            // SAFETY: each class is given to one task, and planes do not overlap.
            unsafe {
                writer.slice_mut((image * size.classes + class) * size.pixels, size.pixels)
            }
        };
        let planes = (0..size.images).map(plane).collect();
        loss_of_class(Class { id: class, planes, targets, counts, share }, keys)
    };
    // Sorting is sequential: there are more classes than cores, or the batch is small.
    let losses: Vec<f64> = present.par_iter().map_init(Vec::new, of_class).collect();
    let loss = share * losses.iter().sum::<f64>();
    if !logits.is_tracked() {
        return super::value::<T>(logits, loss, Vec::new());
    }
    // A class that is absent has probabilities, but no slope.
    for class in (0..size.classes).filter(|&c| counts.pixels[c] == 0) {
        for image in 0..size.images {
            values[(image * size.classes + class) * size.pixels..][..size.pixels].fill(T::ZERO);
        }
    }
    through_softmax(logits, targets, counts, &mut values)?;
    super::value(logits, loss, values)
}

/// The probabilities of a class, which become the slopes of the loss in them.
struct Class<'a, T> {
    id: usize,
    planes: Vec<&'a mut [T]>,
    targets: &'a [u8],
    counts: &'a Counts,
    /// What the class counts in the mean.
    share: f64,
}

/// The loss of a class; `keys` is memory to work in.
fn loss_of_class<T: Ordered>(class: Class<T>, keys: &mut Vec<T::Key>) -> f64 {
    let Class { id, mut planes, targets, counts, share } = class;
    let is_class = |target: u8| usize::from(target) == id;
    keys.clear();
    let probabilities = planes.iter().flat_map(|plane| plane.iter());
    for (i, (&p, &target)) in probabilities.zip(targets).enumerate() {
        if counts.weight(target) != 0.0 {
            let error = if is_class(target) { T::of_f64(1.0) - p } else { p };
            keys.push(error.key(i as u32));
        }
    }
    keys.sort_unstable();
    let pixels = planes.first().map_or(1, |plane| plane.len());
    // The class's pixels that are not wrong yet, and the union.
    let (mut common, mut union) = (counts.pixels[id] as f64, counts.pixels[id] as f64);
    let mut loss = 0.0;
    for &key in &*keys {
        let (error, i) = T::of_key(key);
        // By how much 1 - common / union grows.
        let (growth, sign) = if is_class(targets[i]) {
            common -= 1.0;
            (1.0 / union, -1.0)
        } else {
            union += 1.0;
            (common / (union * (union - 1.0)), 1.0)
        };
        loss += error.as_f64() * growth;
        planes[i / pixels][i % pixels] = T::of_f64(share * sign * growth);
    }
    loss
}

/// From the slopes in the probabilities to the gradient of the logits, in place: of class `c` that is
/// `p (slope - mean slope of the pixel)`. Probabilities are made again, which needs no memory.
fn through_softmax<T: Ordered>(
    logits: &Value,
    targets: &[u8],
    counts: &Counts,
    slopes: &mut [T],
) -> Result<()> {
    let size = Size::of(logits)?;
    let values = logits.tensor().contiguous()?;
    let writer = DisjointWriter::new(slopes);
    with_elements([&values], |[logits]| {
        size.map_blocks(
            || Softmax::new(size.classes),
            |softmax: &mut Softmax<T>, place: Place| {
                take(softmax, logits, place.of(targets), counts, place);
                #[expect(unsafe_code, reason = "a block owns its pixels in all planes")]
                // SAFETY: each block is given to one task.
                let planes = unsafe { planes_of(&writer, place) };
                simd::vectorised(
                    #[inline(always)]
                    || block_through_softmax(planes, softmax, place.len),
                );
            },
        );
        Ok(())
    })
}

#[inline(always)]
fn block_through_softmax<T: Ordered>(planes: Vec<&mut [T]>, softmax: &Softmax<T>, len: usize) {
    let mut means = [T::ZERO; BLOCK];
    let probabilities = || softmax.values.chunks_exact(BLOCK);
    for (plane, p) in planes.iter().zip(probabilities()) {
        for ((mean, &slope), &p) in means[..len].iter_mut().zip(&**plane).zip(p) {
            *mean = p.fma(slope, *mean);
        }
    }
    for (plane, p) in planes.into_iter().zip(probabilities()) {
        for ((slope, &p), &mean) in plane.iter_mut().zip(p).zip(&means[..len]) {
            *slope = p * (*slope - mean);
        }
    }
}
