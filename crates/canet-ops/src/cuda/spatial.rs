//! Pooling and resizing.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use candle_core::{CudaDevice, DType, Device, Result, Tensor};

use super::elementwise::extent;
use super::gpu::{Arg, gpu, int, vector, vectorised};
use super::map::{ptr, shown, stored};
use super::norm::sum_rows;
use crate::average_pool::bins;
use crate::graph::{Gradient, Value};
use crate::grid::Corners;
use crate::resize::axis;
use crate::separable;

/// See [`crate::max_pool2d`]; `steps` are kernel, stride and padding, `output` the size of the result.
pub(crate) fn max_pool(x: &Value, steps: [usize; 3], output: [usize; 2]) -> Result<Value> {
    let map = stored(x.tensor())?;
    let ((n, h, w, c), dtype, gpu) = (map.dims4()?, map.dtype(), gpu(&map)?);
    let [oh, ow] = output;
    let y = gpu.empty((n, oh, ow, c), dtype)?;
    let winners = gpu.empty((n, oh, ow, c), DType::U8)?;
    let v = vector(dtype, c);
    let sizes = [n, h, w, oh, ow, c, steps[0], steps[1], steps[2]].map(int);
    let args = [&[ptr(&map)?, ptr(&y)?, ptr(&winners)?][..], &sizes].concat();
    gpu.each(&vectorised("max_pool", dtype, v)?, y.elem_count() / v, &args)?;
    Ok(Value::of(shown(&y)?, &[x], move |gy| {
        let gy = stored(gy.tensor())?;
        let gpu = super::gpu::gpu(&gy)?;
        let gx = gpu.empty((n, h, w, c), dtype)?;
        let args = [&[ptr(&gy)?, ptr(&winners)?, ptr(&gx)?][..], &sizes].concat();
        gpu.each(&vectorised("max_pool_backward", dtype, v)?, gx.elem_count() / v, &args)?;
        Ok(vec![Some(Gradient::Own(shown(&gx)?))])
    }))
}

/// See [`crate::adaptive_avg_pool2d`].
pub(crate) fn average_pool(x: &Value, out: [usize; 2]) -> Result<Value> {
    let (_, _, h, w) = x.dims4()?;
    if out == [1, 1] {
        return average(x);
    }
    blend(x, [(h, out[0]), (w, out[1])].map(|(n, out)| Axis { n, out, kind: Kind::Bins }))
}

/// See [`crate::resize_bilinear`].
pub(crate) fn resize(x: &Value, out: [usize; 2], corners: Corners) -> Result<Value> {
    let (_, _, h, w) = x.dims4()?;
    if [h, w] == [1, 1] {
        return spread(x, out);
    }
    let kind = match corners {
        Corners::Aligned => Kind::Aligned,
        Corners::HalfPixel => Kind::HalfPixel,
    };
    blend(x, [(h, out[0]), (w, out[1])].map(|(n, out)| Axis { n, out, kind }))
}

/// The mean over all pixels, `(N, C, 1, 1)`.
fn average(x: &Value) -> Result<Value> {
    let map = stored(x.tensor())?;
    let ((n, h, w, c), dtype) = (map.dims4()?, map.dtype());
    let scale = 1.0 / (h * w) as f32;
    let y = sum_rows(&map, n, scale, dtype)?.reshape((n, 1, 1, c))?;
    Ok(Value::adding(shown(&y)?, &[x], move |gy, sum| {
        let gx = spread_over(&stored(gy.tensor())?, [h, w], scale, sum)?;
        Ok(vec![Some(Gradient::Own(shown(&gx)?))])
    }))
}

/// One pixel over a map.
fn spread(x: &Value, out: [usize; 2]) -> Result<Value> {
    let map = stored(x.tensor())?;
    let ((n, _, _, c), dtype) = (map.dims4()?, map.dtype());
    let y = spread_over(&map, out, 1.0, None)?;
    Ok(Value::of(shown(&y)?, &[x], move |gy| {
        let gx = sum_rows(&stored(gy.tensor())?, n, 1.0, dtype)?.reshape((n, 1, 1, c))?;
        Ok(vec![Some(Gradient::Own(shown(&gx)?))])
    }))
}

/// `x` over all pixels, new or, if there is a `sum`, added to it.
fn spread_over(x: &Tensor, [h, w]: [usize; 2], scale: f32, sum: Option<Tensor>) -> Result<Tensor> {
    let ([n, _, c], gpu) = (extent(x), gpu(x)?);
    let onto = int(usize::from(sum.is_some()));
    let y = sum.map_or_else(|| gpu.empty((n, h, w, c), x.dtype()), |sum| stored(&sum))?;
    let v = vector(x.dtype(), c);
    let args = [ptr(x)?, ptr(&y)?, onto, int(n), int(h * w), int(c), Arg::Float(scale)];
    gpu.each(&vectorised("spread", x.dtype(), v)?, y.elem_count() / v, &args)?;
    Ok(y)
}

/// A linear map of an axis, of `n` inputs and `out` outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Axis {
    n: usize,
    out: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// Means of adaptive bins.
    Bins,
    Aligned,
    HalfPixel,
}

impl Axis {
    /// The same map as on the CPU.
    fn bands(self) -> separable::Bands<f32> {
        match self.kind {
            Kind::Bins => bins(self.n, self.out),
            Kind::Aligned => axis(self.n, self.out, Corners::Aligned),
            Kind::HalfPixel => axis(self.n, self.out, Corners::HalfPixel),
        }
    }
}

/// A map of an axis on the GPU: see `Bands` in `kernels/spatial.cuh`.
#[derive(Clone)]
struct Bands {
    start: Tensor,
    at: Tensor,
    weights: Tensor,
}

/// They are small, asked for in every step, and never change.
static BANDS: LazyLock<Mutex<HashMap<Place, Bands>>> = LazyLock::new(Mutex::default);

/// GPU, axis, and whether the map is transposed.
type Place = (usize, Axis, bool);

impl Bands {
    fn of(axis: Axis, transposed: bool, device: &CudaDevice) -> Result<Self> {
        let key = (device.cuda_stream().context().ordinal(), axis, transposed);
        let mut all = BANDS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = all.get(&key) {
            return Ok(found.clone());
        }
        let bands = if transposed { axis.bands().transposed() } else { axis.bands() };
        let (start, at, weights) = bands.tables();
        let device = Device::Cuda(device.clone());
        let made = Self {
            start: Tensor::new(start, &device)?,
            at: Tensor::new(at, &device)?,
            weights: Tensor::new(weights, &device)?,
        };
        all.insert(key, made.clone());
        Ok(made)
    }

    fn args(&self) -> Result<[Arg; 3]> {
        Ok([ptr(&self.start)?, ptr(&self.at)?, ptr(&self.weights)?])
    }
}

/// Maps the rows and columns of each plane.
fn blend(x: &Value, axes: [Axis; 2]) -> Result<Value> {
    let y = blended(&stored(x.tensor())?, axes, false, None)?;
    Ok(Value::adding(shown(&y)?, &[x], move |gy, sum| {
        let gx = blended(&stored(gy.tensor())?, axes, true, sum)?;
        Ok(vec![Some(Gradient::Own(shown(&gx)?))])
    }))
}

/// `x` mapped, new or, if there is a `sum`, added to it.
fn blended(x: &Tensor, axes: [Axis; 2], transposed: bool, sum: Option<Tensor>) -> Result<Tensor> {
    let ((n, h, w, c), gpu) = (x.dims4()?, gpu(x)?);
    let [oh, ow] = axes.map(|axis| if transposed { axis.n } else { axis.out });
    let onto = int(usize::from(sum.is_some()));
    let y = sum.map_or_else(|| gpu.empty((n, oh, ow, c), x.dtype()), |sum| stored(&sum))?;
    // A few outputs of many inputs each keep a GPU busy only if there are many threads.
    let v = Some(vector(x.dtype(), c)).filter(|v| y.elem_count() / v >= 1 << 17).unwrap_or(1);
    let [rows, columns] = axes.map(|axis| Bands::of(axis, transposed, gpu.0));
    let (rows, columns) = (rows?.args()?, columns?.args()?);
    let sizes = [n, h, w, oh, ow, c].map(int);
    let args = [&[ptr(x)?, ptr(&y)?, onto][..], &sizes, &rows, &columns].concat();
    gpu.each(&vectorised("blend", x.dtype(), v)?, y.elem_count() / v, &args)?;
    Ok(y)
}
