//! ReLU and the logistic function.

use candle_core::Result;

use crate::array::by_dtype;
use crate::elementwise::{map, zip_gradient};
#[cfg(feature = "cuda")]
use crate::fallback::on_cuda;
use crate::fallback::{by_reference, on_cpu};
use crate::graph::Value;
use crate::math::Math;
use crate::real::Real;
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
    fn kernel<T: Real>(x: &Value) -> Result<Value> {
        let y = map(&x.tensor().contiguous()?, |v: T| v.larger(T::ZERO))?;
        let kept = y.clone();
        Ok(Value::of(y, &[x], move |gy| Ok(vec![Some(zip_gradient(gy, &kept, pass::<T>)?)])))
    }
    #[cfg(feature = "cuda")]
    if on_cuda(&[x]) {
        return crate::cuda::relu(x);
    }
    if !on_cpu(&[x]) {
        return by_reference(&[x], |t| reference::relu(&t[0]));
    }
    by_dtype!(x.tensor().dtype(), T => kernel::<T>(x))
}

/// The gradient where the output of a ReLU is positive, else 0.
#[inline(always)]
pub(crate) fn pass<T: Real>(g: T, y: T) -> T {
    if y > T::ZERO { g } else { T::ZERO }
}

/// `1 / (1 + exp(-x))`.
pub fn sigmoid(x: &Value) -> Result<Value> {
    fn kernel<T: Math>(x: &Value) -> Result<Value> {
        let one = T::of_f64(1.0);
        // The exponential of a large number is infinite, and the result the 0 it should be.
        let y = map(
            &x.tensor().contiguous()?,
            #[inline(always)]
            |v: T| one / (one + (T::ZERO - v).exp()),
        )?;
        let kept = y.clone();
        Ok(Value::of(y, &[x], move |gy| {
            Ok(vec![Some(zip_gradient(gy, &kept, |g, y: T| g * y * (one - y))?)])
        }))
    }
    #[cfg(feature = "cuda")]
    if on_cuda(&[x]) {
        return crate::cuda::sigmoid(x);
    }
    if !on_cpu(&[x]) {
        return by_reference(&[x], |t| reference::sigmoid(&t[0]));
    }
    by_dtype!(x.tensor().dtype(), T => kernel::<T>(x))
}
