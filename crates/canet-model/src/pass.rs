//! The two ways through a network.

use candle_core::{Result, Var};
use canet_ops::Value;

use crate::init::splitmix;

/// How a network is run. There is no hidden randomness: whatever a training pass draws is a
/// function of its `draw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// For a gradient step: batch norms use the batch and keep their running statistics, dropouts
    /// drop.
    Train {
        /// The number that all dropout masks of this pass are drawn from; the training takes
        /// another one for each step.
        draw: u64,
    },
    /// For predictions: running statistics, no dropout.
    Eval,
}

/// The places in a network that draw.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Site {
    FeatureSelection = 1,
    Head = 2,
    Aux = 3,
}

impl Pass {
    /// A parameter as this pass needs it: a variable in training, a constant in predictions, which
    /// so keep no intermediate results.
    pub(crate) fn value(self, var: &Var) -> Value {
        match self {
            Self::Train { .. } => Value::variable(var),
            Self::Eval => Value::from(var.as_detached_tensor()),
        }
    }

    /// Dropout at `site` with probability `p`, in training only.
    pub(crate) fn dropout(self, x: &Value, p: f64, site: Site) -> Result<Value> {
        match self {
            Self::Train { draw } if p > 0.0 => {
                canet_ops::dropout(x, p, splitmix(splitmix(draw) ^ site as u64))
            }
            _ => Ok(x.clone()),
        }
    }
}
