//! Sums of two values, and multiples of one.

use candle_core::{Result, Tensor};

use crate::activation::pass;
use crate::array::by_dtype;
use crate::elementwise::{map, map_gradient, zip, zip_gradient};
#[cfg(feature = "cuda")]
use crate::fallback::on_cuda;
use crate::fallback::{by_reference, on_cpu};
use crate::graph::{Gradient, Value};
use crate::real::Real;
use crate::reference;

/// `a + b`, of equal shapes.
pub fn add(a: &Value, b: &Value) -> Result<Value> {
    #[cfg(feature = "cuda")]
    if on_cuda(&[a, b]) {
        return crate::cuda::add(a, b);
    }
    if !on_cpu(&[a, b]) {
        return by_reference(&[a, b], |t| &t[0] + &t[1]);
    }
    let [x, y] = pair(a, b)?;
    let sum = by_dtype!(x.dtype(), T => zip(&x, &y, |x: T, y| x + y)?);
    let tracked = [a.is_tracked(), b.is_tracked()];
    Ok(Value::of(sum, &[a, b], move |gy| Ok(to_both(gy, tracked))))
}

/// `max(a + b, 0)` in one pass over memory; the gradient at 0 is 0.
pub fn add_relu(a: &Value, b: &Value) -> Result<Value> {
    fn kernel<T: Real>(a: &Value, b: &Value) -> Result<Value> {
        let [x, y] = pair(a, b)?;
        let sum = zip(&x, &y, |x: T, y| (x + y).larger(T::ZERO))?;
        let (kept, tracked) = (sum.clone(), [a.is_tracked(), b.is_tracked()]);
        Ok(Value::of(sum, &[a, b], move |gy| {
            Ok(to_both(zip_gradient(gy, &kept, pass::<T>)?, tracked))
        }))
    }
    #[cfg(feature = "cuda")]
    if on_cuda(&[a, b]) {
        return crate::cuda::add_relu(a, b);
    }
    if !on_cpu(&[a, b]) {
        return by_reference(&[a, b], |t| reference::add_relu(&t[0], &t[1]));
    }
    by_dtype!(a.tensor().dtype(), T => kernel::<T>(a, b))
}

/// `y`, which was computed with `parameter` as a constant, for readers to whom that parameter makes no difference: its
/// gradient is 0. (A batch norm takes the bias of the convolution before it off again. To sum that bias' gradient
/// over the map would cost a pass, and give nothing but rounding errors.)
pub fn with_zero_gradient(y: &Value, parameter: &Value) -> Value {
    let like = parameter.tensor().clone();
    Value::of(y.tensor().clone(), &[y, parameter], move |gy| {
        Ok(vec![Some(gy), Some(Gradient::Own(like.zeros_like()?))])
    })
}

/// `x * factor`.
pub fn scale(x: &Value, factor: f64) -> Result<Value> {
    fn kernel<T: Real>(x: &Value, factor: T) -> Result<Value> {
        let y = map(&x.tensor().contiguous()?, move |v: T| v * factor)?;
        Ok(Value::of(y, &[x], move |gy| Ok(vec![Some(map_gradient(gy, |g: T| g * factor)?)])))
    }
    #[cfg(feature = "cuda")]
    if on_cuda(&[x]) {
        return crate::cuda::scale(x, factor);
    }
    if !on_cpu(&[x]) {
        return by_reference(&[x], |t| &t[0] * factor);
    }
    by_dtype!(x.tensor().dtype(), T => kernel(x, T::of_f64(factor)))
}

/// Both as kernels take them.
fn pair(a: &Value, b: &Value) -> Result<[Tensor; 2]> {
    let (a, b) = (a.tensor(), b.tensor());
    if a.dims() != b.dims() {
        candle_core::bail!("{:?} and {:?} cannot be added", a.dims(), b.dims());
    }
    Ok([a.contiguous()?, b.contiguous()?])
}

/// The same gradient for two inputs, as far as they are tracked.
pub(crate) fn to_both(gradient: Gradient, tracked: [bool; 2]) -> Vec<Option<Gradient>> {
    match tracked {
        [true, true] => {
            let tensor = gradient.tensor().clone();
            vec![Some(Gradient::Shared(tensor.clone())), Some(Gradient::Shared(tensor))]
        }
        [true, false] => vec![Some(gradient), None],
        [false, _] => vec![None, Some(gradient)],
    }
}
