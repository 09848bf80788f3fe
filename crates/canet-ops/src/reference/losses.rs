//! The losses. Their targets are checked: each is a class or ignored.

use candle_core::{D, Result, Tensor};

use super::constant;
use crate::{CCE_DICE_SMOOTH, CrossEntropy, Dice, DiceClasses, Focal, Ohem};

/// The logarithms of the softmax, `(pixels, classes)`.
fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    let (_, classes, _, _) = logits.dims4()?;
    let rows = logits.permute((0, 2, 3, 1))?.contiguous()?.reshape(((), classes))?;
    let shifted = rows.broadcast_sub(&rows.detach().max_keepdim(D::Minus1)?)?;
    shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)
}

/// The logarithm of each target's probability, `(pixels, 1)`; of an ignored one, of some class.
fn log_of_targets(logits: &Tensor, targets: &[u8], ignore: u8) -> Result<Tensor> {
    let class = |&t: &u8| if t == ignore { 0 } else { u32::from(t) };
    let classes = targets.iter().map(class).collect::<Vec<_>>();
    let classes = Tensor::from_vec(classes, (targets.len(), 1), logits.device())?;
    log_softmax(logits)?.gather(&classes, 1)
}

/// What each pixel counts.
fn weights(targets: &[u8], ignore: u8, of_class: Option<&[f32]>) -> Vec<f64> {
    let weight = |&t: &u8| match of_class.and_then(|w| w.get(usize::from(t))) {
        _ if t == ignore => 0.0,
        Some(&weight) => f64::from(weight),
        None => 1.0,
    };
    targets.iter().map(weight).collect()
}

/// The mean of `values`, `(pixels, 1)`. Without any weight it is 0: so is the sum, whatever it is
/// divided by.
fn mean(values: &Tensor, weights: Vec<f64>) -> Result<Tensor> {
    let total: f64 = weights.iter().sum();
    let weights = constant(weights, values.shape(), values)?;
    (values * weights)?.sum_all()? / (if total > 0.0 { total } else { 1.0 })
}

/// See [`crate::cross_entropy`].
pub fn cross_entropy(logits: &Tensor, targets: &[u8], options: &CrossEntropy) -> Result<Tensor> {
    let weights = weights(targets, options.ignore, options.class_weights.as_deref());
    mean(&log_of_targets(logits, targets, options.ignore)?.neg()?, weights)
}

/// See [`crate::focal`].
pub fn focal(logits: &Tensor, targets: &[u8], options: &Focal) -> Result<Tensor> {
    let weights = weights(targets, options.ignore, options.class_weights.as_deref());
    let log = log_of_targets(logits, targets, options.ignore)?;
    // Not 0 to the power of 0, whose gradient is NaN.
    let losses = match options.gamma {
        0.0 => log,
        gamma => (log.exp()?.affine(-1.0, 1.0)?.powf(gamma)? * log)?,
    };
    mean(&losses.neg()?, weights)
}

/// See [`crate::ohem`]: sorts all valid pixels.
pub fn ohem(logits: &Tensor, targets: &[u8], options: &Ohem) -> Result<Tensor> {
    let mut weights = weights(targets, options.ignore, options.class_weights.as_deref());
    let losses = log_of_targets(logits, targets, options.ignore)?.neg()?;
    let surprises: Vec<f64> = on_host(&losses)?;
    let valid = surprises.iter().zip(&weights).filter(|&(_, &weight)| weight != 0.0);
    let mut hardest: Vec<f64> = valid.map(|(&surprise, _)| surprise).collect();
    hardest.sort_by(|a, b| b.total_cmp(a));
    hardest.truncate((options.min_kept * hardest.len() as f64).ceil() as usize);
    let limit = -options.threshold.ln();
    let limit = hardest.last().map_or(limit, |&last| limit.min(last));
    for (weight, &surprise) in weights.iter_mut().zip(&surprises) {
        // The limit is one of the hardest, which is kept, or the threshold, which is not.
        let is_kept = surprise > limit || hardest.last() == Some(&surprise);
        *weight *= f64::from(u8::from(is_kept));
    }
    mean(&losses, weights)
}

/// See [`crate::dice`].
pub fn dice(logits: &Tensor, targets: &[u8], options: &Dice) -> Result<Tensor> {
    let (_, classes, _, _) = logits.dims4()?;
    let valid = weights(targets, options.ignore, None);
    let valid = constant(valid, (targets.len(), 1), logits)?;
    let p = log_softmax(logits)?.exp()?.broadcast_mul(&valid)?;
    let truth = one_hot(targets, classes, options.ignore, logits)?;
    let (common, predicted) = ((&p * &truth)?.sum(0)?, p.sum(0)?);
    let below = ((predicted + truth.sum(0)?)? + options.smooth)?;
    let scores = (common.affine(2.0, options.smooth)? / below)?;
    let counts = |class: usize| {
        let is_present = targets.iter().any(|&t| t != options.ignore && usize::from(t) == class);
        f64::from(u8::from(options.classes == DiceClasses::All || is_present))
    };
    let counts: Vec<f64> = (0..classes).map(counts).collect();
    mean(&scores.affine(-1.0, 1.0)?, counts)
}

/// See [`crate::cce_dice`].
pub fn cce_dice(logits: &Tensor, targets: &[u8], ignore: u8) -> Result<Tensor> {
    let (_, classes, _, _) = logits.dims4()?;
    let options = CrossEntropy { ignore, class_weights: None };
    let cross_entropy = cross_entropy(logits, targets, &options)?;
    let options = Dice { ignore, classes: DiceClasses::All, smooth: CCE_DICE_SMOOTH };
    (cross_entropy / classes as f64)? + dice(logits, targets, &options)?
}

/// See [`crate::lovasz_softmax`]: the Jaccard loss of each beginning of the sorted pixels, and its
/// differences.
pub fn lovasz_softmax(logits: &Tensor, targets: &[u8], ignore: u8) -> Result<Tensor> {
    let (_, classes, _, _) = logits.dims4()?;
    let p = log_softmax(logits)?.exp()?;
    let mut losses = Vec::new();
    for class in (0..classes).filter(|&c| targets.iter().any(|&t| t != ignore && t as usize == c)) {
        let is_class = |i: usize| usize::from(targets[i]) == class;
        let signs = (0..targets.len()).map(|i| if is_class(i) { -1.0 } else { 1.0 }).collect();
        let truth = (0..targets.len()).map(|i| f64::from(u8::from(is_class(i)))).collect();
        let signs = constant(signs, targets.len(), logits)?;
        let truth = constant(truth, targets.len(), logits)?;
        // 1 - p on the class's pixels, p elsewhere.
        let errors = ((p.narrow(1, class, 1)?.squeeze(1)? * signs)? + truth)?;
        let values = on_host(&errors)?;
        let mut order: Vec<usize> = (0..targets.len()).filter(|&i| targets[i] != ignore).collect();
        // Stable: of equal errors the first in reading order comes first.
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
        let of_class = order.iter().filter(|&&i| is_class(i)).count() as f64;
        let (mut wrong, mut missed, mut before) = (0.0, 0.0, 0.0);
        let mut differences = vec![0.0; targets.len()];
        for &i in &order {
            if is_class(i) {
                missed += 1.0;
            } else {
                wrong += 1.0;
            }
            let jaccard = 1.0 - (of_class - missed) / (of_class + wrong);
            differences[i] = jaccard - before;
            before = jaccard;
        }
        losses.push((errors * constant(differences, targets.len(), logits)?)?.sum_all()?);
    }
    match losses.len() {
        // A gradient of 0, not none.
        0 => (logits * logits.zeros_like()?)?.sum_all(),
        _ => Tensor::stack(&losses, 0)?.mean(0),
    }
}

/// 1 at each target that is not ignored, `(pixels, classes)`.
fn one_hot(targets: &[u8], classes: usize, ignore: u8, like: &Tensor) -> Result<Tensor> {
    let mut values = vec![0.0; targets.len() * classes];
    for (row, &target) in values.chunks_exact_mut(classes).zip(targets) {
        if target != ignore {
            row[usize::from(target)] = 1.0;
        }
    }
    constant(values, (targets.len(), classes), like)
}

/// All numbers of a tensor.
fn on_host(t: &Tensor) -> Result<Vec<f64>> {
    let here = t.detach().flatten_all()?.to_device(&candle_core::Device::Cpu)?;
    here.to_dtype(candle_core::DType::F64)?.to_vec1()
}
