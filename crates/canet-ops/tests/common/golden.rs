//! Golden cases that PyTorch computed: `goldens/case.py` says what is in their files.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor};
use canet_ops::Value;
use serde_json::Value as Json;

use super::{by_candle, by_kernel, flat, vars};

/// Relative to the largest expected value of the tensor.
const TOLERANCE: f64 = 1e-4;
/// Tensors whose values are all below this are compared with an absolute tolerance: batch norm over
/// two values a channel has gradients that vanish, and f32 cannot hold what is left of them.
const FLOOR: f64 = 1e-2;

/// A golden case, and how it is to be checked.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) parameters: Json,
    pub(crate) tensors: BTreeMap<String, Tensor>,
    pub(crate) dtype: DType,
    pub(crate) plain: bool,
}

impl Case {
    pub(crate) fn get(&self, part: &str) -> Option<&Tensor> {
        self.tensors.get(part)
    }

    pub(crate) fn numbers(&self, key: &str) -> Vec<usize> {
        let values = self.parameters[key].as_array().unwrap();
        values.iter().map(|v| v.as_u64().unwrap() as usize).collect()
    }

    pub(crate) fn number(&self, key: &str) -> usize {
        self.parameters[key].as_u64().unwrap() as usize
    }

    pub(crate) fn check(&self, part: &str, actual: &Tensor) {
        let expected = self.get(part).unwrap_or_else(|| panic!("{} has no {part}", self.name));
        let (a, e) = (flat(actual), flat(expected));
        assert_eq!(a.len(), e.len(), "{} {part}", self.name);
        let largest = e.iter().fold(FLOOR, |m, v| m.max(v.abs()));
        let worst = a.iter().zip(&e).map(|(a, e)| (a - e).abs()).fold(0f64, f64::max);
        assert!(
            worst <= TOLERANCE * largest,
            "{} {part} ({:?}, plain {}): off by {worst:e} of {largest:e}",
            self.name,
            self.dtype,
            self.plain,
        );
    }

    /// Checks the output and, through the upstream gradient, those of the inputs it has.
    pub(crate) fn check_all(
        &self,
        inputs: &[&str],
        kernel: impl Fn(&[Value]) -> Result<Value>,
        plain: impl Fn(&[Tensor]) -> Result<Tensor>,
    ) -> Result<()> {
        let here = || inputs.iter().filter(|part| self.get(part).is_some());
        let inputs: Vec<Tensor> = here().filter_map(|part| self.get(part).cloned()).collect();
        let inputs = vars(&inputs, self.dtype);
        let upstream = |y: &Tensor| match self.get("gy") {
            Some(gy) => gy.clone(),
            None => y.ones_like().unwrap(),
        };
        let (y, gradients) = if self.plain {
            by_candle(&inputs, upstream, plain)?
        } else {
            by_kernel(&inputs, upstream, kernel)?
        };
        self.check("y", &y);
        for (part, gradient) in here().zip(gradients) {
            self.check(&format!("g{part}"), &gradient);
        }
        Ok(())
    }
}

/// The cases of a file, by name.
pub(crate) fn cases(file: &[u8], dtype: DType, plain: bool) -> Vec<Case> {
    let (_, header) = safetensors::SafeTensors::read_metadata(file).unwrap();
    let tensors = candle_core::safetensors::load_buffer(file, &Device::Cpu).unwrap();
    let tensors: BTreeMap<String, Tensor> = tensors.into_iter().collect();
    let metadata: BTreeMap<_, _> = header.metadata().clone().unwrap().into_iter().collect();
    metadata
        .into_iter()
        .map(|(name, parameters)| {
            let prefix = format!("{name}.");
            let own = tensors.iter().filter_map(|(key, tensor)| {
                let part = key.strip_prefix(&prefix).filter(|part| !part.contains('.'))?;
                let is_label = tensor.dtype() == DType::U8;
                let tensor =
                    if is_label { tensor.clone() } else { tensor.to_dtype(dtype).unwrap() };
                Some((part.to_owned(), tensor))
            });
            let tensors = own.collect();
            Case {
                parameters: serde_json::from_str(&parameters).unwrap(),
                name,
                tensors,
                dtype,
                plain,
            }
        })
        .collect()
}
