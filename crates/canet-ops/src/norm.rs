//! Batch normalisation, training and frozen, with what follows it in the same pass.
//!
//! Ioffe and Szegedy, arXiv 1502.03167. Statistics are over batch and pixels, a channel each.

use candle_core::{Result, Tensor};

use crate::fallback::by_reference;
use crate::graph::Value;
use crate::{Activation, reference};

/// Statistics of a training batch, `(C)` each.
#[derive(Debug, Clone)]
pub struct BatchStats {
    /// Mean of each channel.
    pub mean: Tensor,
    /// Unbiased variance (divided by count - 1), as running statistics take it; with one value a
    /// channel the biased one, 0, instead of NaN.
    pub var: Tensor,
}

/// Normalises `x` `(N, C, H, W)` by the statistics of the batch:
/// `y = activation((x - mean) / sqrt(var + eps) * weight + bias + residual)`.
///
/// Over a single value a channel (batch 1 on a 1x1 map) the result is `activation(bias)`, and the
/// gradient of `x` is nothing but rounding: finite, but without information, so networks avoid it.
pub fn batch_norm_train(
    x: &Value,
    weight: &Value,
    bias: &Value,
    eps: f64,
    residual: Option<&Value>,
    activation: Activation,
) -> Result<(Value, BatchStats)> {
    check(x, &[weight.tensor(), bias.tensor()], residual)?;
    let inputs: Vec<&Value> = [x, weight, bias].into_iter().chain(residual).collect();
    let mut stats = None;
    let y = by_reference(&inputs, |t| {
        let (y, of_batch) =
            reference::batch_norm_train(&t[0], &t[1], &t[2], eps, t.get(3), activation)?;
        stats = Some(of_batch);
        Ok(y)
    })?;
    let Some(stats) = stats else { candle_core::bail!("internal: no statistics") };
    Ok((y, stats))
}

/// Normalises `x` `(N, C, H, W)` by given statistics, `(C)` each, which get no gradient.
#[expect(clippy::too_many_arguments, reason = "as many as the formula has")]
pub fn batch_norm_frozen(
    x: &Value,
    weight: &Value,
    bias: &Value,
    mean: &Tensor,
    var: &Tensor,
    eps: f64,
    residual: Option<&Value>,
    activation: Activation,
) -> Result<Value> {
    check(x, &[weight.tensor(), bias.tensor(), mean, var], residual)?;
    let inputs: Vec<&Value> = [x, weight, bias].into_iter().chain(residual).collect();
    by_reference(&inputs, |t| {
        reference::batch_norm_frozen(&t[0], &t[1], &t[2], mean, var, eps, t.get(3), activation)
    })
}

fn check(x: &Value, of_channels: &[&Tensor], residual: Option<&Value>) -> Result<()> {
    let channels = x.dims4()?.1;
    for t in of_channels {
        if t.dims() != [channels] {
            candle_core::bail!("batch norm over {channels} channels was given {:?}", t.dims());
        }
    }
    if let Some(residual) = residual.map(|r| r.tensor().dims())
        && residual != x.tensor().dims()
    {
        candle_core::bail!("a residual of {residual:?} does not fit {:?}", x.tensor().dims());
    }
    Ok(())
}
