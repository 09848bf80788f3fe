//! The first convolution of a network in training, with its batch norm, ReLU and 2x2 max-pooling: the map between,
//! which is the largest of the network, is never there.
//!
//! A convolution of a picture has few taps (27 for 3x3 of three colours) and many pixels, so it is cheaper to compute
//! it anew than to read its map again:
//!
//! * the batch's statistics follow from the mean and the covariance of the patches that the taps see
//!   ([`patches`]), since the convolution is linear in them;
//! * the pass forward ([`forward`]) has the four pixels of a window in registers at once, and keeps the largest and
//!   which of them it was;
//! * the pass backward sums the patches of the winners ([`gradient`]). What the statistics' dependence on the weights
//!   adds to that is a product with the same covariance.
//!
//! All three work on the windows of the pooling ([`windows`]).

mod forward;
mod gradient;
mod patches;
mod sums;
mod windows;

use candle_core::Result;

use super::conv2d;
use crate::array::{by_dtype, tensor, with_elements};
use crate::fallback::on_cpu;
use crate::geometry::{ConvGeometry, Problem};
use crate::graph::{Gradient, Value};
use crate::norm::{BatchNorm, BatchStats, Extent, Sums, batch_norm_train, inverse_deviation};
use crate::real::Real;
use crate::simd::by_vector;
use crate::{Activation, max_pool2d, with_zero_gradient};
use forward::largest;
use gradient::sum as sum_of_winners;
use patches::{Patches, sum as sum_of_patches};
use sums::Sums as SumsOfWindows;
use windows::Windows;

/// The winner of a window that the ReLU has cut off.
const NONE: u8 = 4;

/// Convolves `x` `(N, I, H, W)` with weight `(O, I, kh, kw)` and bias `(O)`, normalises by the statistics of the batch as
/// [`batch_norm_train`] does, with weight and bias `(O)`, applies the ReLU and takes the largest of each 2x2 pixels:
/// `(N, O, h / 2, w / 2)`, rounded down.
///
/// The gradient of the convolution's bias is 0: it makes no difference but to the mean, which comes off again.
pub fn conv_norm_pool(
    x: &Value,
    conv: [&Value; 2],
    norm: [&Value; 2],
    eps: f64,
    geometry: &ConvGeometry,
) -> Result<(Value, BatchStats)> {
    let [weight, bias] = conv;
    let problem = Problem::new(x.dims4()?, weight.dims4()?, geometry)?;
    let inputs = [x, weight, bias, norm[0], norm[1]];
    if x.is_tracked() || !on_cpu(&inputs) || !Windows::suit(&problem) {
        let constant = Value::from(bias.tensor().clone());
        let y = conv2d(x, weight, Some(&constant), geometry)?;
        let (y, stats) = batch_norm_train(&y, norm[0], norm[1], eps, None, Activation::Relu)?;
        return Ok((with_zero_gradient(&max_pool2d(&y, 2, 2, 0)?, bias), stats));
    }
    for t in [bias, norm[0], norm[1]] {
        if t.tensor().dims() != [problem.outputs] {
            let dims = t.tensor().dims();
            candle_core::bail!("{dims:?} does not fit {} channels", problem.outputs);
        }
    }
    by_dtype!(x.tensor().dtype(), T => of::<T>(&problem, inputs, eps))
}

/// `inputs` are those of [`conv_norm_pool`].
fn of<T: Real>(p: &Problem, inputs: [&Value; 5], eps: f64) -> Result<(Value, BatchStats)> {
    let [x, weight, bias, norm_weight, norm_bias] = inputs;
    let windows = Windows::new(p)?;
    let values = x.tensor().contiguous()?;
    let patches =
        with_elements::<T, _, _>([&values], |[x]| Ok(by_vector!(T, sum_of_patches(&windows, x))))?;
    let filters = weight.tensor().flatten_all()?.to_vec1::<T>()?;
    let (mean, var) = patches.moments(&filters);
    let count = patches.count();
    let unbiased = var.iter().map(|v| T::of_f64(v * count / (count - 1.0))).collect();
    let norm = BatchNorm {
        extent: Extent { images: p.batch, channels: p.outputs, plane: p.output_pixels() },
        mean: mean.into_iter().map(T::of_f64).collect(),
        scale: var.into_iter().map(|var| inverse_deviation(var, eps)).collect(),
        weight: norm_weight.tensor().to_vec1::<T>()?,
        bias: norm_bias.tensor().to_vec1::<T>()?,
        frozen: false,
    };
    let bias = bias.tensor().to_vec1::<T>()?;
    let with_bias = norm.mean.iter().zip(&bias).map(|(&mean, &bias)| mean + bias);
    let stats = BatchStats {
        mean: tensor(with_bias.collect::<Vec<T>>(), p.outputs)?,
        var: tensor::<T>(unbiased, p.outputs)?,
    };
    let (y, winners) =
        with_elements([&values], |[x]| Ok(by_vector!(T, largest(&windows, &filters, &norm, x))))?;
    let [h, w] = windows.output();
    let y = tensor(y, (p.batch, p.outputs, h, w))?;
    let shape = weight.tensor().shape().clone();
    let y = Value::of(y, &inputs, move |gy| {
        let of_winners = with_elements([&values, gy.tensor()], |[x, gy]| {
            Ok(by_vector!(T, sum_of_winners(&windows, x, gy, &winners)))
        })?;
        let (gw, sums) = pull_back(&norm, &patches, &filters, &of_winners);
        let [g_weight, g_bias] = norm.parameter_gradients(&sums)?;
        let of_bias = tensor(vec![T::ZERO; bias.len()], bias.len())?;
        let gradients = [tensor::<T>(gw, shape)?, of_bias, g_weight, g_bias];
        Ok([None].into_iter().chain(gradients.map(|g| Some(Gradient::Own(g)))).collect())
    });
    Ok((y, stats))
}

/// The gradient of the filters, and the sums from which those of the batch norm's parameters follow.
///
/// Let `g` be the gradient before the ReLU, which only winners have, `v` the convolution and `u` a patch, so that `v = w u`.
/// The gradient of `v` is `f (g - sum(g) / m - (v - mean) s^2 sum(g (v - mean)) / m)` for a factor `f` and `m` pixels (see
/// `BatchNorm::slope`), that of `w` its sum times `u`. Of the three terms, the first is summed over the winners, the second
/// has the sum of the patches, and the third `sum((v - mean) u)`, which is the patches' covariance times `w`.
fn pull_back<T: Real>(
    norm: &BatchNorm<T>,
    patches: &Patches,
    filters: &[T],
    of_winners: &SumsOfWindows,
) -> (Vec<T>, Vec<Sums>) {
    let taps = patches.taps();
    let mut gw = Vec::with_capacity(filters.len());
    let mut sums = Vec::with_capacity(norm.mean.len());
    let channels = of_winners.rows.iter().zip(of_winners.products.chunks_exact(taps));
    for (channel, (filter, (&g, products))) in filters.chunks_exact(taps).zip(channels).enumerate()
    {
        let (mean, scale) = (norm.mean[channel].as_f64(), norm.scale[channel].as_f64());
        let of_convolution = filter.iter().zip(products).map(|(w, g)| w.as_f64() * g);
        let of_deviations = of_convolution.sum::<f64>() - mean * g;
        let factor = norm.line(channel).factor.as_f64();
        let slope = scale * scale * of_deviations;
        gw.extend((0..taps).map(|tap| {
            let of_statistics = g * patches.mean(tap) + slope * patches.covariances(tap, filter);
            T::of_f64(factor * (products[tap] - of_statistics))
        }));
        sums.push([g, of_deviations]);
    }
    (gw, sums)
}
