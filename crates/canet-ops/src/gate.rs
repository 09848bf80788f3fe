//! Products with a factor a channel, or a factor an element.

use candle_core::{Result, Tensor};

use crate::array::{build, by_dtype, by_plane, tensor, with_elements};
use crate::elementwise::{edited, zip, zip_gradient};
#[cfg(feature = "cuda")]
use crate::fallback::on_cuda;
use crate::fallback::{by_reference, on_cpu};
use crate::graph::{Gradient, Value};
use crate::real::Real;
use crate::tasks::map_tasks;
use crate::{lanes, reference, simd};

/// `x * factor`, or `x * factor + x` if `keep`. `factor` is `(N, C, 1, 1)`, or of the shape of `x`
/// `(N, C, H, W)`.
pub fn gate(x: &Value, factor: &Value, keep: bool) -> Result<Value> {
    let (n, c, h, w) = x.dims4()?;
    let of_channels = factor.dims4()? == (n, c, 1, 1);
    if !of_channels && factor.dims4()? != (n, c, h, w) {
        candle_core::bail!("factors of {:?} do not fit {:?}", factor.dims4()?, x.dims4()?);
    }
    #[cfg(feature = "cuda")]
    if on_cuda(&[x, factor]) {
        return crate::cuda::gate(x, factor, keep);
    }
    if !on_cpu(&[x, factor]) {
        return by_reference(&[x, factor], |t| reference::gate(&t[0], &t[1], keep));
    }
    by_dtype!(x.tensor().dtype(), T => {
        if of_channels { by_channel::<T>(x, factor, keep) } else { by_element::<T>(x, factor, keep) }
    })
}

#[inline(always)]
fn product<T: Real>(v: T, factor: T, keep: bool) -> T {
    if keep { v.fma(factor, v) } else { v * factor }
}

fn by_element<T: Real>(x: &Value, factor: &Value, keep: bool) -> Result<Value> {
    let tracked = [x.is_tracked(), factor.is_tracked()];
    let inputs = [x.tensor().contiguous()?, factor.tensor().contiguous()?];
    let y = zip(
        &inputs[0],
        &inputs[1],
        #[inline(always)]
        |v: T, factor| product(v, factor, keep),
    )?;
    Ok(Value::of(y, &[x, factor], move |gy| {
        let [x, factor] = inputs;
        let g_factor = tracked[1].then(|| zip(gy.tensor(), &x, |g: T, x| g * x)).transpose()?;
        let gx = tracked[0].then(|| {
            zip_gradient(
                gy,
                &factor,
                #[inline(always)]
                |g: T, factor| product(g, factor, keep),
            )
        });
        Ok(vec![gx.transpose()?, g_factor.map(Gradient::Own)])
    }))
}

fn by_channel<T: Real>(x: &Value, factor: &Value, keep: bool) -> Result<Value> {
    let (n, c, h, w) = x.dims4()?;
    let plane = (h * w).max(1);
    let tracked = [x.is_tracked(), factor.is_tracked()];
    let inputs = [x.tensor().contiguous()?, factor.tensor().contiguous()?];
    let y = with_elements([&inputs[0], &inputs[1]], |[x, factor]| {
        Ok(build(x.len(), |at, y| {
            y.copy_from_slice(&x[at..][..y.len()]);
            scale_planes::<T>(at, y, plane, factor, keep);
        }))
    })?;
    let y = tensor(y, (n, c, h, w))?;
    Ok(Value::of(y, &[x, factor], move |gy| {
        let [x, factor] = inputs;
        let g_factor = tracked[1].then(|| {
            let sums = with_elements([gy.tensor(), &x], |[gy, x]| Ok(products::<T>(gy, x, plane)));
            tensor(sums?, (n, c, 1, 1))
        });
        let gx = tracked[0].then(|| {
            with_elements([&factor], |[factor]| {
                edited(gy, |at, g| scale_planes::<T>(at, g, plane, factor, keep))
            })
        });
        let own = |t: Option<Result<Tensor>>| t.map(|t| t.map(Gradient::Own)).transpose();
        Ok(vec![own(gx)?, own(g_factor)?])
    }))
}

/// Multiplies a block that starts at element `at` by the factors of its planes.
fn scale_planes<T: Real>(at: usize, block: &mut [T], plane: usize, factors: &[T], keep: bool) {
    simd::vectorised(
        #[inline(always)]
        || {
            by_plane(
                at,
                block,
                plane,
                #[inline(always)]
                |i, _, piece| {
                    let factor = factors[i];
                    for v in piece.iter_mut() {
                        *v = product(*v, factor, keep);
                    }
                },
            );
        },
    );
}

/// `sum of a b` of each plane. Blocks are added in f64: a plane may have millions of pixels.
fn products<T: Real>(a: &[T], b: &[T], plane: usize) -> Vec<T> {
    const BLOCK: usize = 4096;
    map_tasks(a.len() / plane, 1, |i| {
        let [a, b] = [a, b].map(|values| &values[i * plane..][..plane]);
        let blocks = a.chunks(BLOCK).zip(b.chunks(BLOCK)).map(|(a, b)| {
            simd::vectorised(
                #[inline(always)]
                || lanes::dot(a, b),
            )
            .as_f64()
        });
        T::of_f64(blocks.sum())
    })
}
