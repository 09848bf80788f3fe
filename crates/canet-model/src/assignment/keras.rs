//! A convolution as Keras has it: with bias, and with "same" padding.

use candle_core::{Result, Var};
use canet_ops::{Activation, ConvGeometry, Value};

use crate::Pass;
use crate::init::Init;
use crate::layers::{BatchNorm, NormSpec, size_of};
use crate::lowered::{Folding, GraphBuilder, Padding, ValueId};
use crate::params::Scope;
use crate::pass::SampleDrop;

/// The convolution. Its padding depends on the size of the picture: where the sum is odd, the
/// larger half comes last.
#[derive(Debug, Clone)]
pub(crate) struct KerasConv {
    weight: Var,
    bias: Var,
    kernel: [usize; 2],
    stride: usize,
}

impl KerasConv {
    pub(crate) fn new(
        scope: &mut Scope,
        inputs: usize,
        outputs: usize,
        kernel: [usize; 2],
    ) -> Result<Self> {
        let shape = [outputs, inputs, kernel[0], kernel[1]];
        Ok(Self {
            weight: scope.weight(&shape, Init::GlorotUniform)?,
            bias: scope.vector("bias", outputs, 0.0)?,
            kernel,
            stride: 1,
        })
    }

    pub(crate) fn with_stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// `(N, I, H, W)` to `(N, O, H / stride, W / stride)`, rounded up.
    pub(crate) fn forward(&self, x: &Value, pass: Pass) -> Result<Value> {
        self.with_bias(x, &pass.value(&self.bias), pass)
    }

    fn with_bias(&self, x: &Value, bias: &Value, pass: Pass) -> Result<Value> {
        canet_ops::conv2d(x, &pass.value(&self.weight), Some(bias), &self.geometry(x)?)
    }

    fn geometry(&self, x: &Value) -> Result<ConvGeometry> {
        Ok(ConvGeometry::same(self.kernel, self.stride, size_of(x)?))
    }

    /// `(N, O, h, w)` of the result of `x`.
    fn output_of(&self, x: &Value) -> Result<(usize, usize, usize, usize)> {
        let (n, _, h, w) = x.dims4()?;
        Ok((n, self.weight.dims()[0], h.div_ceil(self.stride), w.div_ceil(self.stride)))
    }

    /// As [`KerasConv::forward`], for a norm over the batch, to which the bias makes no difference.
    fn before_norm(&self, x: &Value, pass: Pass) -> Result<Value> {
        let y = self.with_bias(x, &Pass::Eval.value(&self.bias), pass)?;
        Ok(canet_ops::with_zero_gradient(&y, &pass.value(&self.bias)))
    }
}

/// A convolution and the batch norm after it.
#[derive(Debug, Clone)]
pub(crate) struct ConvBn {
    conv: KerasConv,
    bn: BatchNorm,
}

impl ConvBn {
    /// `names` are those of the convolution and of the batch norm.
    pub(crate) fn new(
        scope: &mut Scope,
        names: [&str; 2],
        [inputs, outputs, kernel, stride]: [usize; 4],
        norm: NormSpec,
    ) -> Result<Self> {
        let conv = KerasConv::new(&mut scope.sub(names[0]), inputs, outputs, [kernel; 2])?;
        let bn = BatchNorm::new(&mut scope.sub(names[1]), outputs, norm)?;
        Ok(Self { conv: conv.with_stride(stride), bn })
    }

    /// `(N, I, H, W)` to `(N, O, H / stride, W / stride)`, rounded up.
    pub(crate) fn forward(&self, x: &Value, pass: Pass, activation: Activation) -> Result<Value> {
        self.bn.forward(&self.convolved(x, pass)?, pass, None, activation)
    }

    fn convolved(&self, x: &Value, pass: Pass) -> Result<Value> {
        if self.bn.takes_batch(self.conv.output_of(x)?, pass) {
            self.conv.before_norm(x, pass)
        } else {
            self.conv.forward(x, pass)
        }
    }

    /// The same with a ReLU, and of it the largest of each 2x2 pixels, rounded down.
    pub(crate) fn forward_pooled(&self, x: &Value, pass: Pass) -> Result<Value> {
        if !self.bn.takes_batch(self.conv.output_of(x)?, pass) {
            return canet_ops::max_pool2d(&self.forward(x, pass, Activation::Relu)?, 2, 2, 0);
        }
        let [weight, bias] = [&self.conv.weight, &self.conv.bias].map(|var| pass.value(var));
        self.bn.convolve_and_pool(x, [&weight, &bias], &self.conv.geometry(x)?, pass)
    }

    /// The same as the end of a residual block, with `shortcut` of the result's shape.
    pub(crate) fn close_block(
        &self,
        x: &Value,
        shortcut: &Value,
        pass: Pass,
        drop: SampleDrop,
    ) -> Result<Value> {
        self.bn.close_block(&self.convolved(x, pass)?, shortcut, pass, drop)
    }
}

impl KerasConv {
    /// For lowering, with nothing folded in yet.
    pub(crate) fn folding(&self) -> Result<Folding> {
        let geometry = ConvGeometry::default().with_stride(self.stride);
        Folding::new(&self.weight, Some(&self.bias), geometry, Padding::Same)
    }

    /// The same in a lowered network, with a ReLU after it or without.
    pub(crate) fn lower(&self, g: &mut GraphBuilder, x: ValueId, relu: bool) -> Result<ValueId> {
        g.conv(x, self.folding()?, relu)
    }
}

impl ConvBn {
    /// For lowering, both in one.
    pub(crate) fn folding(&self) -> Result<Folding> {
        Ok(self.conv.folding()?.then(&self.bn.affine()?))
    }

    /// The same in a lowered network, with a ReLU after it or without.
    pub(crate) fn lower(&self, g: &mut GraphBuilder, x: ValueId, relu: bool) -> Result<ValueId> {
        g.conv(x, self.folding()?, relu)
    }
}
