//! An operation's result and gradients, by its kernel and by its reference.

#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod compare;
pub(crate) mod differences;
pub(crate) mod golden;

use candle_core::{Device, Result, Tensor, Var};
use canet_ops::Value;

/// The result of `op` and the gradients of `sum(result * upstream(result))`.
pub(crate) fn by_kernel(
    inputs: &[Var],
    upstream: impl FnOnce(&Tensor) -> Tensor,
    op: impl FnOnce(&[Value]) -> Result<Value>,
) -> Result<(Tensor, Vec<Tensor>)> {
    let values: Vec<Value> = inputs.iter().map(Value::variable).collect();
    let y = op(&values)?;
    let result = y.tensor().clone();
    let mut gradients = y.backward_from(upstream(&result))?;
    let gradients = inputs.iter().map(|var| gradients.take(var).expect("a gradient"));
    Ok((result, gradients.collect()))
}

/// The same of an operation on candle's tensors, by candle's differentiation.
pub(crate) fn by_candle(
    inputs: &[Var],
    upstream: impl FnOnce(&Tensor) -> Tensor,
    op: impl FnOnce(&[Tensor]) -> Result<Tensor>,
) -> Result<(Tensor, Vec<Tensor>)> {
    let tensors: Vec<Tensor> = inputs.iter().map(|var| var.as_tensor().clone()).collect();
    let y = op(&tensors)?;
    let gradients = (&y * upstream(&y))?.sum_all()?.backward()?;
    let gradients = inputs.iter().map(|var| gradients.get(var).expect("a gradient").clone());
    Ok((y.detach(), gradients.collect()))
}

/// A tensor of `f64` as `f32` or `f64` variables.
pub(crate) fn vars(inputs: &[Tensor], dtype: candle_core::DType) -> Vec<Var> {
    inputs.iter().map(|t| Var::from_tensor(&t.to_dtype(dtype).unwrap()).unwrap()).collect()
}

/// All elements, as `f64`.
pub(crate) fn flat(t: &Tensor) -> Vec<f64> {
    t.to_dtype(candle_core::DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// `f64` values spread over [-1, 1], no two close together, none close to 0: kinks of ReLU and of
/// maxima stay farther away than the step of a finite difference.
pub(crate) fn values(shape: &[usize], salt: usize) -> Tensor {
    let n: usize = shape.iter().product();
    let stride = (n * 3 / 5 + 1..4 * n + 8).find(|s| s % 2 == 1 && gcd(*s, n) == 1).unwrap();
    let spread = |i: usize| ((i * stride + salt) % n) as f64 * 2.0 + 1.0;
    let values = (0..n).map(|i| spread(i) / n as f64 - 1.0 + 0.3 / n as f64).collect();
    Tensor::from_vec::<_, f64>(values, shape, &Device::Cpu).unwrap()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
