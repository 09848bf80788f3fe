//! 2-D convolution: any stride, dilation, padding and grouping.
//!
//! * [`lowering`]: a convolution as a matrix product whose right-hand matrix is never stored, only
//!   addressed: its element at (tap, pixel) is `source[tap + pixel]` of a zero-padded copy;
//! * [`tile`]: the small matrix product in registers;
//! * [`product`]: forward, and the gradient of the input (a forward product of the output's
//!   gradient, with zeros inserted for the stride, and flipped weights);
//! * [`in_place`]: forward to few channels, without packing, and with a max-pooling after it;
//! * [`turned`]: rows laid out as columns, where a sum runs along the rows;
//! * [`weight_gradient`]: the product over all pixels;
//! * [`split`]: the products of [`product`] on a processor's matrix unit, where there is one;
//! * [`winograd`]: 3x3 of stride 1, in a quarter of the products;
//! * [`stem`]: the first one of a network with what follows it in training;
//! * [`depthwise`]: one filter a channel, where a matrix product would waste the tile.

mod after;
pub(crate) mod depthwise;
pub(crate) mod in_place;
mod lowering;
mod panel;
pub(crate) mod product;
pub(crate) mod split;
mod stem;
pub(crate) mod tile;
mod turned;
mod weight_gradient;
mod window;
pub(crate) mod winograd;

pub(crate) use after::After;
pub use stem::conv_norm_pool;

use candle_core::{Result, Tensor};

use crate::array::{by_dtype, tensor, with_elements};
use crate::fallback::by_reference;
#[cfg(feature = "cuda")]
use crate::fallback::on_cuda;
use crate::geometry::{ConvGeometry, Problem};
use crate::graph::{Gradient, Value};
use crate::real::Real;
use crate::tasks::map_tasks;
use crate::{lanes, reference, simd};

/// Convolves `x` `(N, I, H, W)` with `weight` `(O, I / groups, kh, kw)` and adds `bias` `(O)`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use canet_ops::{ConvGeometry, Value, conv2d};
///
/// let x = Value::from(Tensor::ones((1, 3, 9, 12), DType::F32, &Device::Cpu)?);
/// let weight = Value::from(Tensor::ones((8, 3, 3, 3), DType::F32, &Device::Cpu)?);
/// let y = conv2d(&x, &weight, None, &ConvGeometry::default().with_padding(1).with_stride(2))?;
/// assert_eq!(y.tensor().dims(), [1, 8, 5, 6]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn conv2d(
    x: &Value,
    weight: &Value,
    bias: Option<&Value>,
    geometry: &ConvGeometry,
) -> Result<Value> {
    let problem = Problem::new(x.dims4()?, weight.dims4()?, geometry)?;
    if let Some(bias) = bias.map(|bias| bias.tensor().dims())
        && bias != [problem.outputs]
    {
        candle_core::bail!("a bias of {bias:?} does not fit {} channels", problem.outputs);
    }
    let inputs: Vec<&Value> = [x, weight].into_iter().chain(bias).collect();
    #[cfg(feature = "cuda")]
    if on_cuda(&inputs) {
        return crate::cuda::conv2d(problem, &inputs);
    }
    if !x.tensor().device().is_cpu() {
        let geometry = *geometry;
        return by_reference(&inputs, |t| reference::conv2d(&t[0], &t[1], t.get(2), &geometry));
    }
    by_dtype!(x.tensor().dtype(), T => Conv2d(problem).of::<T>(&inputs))
}

#[derive(Clone, Copy)]
struct Conv2d(Problem);

impl Conv2d {
    /// `inputs` are x, weight and, if there is one, the bias.
    fn of<T: Real>(self, inputs: &[&Value]) -> Result<Value> {
        let tensors = inputs.iter().map(|v| v.tensor().contiguous()).collect::<Result<Vec<_>>>()?;
        let (x, weight, bias) = (&tensors[0], &tensors[1], tensors.get(2));
        let y = with_elements::<T, _, _>([x, weight], |[x, weight]| match bias {
            None => self.forward(x, weight, None),
            Some(bias) => with_elements([bias], |[bias]| self.forward(x, weight, Some(bias))),
        })?;
        // The gradient of the input needs the weight, that of the weight the input.
        let tracked: Vec<bool> = inputs.iter().map(|v| v.is_tracked()).collect();
        let (x_shape, weight_shape) = (x.shape().clone(), weight.shape().clone());
        let kept_weight = tracked[0].then(|| weight.clone());
        let kept_x = tracked[1].then(|| x.clone());
        let bias_tracked = tracked.get(2) == Some(&true);
        Ok(Value::of(y, inputs, move |gy| {
            with_elements::<T, _, _>([gy.tensor()], |[gy]| {
                let gx = kept_weight.map(|weight| {
                    with_elements([&weight], |[w]| tensor(self.input_gradient(w, gy), x_shape))
                });
                let gw = kept_x.map(|x| {
                    with_elements([&x], |[x]| tensor(self.weight_gradient(x, gy), weight_shape))
                });
                let gb = bias_tracked.then(|| tensor(self.bias_gradient(gy), self.0.outputs));
                let own = |t: Option<Result<Tensor>>| t.map(|t| t.map(Gradient::Own)).transpose();
                Ok(vec![own(gx)?, own(gw)?, own(gb)?])
            })
        }))
    }

    fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> Result<Tensor> {
        let p = &self.0;
        let y = if p.is_depthwise() {
            depthwise::forward(p, x, weight, bias)
        } else if let Some(y) = split::forward(p, x, weight, bias) {
            y
        } else if self.suits_winograd::<T>() {
            winograd::forward(p, x, weight, bias)
        } else {
            product::forward(p, x, weight, bias)
        };
        tensor(y, (p.batch, p.outputs, p.output[0], p.output[1]))
    }

    fn suits_winograd<T: Real>(&self) -> bool {
        let p = &self.0;
        let weight = [p.outputs, p.group_inputs(), p.kernel[0], p.kernel[1]];
        T::WINOGRAD && winograd::suits(weight, &p.geometry)
    }

    fn input_gradient<T: Real>(&self, weight: &[T], gy: &[T]) -> Vec<T> {
        if self.0.is_depthwise() {
            depthwise::input_gradient(&self.0, weight, gy)
        } else if let Some(gx) = split::input_gradient(&self.0, weight, gy) {
            gx
        } else if self.suits_winograd::<T>() {
            winograd::input_gradient(&self.0, weight, gy)
        } else {
            product::input_gradient(&self.0, weight, gy)
        }
    }

    fn weight_gradient<T: Real>(&self, x: &[T], gy: &[T]) -> Vec<T> {
        if self.0.is_depthwise() {
            depthwise::weight_gradient(&self.0, x, gy)
        } else if let Some(gw) = split::weight_gradient(&self.0, x, gy) {
            gw
        } else if self.suits_winograd::<T>() {
            winograd::weight_gradient(&self.0, x, gy)
        } else {
            weight_gradient::weight_gradient(&self.0, x, gy)
        }
    }

    /// The sum of each channel's gradient over images and pixels.
    fn bias_gradient<T: Real>(&self, gy: &[T]) -> Vec<T> {
        let p = &self.0;
        let pixels = p.output_pixels();
        let channel = |c: usize| {
            let planes = (0..p.batch).map(|image| (image * p.outputs + c) * pixels);
            // Blocks are added in f64: a channel may have millions of pixels.
            let blocks = planes.flat_map(|at| gy[at..at + pixels].chunks(4096));
            let sums = blocks.map(|block| {
                simd::vectorised(
                    #[inline(always)]
                    || lanes::sum(block, |v| v),
                )
                .as_f64()
            });
            T::of_f64(sums.sum())
        };
        map_tasks(p.outputs, 1, channel)
    }
}
