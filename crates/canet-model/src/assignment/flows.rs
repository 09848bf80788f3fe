//! The global flow and the context flow of the paper's first version.

use candle_core::Result;
use canet_ops::{Activation, Corners, Value};

use super::keras::KerasConv;
use super::{C4, FLOW};
use crate::Pass;
use crate::layers::{BatchNorm, NormSpec, global_average, pool_joined, size_of};
use crate::lowered::{Bins, Flow, GraphBuilder, ValueId};
use crate::params::Scope;

/// Global average, batch norm, ReLU and 1x1, at every place of the map.
#[derive(Debug, Clone)]
pub(crate) struct GlobalFlow {
    bn: BatchNorm,
    conv: KerasConv,
}

impl GlobalFlow {
    pub(crate) fn new(scope: &mut Scope, norm: NormSpec) -> Result<Self> {
        Ok(Self {
            bn: BatchNorm::new(&mut scope.sub("bn"), C4, norm)?,
            conv: KerasConv::new(&mut scope.sub("conv"), C4, FLOW, [1, 1])?,
        })
    }

    /// C4 `(N, 64, h, w)` to `(N, 32, h, w)`.
    pub(crate) fn forward(&self, c4: &Value, pass: Pass) -> Result<Value> {
        let x = self.bn.forward(&global_average(c4)?, pass, None, Activation::Relu)?;
        canet_ops::spread(&self.conv.forward(&x, pass)?, size_of(c4)?)
    }
}

/// C4 and the flow before it: fused by two 3x3 at a coarser scale, then refined by a gate a pixel.
#[derive(Debug, Clone)]
pub(crate) struct ContextFlow {
    rate: usize,
    fusion: [KerasConv; 2],
    refinement: [KerasConv; 2],
}

impl ContextFlow {
    pub(crate) fn new(scope: &mut Scope, rate: usize) -> Result<Self> {
        let mut conv =
            |name, inputs, kernel| KerasConv::new(&mut scope.sub(name), inputs, FLOW, [kernel; 2]);
        let fusion = [conv("conv1", C4 + FLOW, 3)?, conv("conv2", FLOW, 3)?];
        let refinement = [conv("refine1", FLOW, 1)?, conv("refine2", FLOW, 1)?];
        Ok(Self { rate, fusion, refinement })
    }

    /// C4 `(N, 64, h, w)` and the flow before, `(N, 32, h, w)`, to the shape of the latter.
    pub(crate) fn forward(&self, c4: &Value, previous: &Value, pass: Pass) -> Result<Value> {
        let x = pool_joined(c4, previous, self.rate)?;
        let x = self.fusion.iter().try_fold(x, |x, conv| conv.forward(&x, pass))?;
        let [squeeze, gate] = &self.refinement;
        let gate = gate.forward(&canet_ops::relu(&squeeze.forward(&x, pass)?)?, pass)?;
        let y = canet_ops::gate(&x, &canet_ops::sigmoid(&gate)?, true)?;
        canet_ops::resize_bilinear(&y, size_of(c4)?, Corners::HalfPixel)
    }
}

impl GlobalFlow {
    /// In a lowered network, C4 to the single pixel that [`GlobalFlow::forward`] spreads.
    pub(crate) fn lower(&self, g: &mut GraphBuilder, c4: ValueId) -> Result<ValueId> {
        let mean = g.average_pool(c4, Bins::Global);
        let mean = g.affine(mean, &self.bn.affine()?, true);
        self.conv.lower(g, mean, false)
    }
}

impl ContextFlow {
    /// The same in a lowered network.
    pub(crate) fn lower(
        &self,
        g: &mut GraphBuilder,
        c4: ValueId,
        previous: Flow,
    ) -> Result<ValueId> {
        let x = g.pool_joined(c4, previous, self.rate)?;
        let x = self.fusion.iter().try_fold(x, |x, conv| conv.lower(g, x, false))?;
        let [squeeze, gate] = &self.refinement;
        let squeezed = squeeze.lower(g, x, true)?;
        let factors = gate.lower(g, squeezed, false)?;
        let y = g.gate(x, factors, true);
        Ok(g.resize(y, c4, Corners::HalfPixel))
    }
}
