//! Max pooling and adaptive average pooling.

use candle_core::Result;

use crate::fallback::by_reference;
use crate::graph::Value;
use crate::reference;

/// The largest value of each window of `x` `(N, C, H, W)`; padding never wins. Of equal values the
/// first in reading order gets the gradient, as in PyTorch.
pub fn max_pool2d(x: &Value, kernel: usize, stride: usize, padding: usize) -> Result<Value> {
    by_reference(&[x], |t| reference::max_pool2d(&t[0], kernel, stride, padding))
}

/// Averages `x` `(N, C, H, W)` over `out[0] x out[1]` bins: bin `i` of `out` over `n` pixels goes
/// from `floor(i n / out)` to `ceil((i + 1) n / out)`, so bins overlap where they do not divide.
pub fn adaptive_avg_pool2d(x: &Value, out: [usize; 2]) -> Result<Value> {
    let (_, _, h, w) = x.dims4()?;
    if out.contains(&0) || h == 0 || w == 0 {
        candle_core::bail!("cannot pool {h}x{w} pixels into {out:?}");
    }
    by_reference(&[x], |t| reference::adaptive_avg_pool2d(&t[0], out))
}
