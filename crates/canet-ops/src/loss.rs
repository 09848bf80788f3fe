//! Softmax cross-entropy over the pixels that have a class.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use crate::array::{DisjointWriter, by_dtype, tensor, with_elements};
use crate::elementwise::map_gradient;
use crate::fallback::{by_reference, on_cpu};
use crate::graph::{Gradient, Value};
use crate::math::Math;
use crate::{reference, simd};

/// What counts, and how much.
#[derive(Debug, Clone)]
pub struct CrossEntropy {
    /// Targets of this value have no loss and no gradient.
    pub ignore: u8,
    /// A weight for each class; all 1 if absent.
    pub class_weights: Option<Vec<f32>>,
}

impl Default for CrossEntropy {
    fn default() -> Self {
        Self { ignore: 255, class_weights: None }
    }
}

/// Mean over the valid pixels of `-weight[t] log softmax(logits)[t]`, divided by the sum of their
/// weights; a scalar. A batch without a valid pixel has loss 0 and gradient 0.
///
/// `logits` is `(N, C, H, W)`, `targets` `(N, H, W)` of `u8`. A target that is neither a class nor
/// ignored is an error.
pub fn cross_entropy(logits: &Value, targets: &Tensor, options: &CrossEntropy) -> Result<Value> {
    let (n, classes, h, w) = logits.dims4()?;
    if targets.dims3()? != (n, h, w) {
        candle_core::bail!(
            "targets of {:?} do not fit logits of {:?}",
            targets.dims(),
            logits.tensor().dims()
        );
    }
    if options.class_weights.as_ref().is_some_and(|weights| weights.len() != classes) {
        candle_core::bail!("class weights are not as many as the {classes} classes");
    }
    let targets = targets.to_device(&candle_core::Device::Cpu)?.contiguous()?;
    with_elements([&targets], |[targets]: [&[u8]; 1]| {
        let weights = Weights::new(targets, classes, options)?;
        if !on_cpu(&[logits]) {
            return by_reference(&[logits], |t| reference::cross_entropy(&t[0], targets, options));
        }
        by_dtype!(logits.tensor().dtype(), T => loss::<T>(logits, targets, &weights))
    })
}

/// What the targets count.
struct Weights {
    /// By target value; 0 for those without loss.
    of_target: [f64; 256],
    /// `1 / sum over the pixels`, or 0.
    scale: f64,
}

impl Weights {
    fn new(targets: &[u8], classes: usize, options: &CrossEntropy) -> Result<Self> {
        let mut of_target = [0.0; 256];
        let mut total = 0.0;
        for ((target, weight), count) in (0..=u8::MAX).zip(&mut of_target).zip(count(targets)) {
            if target == options.ignore || count == 0 {
                continue;
            }
            let class = usize::from(target);
            if class >= classes {
                candle_core::bail!("target {target} is not one of {classes} classes");
            }
            *weight = options.class_weights.as_ref().map_or(1.0, |w| f64::from(w[class]));
            total += *weight * count as f64;
        }
        Ok(Self { of_target, scale: if total > 0.0 { 1.0 / total } else { 0.0 } })
    }
}

/// How often each value occurs.
fn count(targets: &[u8]) -> [usize; 256] {
    const BLOCK: usize = 1 << 16;
    let of_block = |block: &[u8]| {
        let mut counts = [0; 256];
        for &t in block {
            counts[usize::from(t)] += 1;
        }
        counts
    };
    let zero = || [0; 256];
    let sum = |a: [usize; 256], b: [usize; 256]| std::array::from_fn(|i| a[i] + b[i]);
    targets.par_chunks(BLOCK).map(of_block).reduce(zero, sum)
}

/// Pixels a task works on at a time: its exponentials stay in a second-level cache.
const BLOCK: usize = 1024;

/// Loss and gradient in one pass over the logits; without the gradient if it will not be asked for.
fn loss<T: Math>(logits: &Value, targets: &[u8], weights: &Weights) -> Result<Value> {
    let (n, classes, h, w) = logits.dims4()?;
    let pixels = h * w;
    let values = logits.tensor().contiguous()?;
    let tracked = logits.is_tracked();
    let mut gradient = vec![T::ZERO; if tracked { n * classes * pixels } else { 0 }];
    let losses: Vec<f64> = with_elements([&values], |[logits]| {
        let writer = DisjointWriter::new(&mut gradient);
        let blocks = pixels.div_ceil(BLOCK);
        let of_block = |block: &mut Block<T>, i: usize| {
            let (image, first) = (i / blocks, i % blocks * BLOCK);
            let targets = &targets[image * pixels..][first..pixels.min(first + BLOCK)];
            let place = |class: usize| (image * classes + class) * pixels + first;
            block.take(targets, weights, |class| &logits[place(class)..][..targets.len()]);
            if tracked {
                for class in 0..classes {
                    #[expect(unsafe_code, reason = "a block owns its pixels in all planes")]
                    // SAFETY: each pixel of each class belongs to one block.
                    let to = unsafe { writer.slice_mut(place(class), targets.len()) };
                    block.gradient(class, to);
                }
            }
            block.loss
        };
        let all = (0..n * blocks).into_par_iter();
        Ok(all.map_init(|| Block::new(classes), of_block).collect())
    })?;
    // In order, whoever computed them.
    let loss = T::of_f64(losses.iter().sum::<f64>() * weights.scale);
    let gradient = tensor(gradient, if tracked { (n, classes, h, w) } else { (0, 0, 0, 0) })?;
    Ok(Value::of(tensor(vec![loss], ())?, &[logits], move |gy| {
        let factor = gy.tensor().to_scalar::<T>()?;
        let gradient = Gradient::Own(gradient);
        let is_whole = factor == T::of_f64(1.0);
        let gradient = if is_whole { gradient } else { map_gradient(gradient, |g: T| g * factor)? };
        Ok(vec![Some(gradient)])
    }))
}

/// Some pixels of an image, and what a thread keeps of them.
struct Block<T> {
    /// Logits, then `exp(logit - largest logit of the pixel)`, class by class.
    values: Vec<T>,
    largest: [T; BLOCK],
    /// Of the exponentials.
    sums: [T; BLOCK],
    /// The logarithms of the sums.
    logs: [T; BLOCK],
    /// What an exponential counts in the gradient.
    factors: [T; BLOCK],
    /// Weighted, of all pixels.
    loss: f64,
}

impl<T: Math> Block<T> {
    fn new(classes: usize) -> Self {
        let [largest, sums, logs, factors] = [[T::ZERO; BLOCK]; 4];
        let values = vec![T::ZERO; classes * BLOCK];
        Self { values, largest, sums, logs, factors, loss: 0.0 }
    }

    /// The loss of the pixels with these targets, and all that their gradient needs.
    fn take<'a>(&mut self, targets: &[u8], weights: &Weights, logits: impl Fn(usize) -> &'a [T]) {
        simd::vectorised(
            #[inline(always)]
            || self.load(targets.len(), logits),
        );
        self.loss = 0.0;
        for (i, &target) in targets.iter().enumerate() {
            let (class, weight) = (usize::from(target), weights.of_target[usize::from(target)]);
            if weight != 0.0 {
                let logit = self.values[class * BLOCK + i];
                self.loss -= weight * (logit - self.largest[i]).as_f64();
            }
        }
        simd::vectorised(
            #[inline(always)]
            || self.exponentiate(targets.len()),
        );
        for (i, &target) in targets.iter().enumerate() {
            let (class, weight) = (usize::from(target), weights.of_target[usize::from(target)]);
            self.factors[i] = T::of_f64(weight * weights.scale) / self.sums[i];
            if weight != 0.0 {
                self.loss += weight * self.logs[i].as_f64();
                // Of all classes, this one is to have the whole sum.
                self.values[class * BLOCK + i] -= self.sums[i];
            }
        }
    }

    /// Copies the logits, whose planes may lie so that a cache could not hold them together, and
    /// finds the largest of each pixel.
    #[inline(always)]
    fn load<'a>(&mut self, len: usize, logits: impl Fn(usize) -> &'a [T]) {
        let largest = &mut self.largest[..len];
        largest.fill(T::LOWEST);
        for (class, values) in self.values.chunks_exact_mut(BLOCK).enumerate() {
            for ((to, largest), &v) in values.iter_mut().zip(&mut *largest).zip(logits(class)) {
                *to = v;
                *largest = v.larger(*largest);
            }
        }
    }

    #[inline(always)]
    fn exponentiate(&mut self, len: usize) {
        let sums = &mut self.sums[..len];
        sums.fill(T::ZERO);
        for values in self.values.chunks_exact_mut(BLOCK) {
            for ((v, sum), &largest) in values.iter_mut().zip(&mut *sums).zip(&self.largest) {
                *v = (*v - largest).exp();
                *sum += *v;
            }
        }
        self.logs.iter_mut().zip(sums).for_each(|(log, sum)| *log = sum.ln());
    }

    /// The gradient of a class: `weight * scale * (softmax - one-hot)`.
    fn gradient(&self, class: usize, to: &mut [T]) {
        let values = &self.values[class * BLOCK..];
        simd::vectorised(
            #[inline(always)]
            || {
                for ((to, &v), &factor) in to.iter_mut().zip(values).zip(&self.factors) {
                    *to = v * factor;
                }
            },
        );
    }
}
