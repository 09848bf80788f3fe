//! What networks that only predict need: convolutions with their weights packed beforehand, and with
//! what follows them in the same pass.

use candle_core::{DType, Device, Result, Tensor};

use super::conv::{Input, forward, packed};
use super::depthwise;
use super::gpu::gpu;
use super::map::{ptr, ptr_or_null, shown, stored};
use super::norm::{Columns, apply};
use crate::ConvGeometry;
use crate::geometry::Problem;

/// A convolution with fixed weights and biases.
#[derive(Debug, Clone)]
pub struct FrozenConv {
    weight: Tensor,
    /// `(O, I / groups, kh, kw)`.
    shape: [usize; 4],
    after: FrozenAffine,
    geometry: ConvGeometry,
}

/// `x * scale + offset`, a factor and a term a channel.
#[derive(Debug, Clone)]
pub struct FrozenAffine(Tensor);

impl FrozenConv {
    /// Packs weights of `shape` for activations of `dtype`.
    pub fn new(
        weights: &[f32],
        shape: [usize; 4],
        bias: &[f32],
        geometry: ConvGeometry,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let weight = Tensor::from_slice(weights, &shape, device)?;
        let is_depthwise = shape[1] == 1 && shape[0] == geometry.groups && shape[0] > 1;
        let weight =
            if is_depthwise { depthwise::packed(&weight)? } else { packed(&weight, dtype)? };
        let after = FrozenAffine::new(&vec![1.0; bias.len()], bias, device)?;
        Ok(Self { weight, shape, after, geometry })
    }

    /// Convolves `x` `(N, I, H, W)` with `padding` zeros around it, adds bias and residual, and cuts off
    /// what is negative if `relu`.
    pub fn run(
        &self,
        x: &Tensor,
        padding: [[usize; 2]; 2],
        residual: Option<&Tensor>,
        relu: bool,
    ) -> Result<Tensor> {
        let geometry = ConvGeometry { padding, ..self.geometry };
        let [o, i, kh, kw] = self.shape;
        let problem = Problem::new(x.dims4()?, (o, i, kh, kw), &geometry)?;
        let y = forward(&Input::new(stored(x)?, problem)?, &self.weight)?;
        self.after.in_place(&y, residual, relu)?;
        shown(&y)
    }
}

impl FrozenAffine {
    /// From the factors and terms of all channels.
    pub fn new(scale: &[f32], offset: &[f32], device: &Device) -> Result<Self> {
        let channels = scale.len();
        // As kernels read it: mean and 1 / deviation, which only gradients need, come first.
        let all = [&vec![0.0; 2 * channels][..], scale, offset].concat();
        Ok(Self(Tensor::from_vec(all, (4, channels), device)?))
    }

    /// Of `x` `(N, C, H, W)`; what is negative is cut off if `relu`.
    pub fn run(&self, x: &Tensor, relu: bool) -> Result<Tensor> {
        let x = stored(x)?;
        let y = gpu(&x)?.empty(x.shape(), x.dtype())?;
        self.apply(&x, None, &y, relu)?;
        shown(&y)
    }

    fn in_place(&self, y: &Tensor, residual: Option<&Tensor>, relu: bool) -> Result<()> {
        self.apply(y, residual, y, relu)
    }

    fn apply(&self, x: &Tensor, residual: Option<&Tensor>, y: &Tensor, relu: bool) -> Result<()> {
        let residual = residual.map(stored).transpose()?;
        let channels = x.dim(3)?;
        let columns = Columns::new(x.dtype(), x.elem_count() / channels, channels);
        let addresses = [ptr(x)?, ptr_or_null(residual.as_ref())?, ptr(&self.0)?, ptr(y)?];
        apply(x, addresses, columns, relu)
    }
}
