//! What training minimises.

use canet_model::{Output, Tensor, Value};
use canet_ops::{CrossEntropy, add, cross_entropy, scale};

use crate::Result;
use crate::config::LossConfig;

/// The loss of a network's output, a scalar. `targets` `(N, H, W)` are class ids as `u8`, on the
/// CPU; 255 counts for nothing.
pub fn loss(output: Output, targets: &Tensor, config: &LossConfig) -> Result<Value> {
    let options =
        CrossEntropy { class_weights: config.class_weights.clone(), ..Default::default() };
    let loss = cross_entropy(&output.logits, targets, &options)?;
    match output.aux {
        Some(aux) => {
            let aux = cross_entropy(&aux, targets, &options)?;
            Ok(add(&loss, &scale(&aux, config.aux_weight)?)?)
        }
        None => Ok(loss),
    }
}
