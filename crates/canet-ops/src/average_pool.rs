//! Adaptive average pooling.

use candle_core::Result;

use crate::array::by_dtype;
#[cfg(feature = "cuda")]
use crate::fallback::on_cuda;
use crate::fallback::{by_reference, on_cpu};
use crate::graph::Value;
use crate::grid::bin;
use crate::real::Real;
use crate::reference;
use crate::separable::{Bands, blend};

/// Averages `x` `(N, C, H, W)` over `out[0] x out[1]` bins: bin `i` of `out` over `n` pixels goes
/// from `floor(i n / out)` to `ceil((i + 1) n / out)`, so bins overlap where they do not divide.
pub fn adaptive_avg_pool2d(x: &Value, out: [usize; 2]) -> Result<Value> {
    let (_, _, h, w) = x.dims4()?;
    if out.contains(&0) || h == 0 || w == 0 {
        candle_core::bail!("cannot pool {h}x{w} pixels into {out:?}");
    }
    #[cfg(feature = "cuda")]
    if on_cuda(&[x]) {
        return crate::cuda::average_pool(x, out);
    }
    if !on_cpu(&[x]) {
        return by_reference(&[x], |t| reference::adaptive_avg_pool2d(&t[0], out));
    }
    by_dtype!(x.tensor().dtype(), T => blend::<T>(x, [bins(h, out[0]), bins(w, out[1])]))
}

/// The map of an axis of `n` pixels to the means of `out` bins.
pub(crate) fn bins<T: Real>(n: usize, out: usize) -> Bands<T> {
    let band = |i: usize| {
        let bin = bin(i, out, n);
        (bin.start, vec![1.0 / bin.len() as f64; bin.len()])
    };
    Bands::new(n, (0..out).map(band))
}
