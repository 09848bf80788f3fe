//! Running an operation's reference under our own differentiation: what devices without a kernel do.

use candle_core::{Result, Tensor, Var};

use crate::graph::{Gradient, Value};

/// The result of `f`, made of candle's own operations, and gradients by candle's differentiation.
pub(crate) fn by_reference(
    inputs: &[&Value],
    f: impl FnOnce(&[Tensor]) -> Result<Tensor>,
) -> Result<Value> {
    let vars = inputs
        .iter()
        .map(|input| input.is_tracked().then(|| Var::from_tensor(input.tensor())).transpose())
        .collect::<Result<Vec<Option<Var>>>>()?;
    let tensors: Vec<Tensor> = vars
        .iter()
        .zip(inputs)
        .map(|(var, input)| match var {
            Some(var) => var.as_tensor().clone(),
            None => input.tensor().clone(),
        })
        .collect();
    let y = f(&tensors)?;
    let backward = {
        let y = y.clone();
        move |gy: Gradient| {
            let gradients = (y * gy.tensor())?.sum_all()?.backward()?;
            let of = |var: &Var| gradients.get(var).cloned().map(Gradient::Shared);
            Ok(vars.iter().map(|var| var.as_ref().and_then(of)).collect())
        }
    };
    Ok(Value::of(y.detach(), inputs, backward))
}

/// Whether there is a kernel for these.
pub(crate) fn on_cpu(inputs: &[&Value]) -> bool {
    inputs.iter().all(|input| input.tensor().device().is_cpu())
}
