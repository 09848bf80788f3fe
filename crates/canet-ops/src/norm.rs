//! Batch normalisation, training and frozen, with the ReLU that follows in the same pass.
//!
//! Ioffe and Szegedy, arXiv 1502.03167. Statistics are over batch and pixels, a channel each.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::array::{by_dtype, elements, storage, tensor, with_elements};
use crate::lanes::{LANES, sum};
use crate::real::Real;
use crate::{Activation, reference, simd};

/// Statistics of a training batch, `(C)` each, detached.
#[derive(Debug, Clone)]
pub struct BatchStats {
    /// Mean of each channel.
    pub mean: Tensor,
    /// Unbiased variance (divided by count - 1), as running statistics take it; with one value a
    /// channel the biased one, 0, instead of NaN.
    pub var: Tensor,
}

/// Normalises `x` `(N, C, H, W)` by the statistics of the batch:
/// `y = activation((x - mean) / sqrt(var + eps) * weight + bias)`.
///
/// Over a single value a channel (batch 1 on a 1x1 map) the result is `activation(bias)`, and the
/// gradient of `x` is nothing but rounding: finite, but without information, so networks avoid it.
pub fn batch_norm_train(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
    activation: Activation,
) -> Result<(Tensor, BatchStats)> {
    check(x, &[weight, bias])?;
    if !x.device().is_cpu() {
        return reference::batch_norm_train(x, weight, bias, eps, activation);
    }
    let x = x.contiguous()?;
    by_dtype!(x.dtype(), T => {
        let moments = with_elements::<T, _>(&x, |values| Ok(Moments::of(values, x.dims4()?)))?;
        let stats = BatchStats {
            mean: tensor(moments.mean.clone(), moments.mean.len())?,
            var: tensor(moments.unbiased_var(), moments.mean.len())?,
        };
        let op = BatchNorm { scale: moments.scale(eps), mean: moments.mean, activation, frozen: false };
        let y = x.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)?;
        Ok((y, stats))
    })
}

/// Normalises `x` `(N, C, H, W)` by given statistics, `(C)` each, which get no gradient.
pub fn batch_norm_frozen(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    mean: &Tensor,
    var: &Tensor,
    eps: f64,
    activation: Activation,
) -> Result<Tensor> {
    check(x, &[weight, bias, mean, var])?;
    if !x.device().is_cpu() {
        return reference::batch_norm_frozen(x, weight, bias, mean, var, eps, activation);
    }
    let x = x.contiguous()?;
    by_dtype!(x.dtype(), T => {
        let scale = var.to_vec1::<T>()?.into_iter().map(|v| inverse_deviation(v.as_f64(), eps));
        let op = BatchNorm { scale: scale.collect(), mean: mean.to_vec1::<T>()?, activation, frozen: true };
        x.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)
    })
}

fn check(x: &Tensor, of_channels: &[&Tensor]) -> Result<()> {
    let channels = x.dims4()?.1;
    for t in of_channels {
        if t.dims() != [channels] {
            candle_core::bail!("batch norm over {channels} channels was given {:?}", t.dims());
        }
    }
    Ok(())
}

fn inverse_deviation<T: Real>(var: f64, eps: f64) -> T {
    T::of_f64(1.0 / (var + eps).sqrt())
}

/// Mean and squared deviations of each channel.
struct Moments<T> {
    mean: Vec<T>,
    squares: Vec<f64>,
    count: usize,
}

impl<T: Real> Moments<T> {
    fn of(x: &[T], (n, c, h, w): (usize, usize, usize, usize)) -> Self {
        let plane = h * w;
        let (mean, squares) = (0..c)
            .into_par_iter()
            .map(|channel| {
                let planes = (0..n).map(|image| &x[(image * c + channel) * plane..][..plane]);
                simd::vectorised(
                    #[inline(always)]
                    || moments(planes),
                )
            })
            .map(|(mean, squares)| (T::of_f64(mean), squares))
            .unzip();
        Self { mean, squares, count: n * plane }
    }

    fn scale(&self, eps: f64) -> Vec<T> {
        self.squares.iter().map(|s| inverse_deviation(s / self.count as f64, eps)).collect()
    }

    fn unbiased_var(&self) -> Vec<T> {
        let free = self.count.saturating_sub(1).max(1) as f64;
        self.squares.iter().map(|s| T::of_f64(s / free)).collect()
    }
}

/// Mean and sum of squared deviations, block by block (Chan's update): one trip to memory, and no
/// cancellation however far the mean is from 0.
#[inline(always)]
fn moments<'a, T: Real>(planes: impl Iterator<Item = &'a [T]>) -> (f64, f64) {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for block in planes.flat_map(|plane| plane.chunks(4096)) {
        let len = block.len() as f64;
        let block_mean = sum(block, |v| v).as_f64() / len;
        let centre = T::of_f64(block_mean);
        let block_squares = sum(block, |v| (v - centre) * (v - centre)).as_f64();
        // `centre` is rounded; the mean's share of that is put right.
        let off = centre.as_f64() - block_mean;
        let (delta, total) = (block_mean - mean, count + len);
        mean += delta * len / total;
        squares += block_squares - off * off * len + delta * delta * count * len / total;
        count = total;
    }
    (mean, squares.max(0.0))
}

struct BatchNorm<T> {
    mean: Vec<T>,
    /// `1 / sqrt(var + eps)`.
    scale: Vec<T>,
    activation: Activation,
    frozen: bool,
}

impl<T: Real> BatchNorm<T> {
    fn forward(&self, x: &[T], weight: &[T], bias: &[T], plane: usize) -> Vec<T> {
        let channels = self.mean.len();
        let mut y = vec![T::ZERO; x.len()];
        y.par_chunks_mut(plane).zip(x.par_chunks(plane)).enumerate().for_each(|(i, (y, x))| {
            let c = i % channels;
            let factor = self.scale[c] * weight[c];
            // The mean comes off first: folded into the bias it would cancel badly where it is large.
            let normalise = |v: T| (v - self.mean[c]).fma(factor, bias[c]);
            simd::vectorised(
                #[inline(always)]
                || match self.activation {
                    Activation::None => apply(y, x, normalise),
                    Activation::Relu => apply(y, x, |v| normalise(v).larger(T::ZERO)),
                },
            );
        });
        y
    }

    /// Gradients of x, weight and bias. With `g` the gradient before the activation, `m` values a
    /// channel and `xhat` the normalised input:
    /// `gb = sum g`, `gw = sum g xhat`, `gx = weight scale (g - gb / m - xhat gw / m)`;
    /// frozen statistics do not depend on x, so there the last two terms are absent.
    fn backward(&self, x: &[T], weight: &[T], y: &[T], gy: &[T], plane: usize) -> [Vec<T>; 3] {
        let channels = self.mean.len();
        let images = x.len() / (channels * plane);
        let relu = self.activation == Activation::Relu;
        let sums: Vec<[f64; 2]> = (0..channels)
            .into_par_iter()
            .map(|c| {
                let mut sums = [0.0; 2];
                for image in 0..images {
                    let at = (image * channels + c) * plane..(image * channels + c + 1) * plane;
                    let blocks = x[at.clone()].chunks(4096).zip(y[at.clone()].chunks(4096));
                    for ((x, y), gy) in blocks.zip(gy[at].chunks(4096)) {
                        let part = simd::vectorised(
                            #[inline(always)]
                            || gradient_sums(x, y, gy, self.mean[c], relu),
                        );
                        sums[0] += part[0];
                        sums[1] += part[1];
                    }
                }
                [sums[0], sums[1] * self.scale[c].as_f64()]
            })
            .collect();
        let count = (images * plane) as f64;
        let mut gx = vec![T::ZERO; x.len()];
        gx.par_chunks_mut(plane).enumerate().for_each(|(i, gx)| {
            let c = i % channels;
            let (x, y, gy) = (&x[i * plane..], &y[i * plane..], &gy[i * plane..]);
            let factor = weight[c] * self.scale[c];
            let share = if self.frozen { 0.0 } else { factor.as_f64() / count };
            let slope = T::of_f64(-share * sums[c][1] * self.scale[c].as_f64());
            let offset = T::of_f64(-share * sums[c][0]);
            simd::vectorised(
                #[inline(always)]
                || {
                    for (((gx, &x), &y), &g) in gx.iter_mut().zip(x).zip(y).zip(gy) {
                        let g = if relu && y <= T::ZERO { T::ZERO } else { g };
                        *gx = g.fma(factor, (x - self.mean[c]).fma(slope, offset));
                    }
                },
            );
        });
        let gw = sums.iter().map(|s| T::of_f64(s[1])).collect();
        let gb = sums.iter().map(|s| T::of_f64(s[0])).collect();
        [gx, gw, gb]
    }
}

#[inline(always)]
fn apply<T: Real>(y: &mut [T], x: &[T], f: impl Fn(T) -> T) {
    y.iter_mut().zip(x).for_each(|(y, &x)| *y = f(x));
}

/// `[sum g, sum g (x - mean)]` of a block, in lanes.
#[inline(always)]
fn gradient_sums<T: Real>(x: &[T], y: &[T], gy: &[T], mean: T, relu: bool) -> [f64; 2] {
    let gated = |y: T, g: T| if relu && y <= T::ZERO { T::ZERO } else { g };
    let mut lanes = [[T::ZERO; LANES]; 2];
    let (x, x_rest) = x.as_chunks::<LANES>();
    let (y, y_rest) = y.as_chunks::<LANES>();
    let (gy, gy_rest) = gy.as_chunks::<LANES>();
    for ((x, y), gy) in x.iter().zip(y).zip(gy) {
        for i in 0..LANES {
            let g = gated(y[i], gy[i]);
            lanes[0][i] += g;
            lanes[1][i] = g.fma(x[i] - mean, lanes[1][i]);
        }
    }
    for ((&x, &y), &g) in x_rest.iter().zip(y_rest).zip(gy_rest) {
        let g = gated(y, g);
        lanes[0][0] += g;
        lanes[1][0] = g.fma(x - mean, lanes[1][0]);
    }
    lanes.map(|lane| lane.into_iter().map(Real::as_f64).sum())
}

impl<T: Real> CustomOp3 for BatchNorm<T> {
    fn name(&self) -> &'static str {
        "batch norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, _, h, width) = xl.shape().dims4()?;
        let y =
            self.forward(elements(x, xl)?, elements::<T>(w, wl)?, elements::<T>(b, bl)?, h * width);
        Ok((storage(y), xl.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        y: &Tensor,
        gy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (_, channels, h, w) = x.dims4()?;
        let [gx, gw, gb] = with_elements::<T, _>(x, |x| {
            with_elements::<T, _>(weight, |weight| {
                with_elements::<T, _>(y, |y| {
                    with_elements::<T, _>(&gy.contiguous()?, |gy| {
                        Ok(self.backward(x, weight, y, gy, h * w))
                    })
                })
            })
        })?;
        let gx = x.track_op().then(|| tensor(gx, x.shape())).transpose()?;
        Ok((gx, Some(tensor(gw, channels)?), Some(tensor(gb, channels)?)))
    }
}
