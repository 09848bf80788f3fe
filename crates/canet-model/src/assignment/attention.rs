//! The feature selection, and the adapted global convolution (after the "large kernels" of Peng et
//! al., arXiv 1703.02719).

use candle_core::Result;
use canet_ops::{Activation, Value};

use super::FLOW;
use super::keras::{ConvBn, KerasConv};
use crate::Pass;
use crate::layers::{NormSpec, global_average};
use crate::lowered::{Bins, GraphBuilder, ValueId};
use crate::params::Scope;
use crate::stages::Watch;

/// 3x3, then a factor a channel; without the paper's later `+ X`.
#[derive(Debug, Clone)]
pub(crate) struct FeatureSelection {
    conv: KerasConv,
    gate: ConvBn,
}

impl FeatureSelection {
    pub(crate) fn new(scope: &mut Scope, norm: NormSpec) -> Result<Self> {
        let conv = KerasConv::new(&mut scope.sub("conv"), FLOW, FLOW, [3, 3])?;
        let shape = [FLOW, FLOW, 1, 1];
        Ok(Self { conv, gate: ConvBn::new(&mut scope.sub("gate"), ["conv", "bn"], shape, norm)? })
    }

    /// `(N, 32, h, w)` to the same shape; `watch` sees the factors.
    pub(crate) fn forward(&self, x: &Value, pass: Pass, watch: &mut Watch) -> Result<Value> {
        let x = self.conv.forward(x, pass)?;
        let gate = self.gate.forward(&global_average(&x)?, pass, Activation::None)?;
        let factors = canet_ops::sigmoid(&gate)?;
        watch(&factors);
        canet_ops::gate(&x, &factors, false)
    }
}

/// A field of 7x7 made of two separable paths, and a refinement of their sum.
#[derive(Debug, Clone)]
pub(crate) struct AdaptedGlobalConvolution {
    left: [KerasConv; 2],
    right: [KerasConv; 2],
    refine: KerasConv,
}

impl AdaptedGlobalConvolution {
    pub(crate) fn new(scope: &mut Scope, inputs: usize) -> Result<Self> {
        let mut path = |name, kernels: [[usize; 2]; 2]| {
            let mut scope = scope.sub(name);
            let first = KerasConv::new(&mut scope.sub(0), inputs, FLOW, kernels[0])?;
            Result::Ok([first, KerasConv::new(&mut scope.sub(1), FLOW, FLOW, kernels[1])?])
        };
        let left = path("left", [[7, 1], [1, 7]])?;
        let right = path("right", [[1, 7], [7, 1]])?;
        let refine = KerasConv::new(&mut scope.sub("refine"), FLOW, FLOW, [3, 3])?;
        Ok(Self { left, right, refine })
    }

    /// `(N, inputs, h, w)` to `(N, 32, h, w)`.
    pub(crate) fn forward(&self, x: &Value, pass: Pass) -> Result<Value> {
        let path = |convs: &[KerasConv; 2]| convs[1].forward(&convs[0].forward(x, pass)?, pass);
        let sum = canet_ops::add(&path(&self.left)?, &path(&self.right)?)?;
        canet_ops::add(&sum, &self.refine.forward(&sum, pass)?)
    }
}

impl FeatureSelection {
    /// The same in a lowered network.
    pub(crate) fn lower(&self, g: &mut GraphBuilder, x: ValueId) -> Result<ValueId> {
        let x = self.conv.lower(g, x, false)?;
        let mean = g.average_pool(x, Bins::Global);
        let factors = self.gate.lower(g, mean, false)?;
        Ok(g.gate(x, factors, false))
    }
}

impl AdaptedGlobalConvolution {
    /// The same in a lowered network; both sums are made by the convolutions that end them.
    pub(crate) fn lower(&self, g: &mut GraphBuilder, x: ValueId) -> Result<ValueId> {
        let [first, second] = &self.left;
        let left = first.lower(g, x, false)?;
        let left = second.lower(g, left, false)?;
        let [first, second] = &self.right;
        let right = first.lower(g, x, false)?;
        let sum = g.conv_onto(left, right, second.folding()?, false)?;
        g.conv_onto(sum, sum, self.refine.folding()?, false)
    }
}
