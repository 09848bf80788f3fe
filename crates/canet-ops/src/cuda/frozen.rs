//! What networks that only predict need: convolutions with their weights packed beforehand, and with
//! what follows them in the same pass.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use candle_core::{DType, Device, Result, Tensor};

use super::conv::{Input, forward, packed};
use super::cudnn::{self, After, Direction, Key, milliseconds};
use super::depthwise;
use super::gpu::gpu;
use super::map::{address, converted, ptr, ptr_or_null, shown, stored};
use super::norm::{Columns, apply};
use crate::ConvGeometry;
use crate::geometry::Problem;

/// Whether a convolution is faster with what follows in the same pass.
static FUSED: LazyLock<Mutex<HashMap<Fused, bool>>> = LazyLock::new(Mutex::default);

/// GPU, shape, and whether there is a residual.
type Fused = (usize, Key, bool);

/// A convolution with fixed weights and biases.
#[derive(Debug, Clone)]
pub struct FrozenConv {
    weight: Tensor,
    /// `(O, I / groups, kh, kw)`.
    shape: [usize; 4],
    after: FrozenAffine,
    /// Of the type of the activations.
    bias: Tensor,
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
        let bias = converted(&Tensor::from_slice(bias, bias.len(), device)?, dtype)?;
        Ok(Self { weight, shape, after, bias, geometry })
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
        let x = Input::new(stored(x)?, problem)?;
        let residual = residual.map(stored).transpose()?;
        if x.problem.is_depthwise() {
            return shown(&self.in_two(&x, residual.as_ref(), relu)?);
        }
        let key = Key { relu, ..Key::new(Direction::Forward, &x.problem, x.map.dtype()) };
        let place = (gpu(&x.map)?.0.cuda_stream().context().ordinal(), key, residual.is_some());
        let known = FUSED.lock().unwrap_or_else(PoisonError::into_inner).get(&place).copied();
        let is_fused = if key.deterministic {
            // What is measured may come out otherwise in the next run.
            false
        } else if let Some(known) = known {
            known
        } else {
            let gpu = gpu(&x.map)?;
            let fused = milliseconds(gpu, || self.in_one(&x, &key, residual.as_ref()).map(drop));
            let two = milliseconds(gpu, || self.in_two(&x, residual.as_ref(), relu).map(drop))?;
            let found = fused.is_ok_and(|fused| fused < two);
            FUSED.lock().unwrap_or_else(PoisonError::into_inner).insert(place, found);
            found
        };
        let y = if is_fused {
            self.in_one(&x, &key, residual.as_ref())?
        } else {
            self.in_two(&x, residual.as_ref(), relu)?
        };
        shown(&y)
    }

    /// Convolution, bias, residual and ReLU in one pass, if cuDNN can.
    fn in_one(&self, x: &Input, key: &Key, residual: Option<&Tensor>) -> Result<Tensor> {
        let p = &x.problem;
        let shape = (p.batch, p.output[0], p.output[1], p.outputs);
        let y = gpu(&x.map)?.empty(shape, x.map.dtype())?;
        let operands = [address(&x.map)?, address(&self.weight)?, address(&y)?];
        let residual = residual.map_or(Ok(0), address)?;
        let after = After { bias: address(&self.bias)?, residual };
        cudnn::run_with(gpu(&x.map)?, key, operands, after)?;
        Ok(y)
    }

    /// The convolution, and the rest in a pass of its own.
    fn in_two(&self, x: &Input, residual: Option<&Tensor>, relu: bool) -> Result<Tensor> {
        let y = forward(x, &self.weight)?;
        self.after.apply(&y, residual, &y, relu)?;
        Ok(y)
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

    fn apply(&self, x: &Tensor, residual: Option<&Tensor>, y: &Tensor, relu: bool) -> Result<()> {
        let channels = x.dim(3)?;
        let columns = Columns::new(x.dtype(), x.elem_count() / channels, channels);
        let addresses = [ptr(x)?, ptr_or_null(residual)?, ptr(&self.0)?, ptr(y)?];
        apply(x, addresses, columns, relu)
    }
}
