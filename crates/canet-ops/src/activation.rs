//! ReLU and the logistic function.

use candle_core::Result;

use crate::fallback::by_reference;
use crate::graph::Value;
use crate::reference;

/// What follows a normalisation in the same pass over memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
}

/// `max(x, 0)`; the gradient at 0 is 0, as in PyTorch (candle's own has 1 there).
pub fn relu(x: &Value) -> Result<Value> {
    by_reference(&[x], |t| reference::relu(&t[0]))
}

/// `1 / (1 + exp(-x))`.
pub fn sigmoid(x: &Value) -> Result<Value> {
    by_reference(&[x], |t| reference::sigmoid(&t[0]))
}
