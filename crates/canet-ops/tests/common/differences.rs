//! Gradients by central differences in f64.

use candle_core::{DType, Device, Result, Tensor};
use canet_ops::Value;

use super::{by_kernel, flat, values, vars};

const TOLERANCE: f64 = 1e-4;
const STEP: f64 = 1e-5;

/// Checks all gradients of `sum(op(inputs) * weights)`; at most 40 elements of each input.
pub(crate) fn check(name: &str, inputs: &[Tensor], op: impl Fn(&[Value]) -> Result<Value>) {
    let upstream = |y: &Tensor| values(y.dims(), 5);
    let (y, gradients) = by_kernel(&vars(inputs, DType::F64), upstream, &op).unwrap();
    let weights = upstream(&y);
    let objective = |inputs: &[Tensor]| -> f64 {
        let inputs: Vec<Value> = inputs.iter().cloned().map(Value::from).collect();
        let y = op(&inputs).unwrap().into_tensor();
        (y * &weights).unwrap().sum_all().unwrap().to_scalar().unwrap()
    };
    for (i, grad) in gradients.iter().map(flat).enumerate() {
        let largest = grad.iter().fold(1e-2f64, |m, g| m.max(g.abs()));
        let base = flat(&inputs[i]);
        for at in (0..base.len()).step_by(base.len().div_ceil(40)) {
            let moved = |step: f64| {
                let mut values = base.clone();
                values[at] += step;
                let mut tensors = inputs.to_vec();
                tensors[i] = Tensor::from_vec(values, inputs[i].shape(), &Device::Cpu).unwrap();
                objective(&tensors)
            };
            let numeric = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            let off = (numeric - grad[at]).abs();
            assert!(
                off <= TOLERANCE * largest,
                "{name}: input {i} element {at}: {numeric} by differences, {} by the kernel",
                grad[at]
            );
        }
    }
}
