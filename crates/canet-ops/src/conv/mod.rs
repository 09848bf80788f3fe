//! 2-D convolution: any stride, dilation, padding and grouping.
//!
//! * [`lowering`]: a convolution as a matrix product whose right-hand matrix is never stored, only
//!   addressed: its element at (tap, pixel) is `source[tap + pixel]` of a zero-padded copy;
//! * [`tile`]: the small matrix product in registers;
//! * [`product`]: forward, and the gradient of the input (a forward product of the output's
//!   gradient, with zeros inserted for the stride, and flipped weights);
//! * [`weight_gradient`]: the product over all pixels;
//! * [`depthwise`]: one filter a channel, where a matrix product would waste the tile.

mod after;
pub(crate) mod depthwise;
pub(crate) mod dot;
mod lowering;
mod panel;
pub(crate) mod product;
pub(crate) mod tile;
mod weight_gradient;
mod window;
pub(crate) mod winograd;

pub(crate) use after::After;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::array::{by_dtype, elements, storage, tensor, with_elements};
use crate::geometry::{ConvGeometry, Problem};
use crate::real::Real;
use crate::{lanes, reference, simd};

/// Convolves `x` `(N, I, H, W)` with `weight` `(O, I / groups, kh, kw)` and adds `bias` `(O)`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use canet_ops::{ConvGeometry, conv2d};
///
/// let x = Tensor::ones((1, 3, 9, 12), DType::F32, &Device::Cpu)?;
/// let weight = Tensor::ones((8, 3, 3, 3), DType::F32, &Device::Cpu)?;
/// let y = conv2d(&x, &weight, None, &ConvGeometry::default().with_padding(1).with_stride(2))?;
/// assert_eq!(y.dims(), [1, 8, 5, 6]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    geometry: &ConvGeometry,
) -> Result<Tensor> {
    let problem = Problem::new(x.dims4()?, weight.dims4()?, geometry)?;
    if let Some(bias) = bias
        && bias.dims() != [problem.outputs]
    {
        candle_core::bail!("a bias of {:?} does not fit {} channels", bias.dims(), problem.outputs);
    }
    if !x.device().is_cpu() {
        return reference::conv2d(x, weight, bias, geometry);
    }
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    match bias {
        None => x.apply_op2(&weight, Conv2d(problem)),
        Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, Conv2d(problem)),
    }
}

struct Conv2d(Problem);

impl Conv2d {
    fn forward<T: Real>(&self, x: &[T], weight: &[T], bias: Option<&[T]>) -> (CpuStorage, Shape) {
        let p = &self.0;
        let y = if p.is_depthwise() {
            depthwise::forward(p, x, weight, bias)
        } else if T::WINOGRAD && self.suits_winograd() {
            winograd::forward(p, x, weight, bias)
        } else {
            product::forward(p, x, weight, bias)
        };
        (storage(y), Shape::from((p.batch, p.outputs, p.output[0], p.output[1])))
    }

    fn suits_winograd(&self) -> bool {
        let p = &self.0;
        let weight = [p.outputs, p.group_inputs(), p.kernel[0], p.kernel[1]];
        winograd::suits(weight, &p.geometry)
    }

    /// Gradients of input and weight, each only if the tensor is part of what is differentiated.
    fn backward(
        &self,
        x: &Tensor,
        weight: &Tensor,
        gy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gy = &gy.contiguous()?;
        by_dtype!(gy.dtype(), T => {
            let gx = x.track_op().then(|| self.input_gradient::<T>(x, weight, gy)).transpose()?;
            let gw = weight.track_op().then(|| self.weight_gradient::<T>(x, weight, gy)).transpose()?;
            Ok((gx, gw))
        })
    }

    fn input_gradient<T: Real>(&self, x: &Tensor, weight: &Tensor, gy: &Tensor) -> Result<Tensor> {
        let values = with_elements::<T, _>(weight, |weight| {
            with_elements::<T, _>(gy, |gy| {
                Ok(if self.0.is_depthwise() {
                    depthwise::input_gradient(&self.0, weight, gy)
                } else if T::WINOGRAD && self.suits_winograd() {
                    winograd::input_gradient(&self.0, weight, gy)
                } else {
                    product::input_gradient(&self.0, weight, gy)
                })
            })
        })?;
        tensor(values, x.shape())
    }

    /// The sum of each channel's gradient over images and pixels.
    fn bias_gradient<T: Real>(&self, gy: &Tensor) -> Result<Tensor> {
        let p = &self.0;
        let pixels = p.output_pixels();
        let values = with_elements::<T, _>(gy, |gy| {
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
            Ok((0..p.outputs).into_par_iter().map(channel).collect::<Vec<T>>())
        })?;
        tensor(values, p.outputs)
    }

    fn weight_gradient<T: Real>(&self, x: &Tensor, weight: &Tensor, gy: &Tensor) -> Result<Tensor> {
        let values = with_elements::<T, _>(x, |x| {
            with_elements::<T, _>(gy, |gy| {
                Ok(if self.0.is_depthwise() {
                    depthwise::weight_gradient(&self.0, x, gy)
                } else {
                    weight_gradient::weight_gradient(&self.0, x, gy)
                })
            })
        })?;
        tensor(values, weight.shape())
    }
}

impl CustomOp2 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(x.dtype(), T => Ok(self.forward::<T>(elements(x, xl)?, elements(w, wl)?, None)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _y: &Tensor,
        gy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        self.backward(x, weight, gy)
    }
}

impl CustomOp3 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d with bias"
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
        by_dtype!(x.dtype(), T => {
            Ok(self.forward::<T>(elements(x, xl)?, elements(w, wl)?, Some(elements(b, bl)?)))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        gy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (gx, gw) = self.backward(x, weight, gy)?;
        let gb = by_dtype!(gy.dtype(), T => {
            bias.track_op().then(|| self.bias_gradient::<T>(&gy.contiguous()?)).transpose()?
        });
        Ok((gx, gw, gb))
    }
}
