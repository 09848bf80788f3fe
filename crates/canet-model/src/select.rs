//! The Feature Selection Module (arXiv 2002.12041v4, section 3): which channels of the aggregated
//! context to trust, as a gate of one factor a channel.

use candle_core::Result;
use canet_ops::{Activation, Value};

use crate::Pass;
use crate::layers::{BatchNorm, Cbr, Conv, ConvSpec, NormSpec, global_average};
use crate::lowered::{Bins, GraphBuilder, ValueId};
use crate::params::Scope;
use crate::stages::Watch;

/// Feature selection, or the plain convolution that stands for it when it is switched off.
#[derive(Debug, Clone)]
pub(crate) struct FeatureSelection {
    cbr: Cbr,
    gate: Option<Gate>,
}

#[derive(Debug, Clone)]
struct Gate {
    conv: Conv,
    bn: BatchNorm,
}

impl FeatureSelection {
    pub(crate) fn new(
        scope: &mut Scope,
        inputs: usize,
        outputs: usize,
        gated: bool,
        norm: NormSpec,
    ) -> Result<Self> {
        let cbr = Cbr::new(&mut scope.sub("cbr"), ConvSpec::new(inputs, outputs, 3), norm)?;
        let gate = gated.then(|| Gate::new(&mut scope.sub("gate"), outputs, norm)).transpose()?;
        Ok(Self { cbr, gate })
    }

    /// `(N, inputs, h, w)` to `(N, outputs, h, w)`: `X * g + X`. (The paper's first version has no
    /// `+ X`.) `watch` sees the factors `g`.
    pub(crate) fn forward(&self, x: &Value, pass: Pass, watch: &mut Watch) -> Result<Value> {
        let x = self.cbr.forward(x, pass)?;
        let Some(gate) = &self.gate else { return Ok(x) };
        let factors = gate.forward(&x, pass)?;
        watch(&factors);
        canet_ops::gate(&x, &factors, true)
    }
}

impl Gate {
    fn new(scope: &mut Scope, channels: usize, norm: NormSpec) -> Result<Self> {
        Ok(Self {
            conv: Conv::new(&mut scope.sub("conv"), ConvSpec::new(channels, channels, 1))?,
            bn: BatchNorm::new(&mut scope.sub("bn"), channels, norm)?,
        })
    }

    /// `(N, C, h, w)` to factors `(N, C, 1, 1)` in (0, 1).
    fn forward(&self, x: &Value, pass: Pass) -> Result<Value> {
        let x = self.conv.forward(&global_average(x)?, pass)?;
        canet_ops::sigmoid(&self.bn.forward(&x, pass, None, Activation::None)?)
    }
}

impl FeatureSelection {
    /// The same in a lowered network.
    pub(crate) fn lower(&self, g: &mut GraphBuilder, x: ValueId) -> Result<ValueId> {
        let x = self.cbr.lower(g, x)?;
        let Some(Gate { conv, bn }) = &self.gate else { return Ok(x) };
        let mean = g.average_pool(x, Bins::Global);
        let factors = g.conv(mean, conv.folding()?.then(&bn.affine()?), false)?;
        Ok(g.gate(x, factors, true))
    }
}
