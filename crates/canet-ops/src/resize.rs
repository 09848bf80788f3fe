//! Bilinear resize in both corner conventions.

use candle_core::Result;

use crate::fallback::by_reference;
use crate::graph::Value;
use crate::grid::Corners;
use crate::reference;

/// Resizes `x` `(N, C, H, W)` to `out` = `[height, width]`.
pub fn resize_bilinear(x: &Value, out: [usize; 2], corners: Corners) -> Result<Value> {
    let (_, _, h, w) = x.dims4()?;
    if out.contains(&0) || h == 0 || w == 0 {
        candle_core::bail!("cannot resize {h}x{w} pixels to {out:?}");
    }
    if out == [h, w] {
        return Ok(x.clone());
    }
    by_reference(&[x], |t| reference::resize_bilinear(&t[0], out, corners))
}

/// Repeats `x` `(N, C, 1, 1)` over a map of `out` = `[height, width]`.
pub fn spread(x: &Value, out: [usize; 2]) -> Result<Value> {
    by_reference(&[x], |t| reference::spread(&t[0], out))
}
