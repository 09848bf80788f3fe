//! The layers that both networks are made of: convolution, batch norm, and the two in a row.

use candle_core::{DType, Result, Var};
use canet_ops::{Activation, BatchStats, ConvGeometry, Value};

use crate::Pass;
use crate::init::Init;
use crate::lowered::{Affine, Folding, GraphBuilder, Padding, ValueId};
use crate::params::Scope;
use crate::pass::SampleDrop;

/// A convolution without bias: a batch norm follows every one of them but the classifiers.
/// The padding keeps the size, but for the stride.
#[derive(Debug, Clone)]
pub(crate) struct Conv {
    weight: Var,
    geometry: ConvGeometry,
}

/// The settings of a [`Conv`]: a square kernel, and what is not usual about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConvSpec {
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    groups: usize,
    init: Init,
}

impl ConvSpec {
    pub(crate) fn new(inputs: usize, outputs: usize, kernel: usize) -> Self {
        Self { inputs, outputs, kernel, stride: 1, dilation: 1, groups: 1, init: Init::HeFanIn }
    }

    /// 3x3, each channel on its own.
    pub(crate) fn depthwise(channels: usize) -> Self {
        Self { groups: channels, ..Self::new(channels, channels, 3) }
    }

    pub(crate) fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    pub(crate) fn dilation(self, dilation: usize) -> Self {
        Self { dilation, ..self }
    }

    pub(crate) fn init(self, init: Init) -> Self {
        Self { init, ..self }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }
}

impl Conv {
    pub(crate) fn new(scope: &mut Scope, spec: ConvSpec) -> Result<Self> {
        let shape = [spec.outputs, spec.inputs / spec.groups, spec.kernel, spec.kernel];
        let geometry = ConvGeometry::default()
            .with_stride(spec.stride)
            .with_dilation(spec.dilation)
            .with_padding(spec.dilation * (spec.kernel / 2))
            .with_groups(spec.groups);
        Ok(Self { weight: scope.weight(&shape, spec.init)?, geometry })
    }

    /// `(N, I, H, W)` to `(N, O, H / stride, W / stride)`, rounded up.
    pub(crate) fn forward(&self, x: &Value, pass: Pass) -> Result<Value> {
        canet_ops::conv2d(x, &pass.value(&self.weight), None, &self.geometry)
    }
}

/// Batch norm over `(N, H, W)` of each channel, with running statistics for [`Pass::Eval`].
#[derive(Debug, Clone)]
pub(crate) struct BatchNorm {
    weight: Var,
    bias: Var,
    running_mean: Var,
    running_var: Var,
    /// Whether a training pass takes it as it is, too.
    frozen: bool,
    spec: NormSpec,
}

/// The settings of a [`BatchNorm`], the same throughout a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NormSpec {
    /// Added to the variance.
    pub(crate) eps: f64,
    /// The share of a new batch in the running statistics (PyTorch's convention; Keras
    /// and the authors' code name the share of the old).
    pub(crate) momentum: f64,
}

impl BatchNorm {
    pub(crate) fn new(scope: &mut Scope, channels: usize, spec: NormSpec) -> Result<Self> {
        let frozen = scope.freezes_norms();
        let mut vector = |name, value| {
            if frozen {
                scope.frozen(name, channels, value)
            } else {
                scope.vector(name, channels, value)
            }
        };
        Ok(Self {
            weight: vector("weight", 1.0)?,
            bias: vector("bias", 0.0)?,
            running_mean: scope.statistic("running_mean", channels, 0.0)?,
            running_var: scope.statistic("running_var", channels, 1.0)?,
            frozen,
            spec,
        })
    }

    /// Normalises `(N, C, H, W)`, adds `residual` of the same shape, and applies `activation`; a
    /// training pass also moves the running statistics, if they are not frozen and it is not a second run.
    ///
    /// A training pass with a single value a channel (batch 1 behind a global pooling) falls back
    /// to the running statistics and leaves them alone: the one value less its own mean would
    /// always be 0, whatever the picture shows, and its variance is undefined.
    pub(crate) fn forward(
        &self,
        x: &Value,
        pass: Pass,
        residual: Option<&Value>,
        activation: Activation,
    ) -> Result<Value> {
        let (weight, bias) = self.parameters(pass);
        let eps = self.spec.eps;
        if !self.takes_batch(x.dims4()?, pass) {
            let mean = self.running_mean.as_detached_tensor();
            let var = self.running_var.as_detached_tensor();
            return canet_ops::batch_norm_frozen(
                x, &weight, &bias, &mean, &var, eps, residual, activation,
            );
        }
        let (y, batch) = canet_ops::batch_norm_train(x, &weight, &bias, eps, residual, activation)?;
        self.move_statistics(&batch, pass)?;
        Ok(y)
    }

    /// `x` convolved, normalised by the statistics of the batch (see [`BatchNorm::takes_batch`]), with a ReLU, and of it
    /// the largest of each 2x2 pixels, rounded down. `conv` are weight and bias.
    pub(crate) fn convolve_and_pool(
        &self,
        x: &Value,
        conv: [&Value; 2],
        geometry: &ConvGeometry,
        pass: Pass,
    ) -> Result<Value> {
        let (weight, bias) = self.parameters(pass);
        let norm = [&weight, &bias];
        let (y, batch) = canet_ops::conv_norm_pool(x, conv, norm, self.spec.eps, geometry)?;
        self.move_statistics(&batch, pass)?;
        Ok(y)
    }

    /// Weight and bias.
    fn parameters(&self, pass: Pass) -> (Value, Value) {
        let pass = if self.frozen { Pass::Eval } else { pass };
        (pass.value(&self.weight), pass.value(&self.bias))
    }

    /// Whether the statistics are those of the batch, for `(N, C, H, W)`.
    pub(crate) fn takes_batch(
        &self,
        (n, _, h, w): (usize, usize, usize, usize),
        pass: Pass,
    ) -> bool {
        pass != Pass::Eval && !self.frozen && n * h * w > 1
    }

    fn move_statistics(&self, batch: &BatchStats, pass: Pass) -> Result<()> {
        if !pass.moves_statistics() {
            return Ok(());
        }
        let moved = [(&self.running_mean, &batch.mean), (&self.running_var, &batch.var)];
        moved.into_iter().try_for_each(|(running, batch)| {
            canet_ops::average_in_place(running, batch, self.spec.momentum)
        })
    }

    /// The end of a residual block: `(N, C, H, W)` normalised, plus `shortcut` of the same shape, and
    /// the ReLU of both. In training `drop` leaves only the shortcut of some samples.
    pub(crate) fn close_block(
        &self,
        x: &Value,
        shortcut: &Value,
        pass: Pass,
        drop: SampleDrop,
    ) -> Result<Value> {
        if !drop.happens_in(pass) {
            return self.forward(x, pass, Some(shortcut), Activation::Relu);
        }
        let branch = self.forward(x, pass, None, Activation::None)?;
        canet_ops::add_relu(&pass.drop_samples(&branch, drop)?, shortcut)
    }
}

/// The paper's "cbr": convolution, batch norm, ReLU.
#[derive(Debug, Clone)]
pub(crate) struct Cbr {
    conv: Conv,
    bn: BatchNorm,
}

impl Cbr {
    pub(crate) fn new(scope: &mut Scope, spec: ConvSpec, norm: NormSpec) -> Result<Self> {
        Ok(Self {
            conv: Conv::new(&mut scope.sub("conv"), spec)?,
            bn: BatchNorm::new(&mut scope.sub("bn"), spec.outputs(), norm)?,
        })
    }

    pub(crate) fn forward(&self, x: &Value, pass: Pass) -> Result<Value> {
        self.bn.forward(&self.conv.forward(x, pass)?, pass, None, Activation::Relu)
    }
}

/// `(N, C, H, W)` to its mean over the picture, `(N, C, 1, 1)`.
pub(crate) fn global_average(x: &Value) -> Result<Value> {
    canet_ops::adaptive_avg_pool2d(x, [1, 1])
}

/// Average pooling by `rate` in adaptive bins. Where the picture is smaller than the rate, one
/// pixel is left (the authors' rule would leave none).
fn pool_by(x: &Value, rate: usize) -> Result<Value> {
    let [h, w] = size_of(x)?;
    canet_ops::adaptive_avg_pool2d(x, [(h / rate).max(1), (w / rate).max(1)])
}

/// Joins two maps of the same size along their channels, pooled by `rate`. Pooling is a channel's
/// own affair, so it comes first: the joined map is the small one.
pub(crate) fn pool_joined(a: &Value, b: &Value, rate: usize) -> Result<Value> {
    canet_ops::concat(&[&pool_by(a, rate)?, &pool_by(b, rate)?])
}

/// Height and width of `(N, C, H, W)`.
pub(crate) fn size_of(x: &Value) -> Result<[usize; 2]> {
    let (_, _, h, w) = x.dims4()?;
    Ok([h, w])
}

impl Conv {
    /// For lowering, with nothing folded in yet.
    pub(crate) fn folding(&self) -> Result<Folding> {
        let padding = Padding::Fixed(self.geometry.padding);
        Folding::new(&self.weight, None, self.geometry, padding)
    }
}

impl BatchNorm {
    /// What it does to each channel in [`Pass::Eval`].
    pub(crate) fn affine(&self) -> Result<Affine> {
        let [weight, bias, mean, var] =
            [&self.weight, &self.bias, &self.running_mean, &self.running_var]
                .map(|var| var.to_dtype(DType::F64)?.to_vec1::<f64>());
        let scale: Vec<f64> =
            weight?.iter().zip(var?).map(|(w, v)| w / (v + self.spec.eps).sqrt()).collect();
        let shift = mean?.into_iter().zip(&scale);
        let offset = bias?.into_iter().zip(shift).map(|(b, (m, s))| b - m * s).collect();
        Ok(Affine { scale, offset })
    }
}

impl Cbr {
    /// The same in a lowered network.
    pub(crate) fn lower(&self, g: &mut GraphBuilder, x: ValueId) -> Result<ValueId> {
        g.conv(x, self.conv.folding()?.then(&self.bn.affine()?), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Params;
    use candle_core::{Device, Tensor};

    /// A dropped sample is its shortcut, a kept one has its branch scaled.
    #[test]
    fn blocks_close_by_the_rule_of_stochastic_depth() {
        let mut params = Params::new(1, &Device::Cpu);
        let norm = NormSpec { eps: 1e-5, momentum: 0.1 };
        let bn = BatchNorm::new(&mut params.root(), 2, norm).unwrap();
        let wave = |frequency: f64| {
            let values = (0..64 * 2 * 6).map(|i| (f64::from(i) * frequency).sin() as f32);
            Tensor::from_vec(values.collect(), (64, 2, 2, 3), &Device::Cpu).unwrap()
        };
        let (x, shortcut) = (Value::from(wave(0.7)), Value::from(wave(0.3)));
        let pass = Pass::Train { draw: 5 };
        let [never, half] = [SampleDrop::NEVER, SampleDrop::linear(0.5, 1)[0]];
        let rows =
            |value: &Value| value.tensor().flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        let branch = rows(&bn.forward(&x, pass, None, Activation::None).unwrap());
        let closed = |drop| rows(&bn.close_block(&x, &shortcut, pass, drop).unwrap());
        let (plain, dropped, shortcut) = (closed(never), closed(half), rows(&shortcut));
        let mut count = 0;
        for (sample, row) in dropped.iter().enumerate() {
            let expected = |factor: f32| -> Vec<f32> {
                let sums = branch[sample].iter().zip(&shortcut[sample]);
                sums.map(|(b, s)| (b * factor + s).max(0.0)).collect()
            };
            let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(close(&plain[sample], &expected(1.0)));
            let is_dropped = close(row, &expected(0.0));
            assert!(is_dropped || close(row, &expected(2.0)), "{sample}");
            count += usize::from(is_dropped);
        }
        assert!((16..48).contains(&count), "{count} of 64");
    }
}
