//! Targets: whether they fit the logits, and what they count.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use crate::array::with_elements;
use crate::graph::Value;

/// Calls `work` with the targets of `logits`, in reading order.
pub(super) fn with_targets<R>(
    logits: &Value,
    targets: &Tensor,
    work: impl FnOnce(&[u8]) -> Result<R>,
) -> Result<R> {
    let (n, _, h, w) = logits.dims4()?;
    if targets.dims3()? != (n, h, w) {
        candle_core::bail!(
            "targets of {:?} do not fit logits of {:?}",
            targets.dims(),
            logits.tensor().dims()
        );
    }
    let targets = targets.to_device(&candle_core::Device::Cpu)?.contiguous()?;
    with_elements([&targets], |[targets]: [&[u8]; 1]| work(targets))
}

/// What the targets of a batch count.
pub(crate) struct Counts {
    /// What a pixel counts, by its target; 0 for those without loss.
    pub(crate) weights: [f64; 256],
    /// Pixels of each class that are not ignored.
    pub(super) pixels: Vec<usize>,
    /// `1 / sum of the weights of all pixels`, or 0.
    pub(crate) scale: f64,
}

impl Counts {
    /// Without `class_weights` each class counts 1.
    pub(crate) fn new(
        targets: &[u8],
        classes: usize,
        ignore: u8,
        class_weights: Option<&[f32]>,
    ) -> Result<Self> {
        if class_weights.is_some_and(|weights| weights.len() != classes) {
            candle_core::bail!("class weights are not as many as the {classes} classes");
        }
        let (mut weights, mut pixels) = ([0.0; 256], vec![0; classes]);
        let mut total = 0.0;
        for ((target, weight), count) in (0..=u8::MAX).zip(&mut weights).zip(count(targets)) {
            if target == ignore || count == 0 {
                continue;
            }
            let class = usize::from(target);
            if class >= classes {
                candle_core::bail!("target {target} is not one of {classes} classes");
            }
            *weight = class_weights.map_or(1.0, |w| f64::from(w[class]));
            pixels[class] = count;
            total += *weight * count as f64;
        }
        Ok(Self { weights, pixels, scale: if total > 0.0 { 1.0 / total } else { 0.0 } })
    }

    /// What a pixel of this target counts.
    #[inline(always)]
    pub(super) fn weight(&self, target: u8) -> f64 {
        self.weights[usize::from(target)]
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
