//! The flows of the Chained Context Aggregation Module (arXiv 2002.12041v4, section 3).
//!
//! ```text
//! C4 --+-- GAP, 1x1 --------------------------- G --+-----------------+
//!      |                                            |                 |
//!      +-- concat(C4, G) -- pool, 2 separable 3x3 -- F1 --+-----------+
//!      |                                                  |           +-- sum
//!      +-- concat(C4, F1) - pool, 2 separable 3x3 -- F2 --+-----------+
//!      .                                                  .           .
//! ```

use candle_core::Result;
use canet_ops::{Corners, Value};

use crate::Pass;
use crate::layers::{Cbr, ConvSpec, NormSpec, global_average, pool_joined, size_of};
use crate::lowered::{Bins, Flow, GraphBuilder, ValueId};
use crate::params::Scope;

/// The global flow: what the whole picture shows, at every place of it.
#[derive(Debug, Clone)]
pub(crate) struct GlobalFlow {
    cbr: Cbr,
}

impl GlobalFlow {
    pub(crate) fn new(
        scope: &mut Scope,
        c4: usize,
        capacity: usize,
        norm: NormSpec,
    ) -> Result<Self> {
        Ok(Self { cbr: Cbr::new(scope, ConvSpec::new(c4, capacity, 1), norm)? })
    }

    /// C4 `(N, c4, h, w)` to `(N, capacity, h, w)`.
    pub(crate) fn forward(&self, c4: &Value, pass: Pass) -> Result<Value> {
        canet_ops::spread(&self.cbr.forward(&global_average(c4)?, pass)?, size_of(c4)?)
    }
}

/// A context flow: C4 and the flow before it, seen at a coarser scale.
#[derive(Debug, Clone)]
pub(crate) struct ContextFlow {
    rate: usize,
    cbrs: [Cbr; 4],
}

impl ContextFlow {
    pub(crate) fn new(
        scope: &mut Scope,
        c4: usize,
        capacity: usize,
        rate: usize,
        norm: NormSpec,
    ) -> Result<Self> {
        let joined = c4 + capacity;
        let mut cbr = |name, spec| Cbr::new(&mut scope.sub(name), spec, norm);
        let cbrs = [
            cbr("depthwise1", ConvSpec::depthwise(joined))?,
            cbr("pointwise1", ConvSpec::new(joined, capacity, 1))?,
            cbr("depthwise2", ConvSpec::depthwise(capacity))?,
            cbr("pointwise2", ConvSpec::new(capacity, capacity, 1))?,
        ];
        Ok(Self { rate, cbrs })
    }

    /// C4 `(N, c4, h, w)` and the flow before, `(N, capacity, h, w)`, to the shape of the latter.
    pub(crate) fn forward(&self, c4: &Value, previous: &Value, pass: Pass) -> Result<Value> {
        let mut x = pool_joined(c4, previous, self.rate)?;
        for cbr in &self.cbrs {
            x = cbr.forward(&x, pass)?;
        }
        canet_ops::resize_bilinear(&x, size_of(c4)?, Corners::Aligned)
    }
}

impl GlobalFlow {
    /// In a lowered network, C4 to the single pixel that [`GlobalFlow::forward`] spreads.
    pub(crate) fn lower(&self, g: &mut GraphBuilder, c4: ValueId) -> Result<ValueId> {
        let mean = g.average_pool(c4, Bins::Global);
        self.cbr.lower(g, mean)
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
        let x = self.cbrs.iter().try_fold(x, |x, cbr| cbr.lower(g, x))?;
        Ok(g.resize(x, c4, Corners::Aligned))
    }
}
