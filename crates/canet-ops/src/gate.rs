//! Products with a factor a channel, or a factor an element.

use candle_core::Result;

use crate::fallback::by_reference;
use crate::graph::Value;
use crate::reference;

/// `x * factor`, or `x * factor + x` if `keep`. `factor` is `(N, C, 1, 1)`, or of the shape of `x`
/// `(N, C, H, W)`.
pub fn gate(x: &Value, factor: &Value, keep: bool) -> Result<Value> {
    by_reference(&[x, factor], |t| reference::gate(&t[0], &t[1], keep))
}
