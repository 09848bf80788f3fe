//! Bilinear resize in both corner conventions.

use candle_core::Result;

use crate::array::by_dtype;
#[cfg(feature = "cuda")]
use crate::fallback::on_cuda;
use crate::fallback::{by_reference, on_cpu};
use crate::graph::Value;
use crate::grid::{Corners, Sample, samples};
use crate::real::Real;
use crate::reference;
use crate::separable::{Bands, blend};

/// Resizes `x` `(N, C, H, W)` to `out` = `[height, width]`.
pub fn resize_bilinear(x: &Value, out: [usize; 2], corners: Corners) -> Result<Value> {
    let (_, _, h, w) = x.dims4()?;
    if out.contains(&0) || h == 0 || w == 0 {
        candle_core::bail!("cannot resize {h}x{w} pixels to {out:?}");
    }
    if out == [h, w] {
        return Ok(x.clone());
    }
    #[cfg(feature = "cuda")]
    if on_cuda(&[x]) {
        return crate::cuda::resize(x, out, corners);
    }
    if !on_cpu(&[x]) {
        return by_reference(&[x], |t| reference::resize_bilinear(&t[0], out, corners));
    }
    by_dtype!(x.tensor().dtype(), T => blend::<T>(x, [axis(h, out[0], corners), axis(w, out[1], corners)]))
}

/// The map of an axis of `n` pixels to `out` samples.
pub(crate) fn axis<T: Real>(n: usize, out: usize, corners: Corners) -> Bands<T> {
    let band = |s: Sample<f64>| {
        let weights = if s.weight > 0.0 { vec![1.0 - s.weight, s.weight] } else { vec![1.0] };
        (s.low, weights)
    };
    Bands::new(n, samples(n, out, corners).into_iter().map(band))
}

/// Repeats `x` `(N, C, 1, 1)` over a map of `out` = `[height, width]`: what resizing a single pixel
/// comes to.
pub fn spread(x: &Value, out: [usize; 2]) -> Result<Value> {
    let (n, c, h, w) = x.dims4()?;
    if [h, w] != [1, 1] {
        candle_core::bail!("only single pixels can be spread, not {:?}", (n, c, h, w));
    }
    resize_bilinear(x, out, Corners::Aligned)
}
