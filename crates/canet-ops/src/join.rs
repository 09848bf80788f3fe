//! Sums of two values, and multiples of one.

use candle_core::Result;

use crate::fallback::by_reference;
use crate::graph::Value;
use crate::reference;

/// `a + b`, of equal shapes.
pub fn add(a: &Value, b: &Value) -> Result<Value> {
    by_reference(&[a, b], |t| &t[0] + &t[1])
}

/// `max(a + b, 0)` in one pass over memory; the gradient at 0 is 0.
pub fn add_relu(a: &Value, b: &Value) -> Result<Value> {
    by_reference(&[a, b], |t| reference::add_relu(&t[0], &t[1]))
}

/// `x * factor`.
pub fn scale(x: &Value, factor: f64) -> Result<Value> {
    by_reference(&[x], |t| &t[0] * factor)
}
