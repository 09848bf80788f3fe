//! Operations that make each value of their result from one place of their inputs, and the same for
//! gradients, which are made in the memory of the gradient that came in where that is free.

use candle_core::{Result, Tensor};

use crate::array::{build, change, edit, tensor, with_elements};
use crate::graph::Gradient;
use crate::real::Real;
use crate::simd;

/// `f(x)` of each element.
pub(crate) fn map<T: Real>(x: &Tensor, f: impl Fn(T) -> T + Sync) -> Result<Tensor> {
    with_elements([x], |[x]| {
        Ok(build(x.len(), |at, y| {
            simd::vectorised(
                #[inline(always)]
                || y.iter_mut().zip(&x[at..]).for_each(|(y, &x)| *y = f(x)),
            );
        }))
    })
    .and_then(|y| tensor(y, x.shape()))
}

/// `f(a, b)` of each pair of elements of two tensors of the same shape.
pub(crate) fn zip<T: Real>(a: &Tensor, b: &Tensor, f: impl Fn(T, T) -> T + Sync) -> Result<Tensor> {
    with_elements([a, b], |[a, b]| {
        assert_eq!(a.len(), b.len(), "internal: operands of different shapes");
        Ok(build(a.len(), |at, y| {
            simd::vectorised(
                #[inline(always)]
                || {
                    let inputs = a[at..].iter().zip(&b[at..]);
                    y.iter_mut().zip(inputs).for_each(|(y, (&a, &b))| *y = f(a, b));
                },
            );
        }))
    })
    .and_then(|y| tensor(y, a.shape()))
}

/// A gradient changed block by block, given where a block starts: in place, or in a copy if it is
/// in use elsewhere.
pub(crate) fn edited<T: Real>(
    gradient: Gradient,
    f: impl Fn(usize, &mut [T]) + Sync,
) -> Result<Tensor> {
    let whole = match gradient {
        Gradient::Own(whole) => {
            change(&whole, |values| edit(values, f))?;
            return Ok(whole);
        }
        Gradient::Shared(whole) => whole,
    };
    let copy = with_elements([&whole], |[whole]| {
        Ok(build(whole.len(), |at, block| {
            block.copy_from_slice(&whole[at..][..block.len()]);
            f(at, block);
        }))
    })?;
    tensor(copy, whole.shape())
}

/// `f(g)` of each element of a gradient.
pub(crate) fn map_gradient<T: Real>(
    gradient: Gradient,
    f: impl Fn(T) -> T + Sync,
) -> Result<Gradient> {
    let mapped = edited(gradient, |_, g| {
        simd::vectorised(
            #[inline(always)]
            || g.iter_mut().for_each(|g| *g = f(*g)),
        );
    })?;
    Ok(Gradient::Own(mapped))
}

/// `f(g, x)` of each element of a gradient and what lies at the same place of `x`.
pub(crate) fn zip_gradient<T: Real>(
    gradient: Gradient,
    x: &Tensor,
    f: impl Fn(T, T) -> T + Sync,
) -> Result<Gradient> {
    let mapped = with_elements([x], |[x]| {
        edited(gradient, |at, g| {
            simd::vectorised(
                #[inline(always)]
                || g.iter_mut().zip(&x[at..]).for_each(|(g, &x)| *g = f(*g, x)),
            );
        })
    })?;
    Ok(Gradient::Own(mapped))
}
