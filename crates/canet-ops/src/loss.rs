//! Softmax cross-entropy over the pixels that have a class.

use candle_core::{Result, Tensor};

use crate::fallback::by_reference;
use crate::graph::Value;
use crate::reference;

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
    let targets = targets.flatten_all()?.to_vec1::<u8>()?;
    if let Some(&foreign) =
        targets.iter().find(|&&t| t != options.ignore && usize::from(t) >= classes)
    {
        candle_core::bail!("target {foreign} is not one of {classes} classes");
    }
    if options.class_weights.as_ref().is_some_and(|weights| weights.len() != classes) {
        candle_core::bail!("class weights are not as many as the {classes} classes");
    }
    by_reference(&[logits], |t| reference::cross_entropy(&t[0], &targets, options))
}
