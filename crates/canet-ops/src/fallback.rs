//! Running an operation's reference under our own differentiation: what devices without a kernel do.

use candle_core::{Result, Tensor, Var};

use crate::graph::{Gradient, Value};

/// The result of `f`, made of candle's own operations, and gradients by candle's differentiation.
pub(crate) fn by_reference(
    inputs: &[&Value],
    f: impl FnOnce(&[Tensor]) -> Result<Tensor>,
) -> Result<Value> {
    // candle's own operations are losses then, whose sums half precision could not hold.
    #[cfg(feature = "cuda")]
    let wide = inputs
        .iter()
        .map(|x| if on_cuda(&[x]) { crate::cuda::to_f32(x) } else { Ok((*x).clone()) });
    #[cfg(feature = "cuda")]
    let wide = wide.collect::<Result<Vec<Value>>>()?;
    #[cfg(feature = "cuda")]
    let inputs = &wide.iter().collect::<Vec<_>>()[..];
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

/// Whether there is a kernel of the CPU for these.
pub(crate) fn on_cpu(inputs: &[&Value]) -> bool {
    inputs.iter().all(|input| input.tensor().device().is_cpu())
}

/// Whether these are on a GPU that there are kernels for.
#[cfg(feature = "cuda")]
pub(crate) fn on_cuda(inputs: &[&Value]) -> bool {
    inputs.iter().all(|input| input.tensor().device().is_cuda())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConvGeometry, conv2d, reference};
    use candle_core::{DType, Device};

    fn close(a: &Tensor, b: &Tensor) {
        let off = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        assert!(off.to_scalar::<f64>().unwrap() < 1e-12);
    }

    /// A chain of references and kernels gives what kernels give.
    #[test]
    fn references_have_the_gradients_of_kernels() {
        let random = |shape: &[usize]| Var::randn(0f64, 1.0, shape, &Device::Cpu).unwrap();
        let (x, w, b) = (random(&[2, 3, 5, 4]), random(&[6, 3, 3, 3]), random(&[6]));
        let geometry = ConvGeometry::default().with_padding(1).with_stride(2);
        let seed = Tensor::ones((2, 6, 3, 2), DType::F64, &Device::Cpu).unwrap();
        let run = |by_kernel: bool, weight: Value| {
            let doubled = crate::scale(&Value::variable(&x), 2.0).unwrap();
            let bias = Value::variable(&b);
            let y = if by_kernel {
                conv2d(&doubled, &weight, Some(&bias), &geometry).unwrap()
            } else {
                let conv = |t: &[Tensor]| reference::conv2d(&t[0], &t[1], t.get(2), &geometry);
                by_reference(&[&doubled, &weight, &bias], conv).unwrap()
            };
            let result = y.tensor().clone();
            (result, crate::relu(&y).unwrap().backward_from(seed.clone()).unwrap())
        };
        for tracked in [true, false] {
            let weight =
                || if tracked { Value::variable(&w) } else { w.as_tensor().clone().into() };
            let [mut kernel, mut plain] = [true, false].map(|by_kernel| run(by_kernel, weight()));
            close(&kernel.0, &plain.0);
            for var in [&x, &b] {
                close(&kernel.1.take(var).unwrap(), &plain.1.take(var).unwrap());
            }
            assert_eq!(plain.1.take(&w).is_some(), tracked);
        }
    }

    #[test]
    fn constants_stay_constants() {
        let x = Value::from(Tensor::ones((1, 1, 2, 2), DType::F32, &Device::Cpu).unwrap());
        assert!(!by_reference(&[&x], |t| reference::relu(&t[0])).unwrap().is_tracked());
    }
}
