//! Softmax cross-entropy over the pixels that have a class.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::array::{by_dtype, elements, storage, tensor, with_elements};
use crate::real::Real;
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
pub fn cross_entropy(logits: &Tensor, targets: &Tensor, options: &CrossEntropy) -> Result<Tensor> {
    let (n, classes, h, w) = logits.dims4()?;
    if targets.dims3()? != (n, h, w) {
        candle_core::bail!(
            "targets of {:?} do not fit logits of {:?}",
            targets.dims(),
            logits.dims()
        );
    }
    let targets = targets.flatten_all()?.to_vec1::<u8>()?;
    if let Some(&foreign) =
        targets.iter().find(|&&t| t != options.ignore && usize::from(t) >= classes)
    {
        candle_core::bail!("target {foreign} is not one of {classes} classes");
    }
    if options.class_weights.as_ref().is_some_and(|weights| weights.len() != classes) {
        candle_core::bail!("class weights are not as many as the {classes} classes");
    }
    if !logits.device().is_cpu() {
        return reference::cross_entropy(logits, &targets, options);
    }
    let weight = |target: u8| match &options.class_weights {
        _ if target == options.ignore => 0.0,
        None => 1.0,
        Some(weights) => f64::from(weights[usize::from(target)]),
    };
    let weights = (0..=u8::MAX).map(|t| if usize::from(t) < classes { weight(t) } else { 0.0 });
    let weights: Vec<f64> = weights.collect();
    let total = targets.iter().map(|&t| weights[usize::from(t)]).sum::<f64>();
    let op = Loss { targets, weights, scale: if total > 0.0 { 1.0 / total } else { 0.0 } };
    logits.contiguous()?.apply_op1(op)
}

/// Pixels a task works on at a time.
const BLOCK: usize = 1024;

struct Loss {
    targets: Vec<u8>,
    /// By target value; 0 for those without loss.
    weights: Vec<f64>,
    scale: f64,
}

/// A block of one image: its first pixel there, and its targets.
struct Block<'a> {
    image: usize,
    first: usize,
    targets: &'a [u8],
}

impl Loss {
    /// The blocks of a batch, in order.
    fn blocks(&self, pixels: usize) -> Vec<Block<'_>> {
        let images = self.targets.chunks(pixels).enumerate();
        images
            .flat_map(|(image, targets)| {
                let blocks = targets.chunks(BLOCK).enumerate();
                blocks.map(move |(i, targets)| Block { image, first: i * BLOCK, targets })
            })
            .collect()
    }

    /// The weighted losses of a block, summed.
    fn block_loss<T: Real>(&self, logits: &[T], classes: usize, pixels: usize, b: &Block) -> f64 {
        let at = |class: usize| &logits[(b.image * classes + class) * pixels + b.first..];
        let log_sums = log_sum_exp(classes, b.targets.len(), at);
        let losses = b.targets.iter().zip(&log_sums).enumerate().map(|(i, (&t, &log_sum))| {
            match self.weights[usize::from(t)] {
                0.0 => 0.0,
                weight => weight * (log_sum - at(usize::from(t))[i]).as_f64(),
            }
        });
        losses.sum()
    }

    /// The gradient of a block: `weight * scale * (softmax - one-hot)`, a class after another.
    fn block_gradient<T: Real>(
        &self,
        logits: &[T],
        classes: usize,
        pixels: usize,
        b: &Block,
        g: f64,
    ) -> Vec<T> {
        let at = |class: usize| &logits[(b.image * classes + class) * pixels + b.first..];
        let log_sums = log_sum_exp(classes, b.targets.len(), at);
        let factors: Vec<T> = b
            .targets
            .iter()
            .map(|&t| T::of_f64(self.weights[usize::from(t)] * self.scale * g))
            .collect();
        let mut gradient = vec![T::ZERO; classes * b.targets.len()];
        for (class, gradient) in gradient.chunks_exact_mut(b.targets.len()).enumerate() {
            let terms = at(class).iter().zip(&log_sums).zip(&factors);
            for ((to, ((&logit, &log_sum), &factor)), &target) in
                gradient.iter_mut().zip(terms).zip(b.targets)
            {
                let hit = if usize::from(target) == class { factor } else { T::ZERO };
                *to = (logit - log_sum).exp() * factor - hit;
            }
        }
        gradient
    }
}

/// `log(sum over classes of exp(logit))` for each pixel of a block.
fn log_sum_exp<'a, T: Real>(classes: usize, len: usize, at: impl Fn(usize) -> &'a [T]) -> Vec<T> {
    simd::vectorised(
        #[inline(always)]
        || {
            let mut largest = vec![T::LOWEST; len];
            for class in 0..classes {
                largest.iter_mut().zip(at(class)).for_each(|(m, &v)| *m = v.larger(*m));
            }
            let mut sums = vec![T::ZERO; len];
            for class in 0..classes {
                for ((sum, &v), &m) in sums.iter_mut().zip(at(class)).zip(&largest) {
                    *sum += (v - m).exp();
                }
            }
            let logs = sums.iter().zip(&largest);
            logs.map(|(sum, &m)| m + T::of_f64(sum.as_f64().ln())).collect()
        },
    )
}

impl CustomOp1 for Loss {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, classes, h, w) = layout.shape().dims4()?;
        let loss = by_dtype!(x.dtype(), T => {
            let logits = elements::<T>(x, layout)?;
            let blocks = self.blocks(h * w);
            let losses: Vec<f64> =
                blocks.par_iter().map(|b| self.block_loss(logits, classes, h * w, b)).collect();
            // In order, whoever computed them.
            storage(vec![T::of_f64(losses.iter().sum::<f64>() * self.scale)])
        });
        Ok((loss, Shape::from(())))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, gy: &Tensor) -> Result<Option<Tensor>> {
        let (_, classes, h, w) = x.dims4()?;
        let pixels = h * w;
        by_dtype!(x.dtype(), T => with_elements::<T, _>(x, |logits| {
            let g = gy.to_scalar::<T>()?.as_f64();
            let blocks = self.blocks(pixels);
            let parts: Vec<Vec<T>> = blocks
                .par_iter()
                .map(|b| self.block_gradient(logits, classes, pixels, b, g))
                .collect();
            let mut gx = vec![T::ZERO; logits.len()];
            for (b, part) in blocks.iter().zip(&parts) {
                for (class, part) in part.chunks_exact(b.targets.len()).enumerate() {
                    let start = (b.image * classes + class) * pixels + b.first;
                    gx[start..start + part.len()].copy_from_slice(part);
                }
            }
            tensor(gx, x.shape()).map(Some)
        }))
    }
}
