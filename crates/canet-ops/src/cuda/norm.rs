//! Sums a channel, and batch normalisation.

use candle_core::{DType, Result, Tensor};

use super::gpu::{Arg, BLOCK, gpu, int, long, typed, vector, vectorised};
use super::map::{parameter, ptr, ptr_or_null, shown, stored};
use crate::graph::{Gradient, Value};
use crate::{Activation, BatchStats};

/// How the rows of `(rows, C)` are shared out: blocks beside each other have channels, those on top of
/// each other rows.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub(super) rows: usize,
    pub(super) channels: usize,
    pub(super) vector: usize,
    /// Groups of channels of a block, a power of two.
    pub(super) width: usize,
    /// Blocks beside each other.
    pub(super) across: usize,
    /// Blocks on top of each other: the shares of a sum.
    pub(super) shares: usize,
}

impl Columns {
    pub(super) fn new(dtype: DType, rows: usize, channels: usize) -> Self {
        let vector = vector(dtype, channels);
        let groups = channels / vector;
        let width = groups.next_power_of_two().min(32);
        let (across, lanes) = (groups.div_ceil(width), BLOCK / width);
        // A thousand blocks at most, which fill a GPU, with 8 rows a thread at least.
        let shares = rows.div_ceil(8 * lanes).clamp(1, (1024 / across).max(1));
        Self { rows, channels, vector, width, across, shares }
    }

    /// The grid of a pass that sums nothing: more blocks, for more loads in flight.
    fn grid(&self) -> [usize; 3] {
        let lanes = BLOCK / self.width;
        let down = self.rows.div_ceil(4 * lanes).clamp(1, (8192 / self.across).max(1));
        [self.across, down, 1]
    }
}

/// Blocks that add up shares.
pub(super) fn adders(channels: usize) -> usize {
    channels.div_ceil(32)
}

/// The sums of `x` `(images, rows, C)` over rows, times `scale`: `(images, C)` of `dtype`.
pub(super) fn sum_rows(x: &Tensor, images: usize, scale: f32, dtype: DType) -> Result<Tensor> {
    let channels = x.dim(x.rank() - 1)?;
    let columns = Columns::new(x.dtype(), x.elem_count() / channels / images, channels);
    let shares = sums("sum_rows", &[x], images, columns)?;
    add_shares(&shares, images, columns, scale, dtype)
}

/// The sums of `a b` `(N, H, W, C)` over pixels: `(N, C)` of the same type.
pub(super) fn sum_products(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (n, h, w, c) = a.dims4()?;
    let columns = Columns::new(a.dtype(), h * w, c);
    let shares = sums("sum_products", &[a, b], n, columns)?;
    add_shares(&shares, n, columns, 1.0, a.dtype())
}

fn sums(name: &str, inputs: &[&Tensor], images: usize, c: Columns) -> Result<Tensor> {
    let gpu = gpu(inputs[0])?;
    let shares = gpu.empty((images, c.shares, c.channels), DType::F32)?;
    let mut args = inputs.iter().map(|t| ptr(t)).collect::<Result<Vec<_>>>()?;
    args.extend([long(c.rows), int(c.channels), int(c.width), ptr(&shares)?]);
    let name = vectorised(name, inputs[0].dtype(), c.vector)?;
    gpu.launch(&name, [c.across, c.shares, images], &args)?;
    Ok(shares)
}

fn add_shares(
    shares: &Tensor,
    images: usize,
    c: Columns,
    scale: f32,
    dtype: DType,
) -> Result<Tensor> {
    let gpu = gpu(shares)?;
    let to = gpu.empty((images, c.channels), dtype)?;
    let args = [
        ptr(shares)?,
        ptr(&to)?,
        int(c.shares),
        int(c.channels),
        Arg::Float(scale),
        long(c.channels),
        long(1),
    ];
    gpu.launch(&typed("add_shares", dtype)?, [adders(c.channels), images, 1], &args)?;
    Ok(to)
}

/// `x` `(N, H, W, C)` plus a number a channel, in place.
pub(super) fn add_bias(x: &Tensor, bias: &Tensor) -> Result<()> {
    let channels = x.dim(x.rank() - 1)?;
    let c = Columns::new(x.dtype(), x.elem_count() / channels, channels);
    let args = [ptr(x)?, ptr(bias)?, long(c.rows), int(c.channels), int(c.width)];
    gpu(x)?.launch(&vectorised("add_bias", x.dtype(), c.vector)?, c.grid(), &args)
}

/// See [`crate::batch_norm_train`]; `inputs` are x, weight, bias and perhaps a residual.
pub(crate) fn batch_norm_train(
    inputs: &[&Value],
    eps: f64,
    activation: Activation,
) -> Result<(Value, BatchStats)> {
    let x = stored(inputs[0].tensor())?;
    let channels = x.dim(3)?;
    let columns = Columns::new(x.dtype(), x.elem_count() / channels, channels);
    let gpu = gpu(&x)?;
    let shares = gpu.empty((columns.shares, 2, channels), DType::F32)?;
    let sizes = [long(columns.rows), int(channels), int(columns.width)];
    let args = [&[ptr(&x)?][..], &sizes, &[ptr(&shares)?]].concat();
    let grid = [columns.across, columns.shares, 1];
    gpu.launch(&vectorised("moments", x.dtype(), columns.vector)?, grid, &args)?;
    let [weight, bias] = [inputs[1], inputs[2]].map(|v| parameter(v.tensor()));
    let affine = gpu.empty((4, channels), DType::F32)?;
    let stats = BatchStats {
        mean: gpu.empty(channels, DType::F32)?,
        var: gpu.empty(channels, DType::F32)?,
    };
    let args = [
        ptr(&x)?,
        ptr(&shares)?,
        int(columns.shares),
        long(columns.rows),
        int(channels),
        Arg::Float(eps as f32),
        ptr(&weight?)?,
        ptr(&bias?)?,
        ptr(&affine)?,
        ptr(&stats.mean)?,
        ptr(&stats.var)?,
    ];
    gpu.launch(&typed("affine_of_batch", x.dtype())?, [adders(channels), 1, 1], &args)?;
    let y = Norm { x, affine, columns, frozen: false }.of(inputs, activation)?;
    Ok((y, stats))
}

/// See [`crate::batch_norm_frozen`].
pub(crate) fn batch_norm_frozen(
    inputs: &[&Value],
    [mean, var]: [&Tensor; 2],
    eps: f64,
    activation: Activation,
) -> Result<Value> {
    let x = stored(inputs[0].tensor())?;
    let channels = x.dim(3)?;
    let columns = Columns::new(x.dtype(), x.elem_count() / channels, channels);
    let gpu = gpu(&x)?;
    let affine = gpu.empty((4, channels), DType::F32)?;
    let [weight, bias] = [inputs[1], inputs[2]].map(|v| parameter(v.tensor()));
    let [mean, var] = [mean, var].map(parameter);
    let (statistics, eps) = ([ptr(&mean?)?, ptr(&var?)?], Arg::Float(eps as f32));
    let of_parameters = [ptr(&weight?)?, ptr(&bias?)?, ptr(&affine)?];
    let args = [&statistics[..], &[int(channels), eps], &of_parameters].concat();
    gpu.each("affine_of_statistics", channels, &args)?;
    Norm { x, affine, columns, frozen: true }.of(inputs, activation)
}

/// `y = factor x + offset + residual` in one pass; the addresses are those of x, the residual or 0, the
/// affine map, and y, which may be x.
pub(super) fn apply(x: &Tensor, addresses: [Arg; 4], c: Columns, relu: bool) -> Result<()> {
    let sizes = [long(c.rows), int(c.channels), int(c.width), int(usize::from(relu))];
    let args = [&addresses[..], &sizes].concat();
    gpu(x)?.launch(&vectorised("normalise", x.dtype(), c.vector)?, c.grid(), &args)
}

/// A normalisation whose affine map is known.
struct Norm {
    x: Tensor,
    /// `(4, C)`: mean, 1 / deviation, factor, offset.
    affine: Tensor,
    columns: Columns,
    frozen: bool,
}

impl Norm {
    fn sizes(&self) -> [Arg; 3] {
        let c = self.columns;
        [long(c.rows), int(c.channels), int(c.width)]
    }

    fn of(self, inputs: &[&Value], activation: Activation) -> Result<Value> {
        let relu = activation == Activation::Relu;
        let residual = inputs.get(3).map(|r| stored(r.tensor())).transpose()?;
        if residual.as_ref().is_some_and(|residual| residual.dtype() != self.x.dtype()) {
            candle_core::bail!("a residual has the type of what it is added to");
        }
        let gpu = gpu(&self.x)?;
        let y = gpu.empty(self.x.shape(), self.x.dtype())?;
        let addresses =
            [ptr(&self.x)?, ptr_or_null(residual.as_ref())?, ptr(&self.affine)?, ptr(&y)?];
        apply(&self.x, addresses, self.columns, relu)?;
        // Without a residual the sign of the result follows from x.
        let result = (relu && residual.is_some()).then(|| y.clone());
        let tracked: Vec<bool> = inputs.iter().map(|input| input.is_tracked()).collect();
        Ok(Value::of(shown(&y)?, inputs, move |gy| {
            self.backward(&gy, result.as_ref(), relu, &tracked)
        }))
    }

    fn backward(
        &self,
        gy: &Gradient,
        result: Option<&Tensor>,
        relu: bool,
        tracked: &[bool],
    ) -> Result<Vec<Option<Gradient>>> {
        let (gy, gpu, c) = (stored(gy.tensor())?, gpu(&self.x)?, self.columns);
        let (dtype, shape) = (self.x.dtype(), self.x.shape());
        let mask = if result.is_some() { 2 } else { usize::from(relu) };
        let new = |wanted: bool| wanted.then(|| gpu.empty(shape, dtype)).transpose();
        // Where it needs its own pass anyway, the gradient that has passed the activation is kept.
        let has_residual = tracked.get(3) == Some(&true);
        let masked = new(has_residual && mask > 0)?;
        let x_and_y = [ptr(&self.x)?, ptr_or_null(result)?];
        let sums = gpu.empty((2, c.channels), DType::F32)?;
        // Frozen, they are only needed for themselves.
        if !self.frozen || tracked[1] || tracked[2] || masked.is_some() {
            let shares = gpu.empty((c.shares, 2, c.channels), DType::F32)?;
            let inputs = [ptr(&gy)?, x_and_y[0], x_and_y[1], ptr_or_null(masked.as_ref())?];
            let last = [int(mask), ptr(&shares)?];
            let args = [&inputs[..], &[ptr(&self.affine)?], &self.sizes(), &last].concat();
            let name = vectorised("gradient_sums", dtype, c.vector)?;
            gpu.launch(&name, [c.across, c.shares, 1], &args)?;
            let args = [ptr(&shares)?, int(c.shares), int(c.channels), ptr(&sums)?];
            gpu.launch("add_gradient_shares", [adders(c.channels), 1, 1], &args)?;
        }
        let (g, mask) = if let Some(masked) = &masked { (masked, 0) } else { (&gy, mask) };
        let gx = new(tracked[0])?;
        if let Some(gx) = &gx {
            let inputs = [ptr(g)?, x_and_y[0], x_and_y[1], ptr(&self.affine)?, ptr(&sums)?];
            let last = [int(mask), int(usize::from(self.frozen))];
            let args = [&inputs[..], &[ptr(gx)?], &self.sizes(), &last].concat();
            gpu.launch(&vectorised("normalise_backward", dtype, c.vector)?, c.grid(), &args)?;
        }
        // Without an activation the residual's gradient is the one that came, which others may have.
        let g_residual = match masked {
            Some(masked) => Some(Gradient::Own(shown(&masked)?)),
            None => has_residual.then(|| shown(&gy).map(Gradient::Shared)).transpose()?,
        };
        let gx = gx.map(|gx| shown(&gx).map(Gradient::Own)).transpose()?;
        let [gb, gw] = [0, 1].map(|row| sums.get(row).map(Gradient::Own));
        Ok(vec![gx, Some(gw?), Some(gb?), g_residual])
    }
}
