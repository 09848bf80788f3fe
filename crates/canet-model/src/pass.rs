//! The two ways through a network.

use candle_core::{Result, Var};
use canet_ops::{MaskKey, Run, Value};

/// How a network is run. There is no hidden randomness: whatever a training pass draws is a
/// function of its `draw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// For a gradient step: batch norms use the batch and keep their running statistics, dropouts
    /// drop.
    Train {
        /// The number that all masks of this pass are drawn from, dropout's and stochastic depth's;
        /// the training takes another one for each step.
        draw: u64,
    },
    /// As [`Pass::Train`], but nothing is recorded, so no gradient can be taken: the first of both runs
    /// of what is computed again for its gradients.
    Unrecorded {
        /// As that of [`Pass::Train`].
        draw: u64,
    },
    /// As [`Pass::Train`], but running statistics stay as they are, for they have moved: the second of
    /// both runs.
    Repeated {
        /// As that of [`Pass::Train`]; with the same draw the masks are the same.
        draw: u64,
    },
    /// For predictions: running statistics, no dropout, every block.
    Eval,
}

/// The places in a network that draw.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Site {
    FeatureSelection = 1,
    Head = 2,
    Aux = 3,
}

/// Stochastic depth (Huang et al., arXiv 1603.09382) at a residual block: how likely a sample's way
/// through a block is its shortcut alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SampleDrop {
    p: f64,
    /// Among all blocks of the network that may be dropped.
    block: u64,
}

impl SampleDrop {
    /// A block that is never dropped.
    pub(crate) const NEVER: Self = Self { p: 0.0, block: 0 };

    /// The blocks of a network by the paper's linear rule: the deeper, the likelier, up to `p` at
    /// the last.
    pub(crate) fn linear(p: f64, blocks: usize) -> Vec<Self> {
        let at = |block: usize| p * (block + 1) as f64 / blocks as f64;
        (0..blocks).map(|block| Self { p: at(block), block: block as u64 }).collect()
    }

    /// Whether anything may be dropped.
    pub(crate) fn happens_in(self, pass: Pass) -> bool {
        self.p > 0.0 && pass.draw().is_some()
    }
}

/// Where the keys of stochastic depth begin, far from those of [`Site`].
const FIRST_BLOCK: u64 = 1 << 16;

impl Pass {
    /// A parameter as this pass needs it: a variable where gradients are recorded, a constant elsewhere,
    /// so that no intermediate results are kept.
    pub(crate) fn value(self, var: &Var) -> Value {
        match self {
            Self::Train { .. } | Self::Repeated { .. } => Value::variable(var),
            Self::Unrecorded { .. } | Self::Eval => Value::from(var.as_detached_tensor()),
        }
    }

    /// What masks are drawn from, where anything is dropped.
    fn draw(self) -> Option<u64> {
        match self {
            Self::Train { draw } | Self::Unrecorded { draw } | Self::Repeated { draw } => {
                Some(draw)
            }
            Self::Eval => None,
        }
    }

    /// Whether batch norms move their running statistics.
    pub(crate) fn moves_statistics(self) -> bool {
        matches!(self, Self::Train { .. } | Self::Unrecorded { .. })
    }

    /// The part of `work` on `x`. With `again` a pass that records computes it a second time for its
    /// gradients instead of keeping what is between `x` and the result.
    pub(crate) fn run<W>(self, x: &Value, again: bool, work: W) -> Result<Value>
    where
        W: Fn(&Value, Self) -> Result<Value> + Send + 'static,
    {
        match self {
            Self::Train { draw } if again => canet_ops::recomputed(x, move |x, run| {
                let pass = match run {
                    Run::First => Self::Unrecorded { draw },
                    Run::Again => Self::Repeated { draw },
                };
                work(x, pass)
            }),
            pass => work(x, pass),
        }
    }

    /// Dropout at `site` with probability `p`, in training only.
    pub(crate) fn dropout(self, x: &Value, p: f64, site: Site) -> Result<Value> {
        match self.draw() {
            Some(draw) if p > 0.0 => canet_ops::dropout(x, p, MaskKey::drawn(draw, site as u64)),
            _ => Ok(x.clone()),
        }
    }

    /// The branch `x` of a residual block, in training without the samples that `drop` draws.
    pub(crate) fn drop_samples(self, x: &Value, drop: SampleDrop) -> Result<Value> {
        match self.draw() {
            Some(draw) if drop.p > 0.0 => {
                let key = MaskKey::drawn(draw, FIRST_BLOCK + drop.block);
                canet_ops::drop_samples(x, drop.p, key)
            }
            _ => Ok(x.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_blocks_are_dropped_more_often() {
        let drops = SampleDrop::linear(0.2, 4);
        for (drop, expected) in drops.iter().zip([0.05, 0.1, 0.15, 0.2]) {
            assert!((drop.p - expected).abs() < 1e-12, "{drop:?}");
            assert!(drop.happens_in(Pass::Train { draw: 0 }) && !drop.happens_in(Pass::Eval));
        }
        assert!(!SampleDrop::linear(0.0, 2)[1].happens_in(Pass::Train { draw: 0 }));
    }
}
