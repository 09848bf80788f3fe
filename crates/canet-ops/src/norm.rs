//! Batch normalisation, training and frozen, with what follows it in the same pass.
//!
//! Ioffe and Szegedy, arXiv 1502.03167. Statistics are over batch and pixels, a channel each.

mod kernel;
mod moments;

use candle_core::{Result, Tensor};

use crate::activation::pass;
use crate::array::{by_dtype, tensor, with_elements};
use crate::elementwise::zip_gradient;
#[cfg(feature = "cuda")]
use crate::fallback::on_cuda;
use crate::fallback::{by_reference, on_cpu};
use crate::graph::{Gradient, Value};
use crate::real::Real;
use crate::{Activation, reference};
pub(crate) use kernel::{BatchNorm, Line, Sums};
use moments::Moments;
pub(crate) use moments::inverse_deviation;

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
    #[cfg(feature = "cuda")]
    if on_cuda(&inputs) {
        return crate::cuda::batch_norm_train(&inputs, eps, activation);
    }
    if !on_cpu(&inputs) {
        let mut stats = None;
        let y = by_reference(&inputs, |t| {
            let (y, of_batch) =
                reference::batch_norm_train(&t[0], &t[1], &t[2], eps, t.get(3), activation)?;
            stats = Some(of_batch);
            Ok(y)
        })?;
        let Some(stats) = stats else { candle_core::bail!("internal: no statistics") };
        return Ok((y, stats));
    }
    by_dtype!(x.tensor().dtype(), T => {
        let values = x.tensor().contiguous()?;
        let extent = Extent::of(&values)?;
        let (norm, stats) = BatchNorm::<T>::of_batch(&values, extent, [weight, bias], eps)?;
        Ok((norm.of(values, &inputs, activation)?, stats))
    })
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
    #[cfg(feature = "cuda")]
    if on_cuda(&inputs) {
        return crate::cuda::batch_norm_frozen(&inputs, [mean, var], eps, activation);
    }
    if !on_cpu(&inputs) {
        return by_reference(&inputs, |t| {
            reference::batch_norm_frozen(&t[0], &t[1], &t[2], mean, var, eps, t.get(3), activation)
        });
    }
    by_dtype!(x.tensor().dtype(), T => {
        let values = x.tensor().contiguous()?;
        let var = var.to_vec1::<T>()?.into_iter();
        let norm = BatchNorm {
            extent: Extent::of(&values)?,
            mean: mean.to_vec1::<T>()?,
            scale: var.map(|v| inverse_deviation(v.as_f64(), eps)).collect(),
            weight: weight.tensor().to_vec1::<T>()?,
            bias: bias.tensor().to_vec1::<T>()?,
            frozen: true,
        };
        norm.of(values, &inputs, activation)
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

/// Elements of a partial sum: few enough for `f32`.
const UNIT: usize = 4096;

/// The shape of a map, `(images, channels, plane)`.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) images: usize,
    pub(crate) channels: usize,
    pub(crate) plane: usize,
}

impl Extent {
    fn of(x: &Tensor) -> Result<Self> {
        let (images, channels, h, w) = x.dims4()?;
        if x.elem_count() == 0 {
            candle_core::bail!("batch norm over {:?}, which is empty", x.dims());
        }
        Ok(Self { images, channels, plane: h * w })
    }

    /// Values of a channel.
    fn count(self) -> usize {
        self.images * self.plane
    }
}

impl<T: Real> BatchNorm<T> {
    /// By the statistics of `x`.
    fn of_batch(
        x: &Tensor,
        extent: Extent,
        [weight, bias]: [&Value; 2],
        eps: f64,
    ) -> Result<(Self, BatchStats)> {
        let moments = with_elements::<T, _, _>([x], |[x]| Ok(Moments::of(x, extent)))?;
        let stats = BatchStats {
            mean: tensor(moments.mean.clone(), extent.channels)?,
            var: tensor(moments.unbiased_var(), extent.channels)?,
        };
        let norm = Self {
            extent,
            scale: moments.scale(eps),
            mean: moments.mean,
            weight: weight.tensor().to_vec1::<T>()?,
            bias: bias.tensor().to_vec1::<T>()?,
            frozen: false,
        };
        Ok((norm, stats))
    }

    /// `inputs` are x, whose elements `x` has, weight, bias and perhaps a residual.
    fn of(self, x: Tensor, inputs: &[&Value], activation: Activation) -> Result<Value> {
        let relu = activation == Activation::Relu;
        let residual = inputs.get(3).map(|r| r.tensor().contiguous()).transpose()?;
        let y = with_elements([&x], |[x]| match &residual {
            None => Ok(self.forward(x, None, relu)),
            Some(r) => with_elements([r], |[r]| Ok(self.forward(x, Some(r), relu))),
        })?;
        let y = tensor(y, x.shape())?;
        // Without a residual the sign of the result follows from x.
        let result = (relu && residual.is_some()).then(|| y.clone());
        let tracked: Vec<bool> = inputs.iter().map(|input| input.is_tracked()).collect();
        Ok(Value::of(y, inputs, move |gy| {
            let relu = relu && result.is_none();
            let gy = match result {
                Some(y) => zip_gradient(gy, &y, pass::<T>)?,
                None => gy,
            };
            // The residual's gradient is that of the sum, which must therefore stay as it is.
            let (gy, g_residual) = match tracked.get(3) {
                Some(true) => (Gradient::Shared(gy.tensor().clone()), Some(gy)),
                _ => (gy, None),
            };
            let (gx, sums) = with_elements([&x], |[x]| {
                if tracked[0] {
                    let (gx, sums) = self.backward(x, gy, relu)?;
                    Ok((Some(Gradient::Own(gx)), sums))
                } else {
                    Ok((None, self.all_sums(x, &gy, relu)?))
                }
            })?;
            let [gw, gb] = self.parameter_gradients(&sums)?.map(|g| Some(Gradient::Own(g)));
            Ok(vec![gx, gw, gb, g_residual])
        }))
    }
}
