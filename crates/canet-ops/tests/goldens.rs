//! Every operation, kernel and reference, against PyTorch's values and gradients.
//!
//! `goldens/make_goldens.py` wrote the file: inputs exact in f32, arithmetic in f64. So both float
//! types are checked on the same cases, f32 to its own rounding and f64 to the file's.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

use std::collections::BTreeMap;

mod common;

use candle_core::{DType, Device, Result, Tensor};
use canet_ops::{
    Activation, BatchStats, ConvGeometry, Corners, CrossEntropy, Value, adaptive_avg_pool2d,
    batch_norm_frozen, batch_norm_train, conv2d, cross_entropy, max_pool2d, reference,
    resize_bilinear,
};
use serde_json::Value as Json;

use common::{by_candle, by_kernel, flat, vars};

const FILE: &[u8] = include_bytes!("goldens/ops.safetensors");
const CASES: usize = 77;
/// Relative to the largest expected value of the tensor.
const TOLERANCE: f64 = 1e-4;
/// Tensors whose values are all below this are compared with an absolute tolerance: batch norm over
/// two values a channel has gradients that vanish, and f32 cannot hold what is left of them.
const FLOOR: f64 = 1e-2;

struct Case {
    name: String,
    parameters: Json,
    tensors: BTreeMap<String, Tensor>,
    dtype: DType,
    plain: bool,
}

impl Case {
    fn get(&self, part: &str) -> Option<&Tensor> {
        self.tensors.get(part)
    }

    fn numbers(&self, key: &str) -> Vec<usize> {
        let values = self.parameters[key].as_array().unwrap();
        values.iter().map(|v| v.as_u64().unwrap() as usize).collect()
    }

    fn number(&self, key: &str) -> usize {
        self.parameters[key].as_u64().unwrap() as usize
    }

    fn check(&self, part: &str, actual: &Tensor) {
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
    fn check_all(
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

    fn activation(&self) -> Activation {
        if self.parameters["relu"] == true { Activation::Relu } else { Activation::None }
    }

    fn run(&self) -> Result<()> {
        match self.parameters["op"].as_str().unwrap() {
            "conv2d" => self.conv2d(),
            "batch_norm_train" => self.batch_norm_train(),
            "batch_norm_frozen" => self.batch_norm_frozen(),
            "max_pool2d" => {
                let (k, s, p) = (self.number("kernel"), self.number("stride"), self.number("pad"));
                self.check_all(
                    &["x"],
                    |t| max_pool2d(&t[0], k, s, p),
                    |t| reference::max_pool2d(&t[0], k, s, p),
                )
            }
            "adaptive_avg_pool2d" => self.check_all(
                &["x"],
                |t| adaptive_avg_pool2d(&t[0], self.out()),
                |t| reference::adaptive_avg_pool2d(&t[0], self.out()),
            ),
            "resize_bilinear" => {
                let aligned = self.parameters["align_corners"] == true;
                let corners = if aligned { Corners::Aligned } else { Corners::HalfPixel };
                self.check_all(
                    &["x"],
                    |t| resize_bilinear(&t[0], self.out(), corners),
                    |t| reference::resize_bilinear(&t[0], self.out(), corners),
                )
            }
            "cross_entropy" => self.cross_entropy(),
            other => panic!("no check for {other}"),
        }
    }

    fn out(&self) -> [usize; 2] {
        self.numbers("out").try_into().unwrap()
    }

    fn conv2d(&self) -> Result<()> {
        let pad = self.numbers("pad");
        let geometry = ConvGeometry {
            stride: self.numbers("stride").try_into().unwrap(),
            dilation: self.numbers("dilation").try_into().unwrap(),
            padding: [[pad[0], pad[1]], [pad[2], pad[3]]],
            groups: self.number("groups"),
            ..ConvGeometry::default()
        };
        self.check_all(
            &["x", "w", "b"],
            |t| conv2d(&t[0], &t[1], t.get(2), &geometry),
            |t| reference::conv2d(&t[0], &t[1], t.get(2), &geometry),
        )
    }

    fn batch_norm_train(&self) -> Result<()> {
        let eps = self.parameters["eps"].as_f64().unwrap();
        let activation = self.activation();
        self.check_all(
            &["x", "w", "b"],
            |t| {
                let (y, stats) = batch_norm_train(&t[0], &t[1], &t[2], eps, None, activation)?;
                self.check_running(&stats)?;
                Ok(y)
            },
            |t| {
                let (y, stats) =
                    reference::batch_norm_train(&t[0], &t[1], &t[2], eps, None, activation)?;
                self.check_running(&stats)?;
                Ok(y)
            },
        )
    }

    /// The running statistics after the batch.
    fn check_running(&self, batch: &BatchStats) -> Result<()> {
        let momentum = self.parameters["momentum"].as_f64().unwrap();
        for (old, new, part) in [("rm0", &batch.mean, "rm1"), ("rv0", &batch.var, "rv1")] {
            let moved = (self.get(old).unwrap() * (1.0 - momentum))? + (new * momentum)?;
            self.check(part, &moved?);
        }
        Ok(())
    }

    fn batch_norm_frozen(&self) -> Result<()> {
        let eps = self.parameters["eps"].as_f64().unwrap();
        let activation = self.activation();
        let (mean, var) = (self.get("rm0").unwrap(), self.get("rv0").unwrap());
        self.check_all(
            &["x", "w", "b"],
            |t| batch_norm_frozen(&t[0], &t[1], &t[2], mean, var, eps, None, activation),
            |t| reference::batch_norm_frozen(&t[0], &t[1], &t[2], mean, var, eps, None, activation),
        )
    }

    fn cross_entropy(&self) -> Result<()> {
        let targets = self.get("t").unwrap();
        let class_weights = self.get("w").map(|w| w.to_dtype(DType::F32).unwrap().to_vec1());
        let class_weights = class_weights.transpose()?;
        let options = CrossEntropy { ignore: self.number("ignore") as u8, class_weights };
        let plain_targets: Vec<u8> = targets.flatten_all()?.to_vec1()?;
        self.check_all(
            &["x"],
            |t| cross_entropy(&t[0], targets, &options),
            |t| reference::cross_entropy(&t[0], &plain_targets, &options),
        )
    }
}

fn cases(dtype: DType, plain: bool) -> Vec<Case> {
    let (_, header) = safetensors::SafeTensors::read_metadata(FILE).unwrap();
    let tensors = candle_core::safetensors::load_buffer(FILE, &Device::Cpu).unwrap();
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

fn check_cases(dtype: DType, plain: bool) {
    let cases = cases(dtype, plain);
    assert_eq!(cases.len(), CASES);
    for case in cases {
        case.run().unwrap_or_else(|e| panic!("{}: {e}", case.name));
    }
}

#[test]
fn kernels_in_f32() {
    check_cases(DType::F32, false);
}

#[test]
fn kernels_in_f64() {
    check_cases(DType::F64, false);
}

#[test]
fn references_in_f32() {
    check_cases(DType::F32, true);
}

#[test]
fn references_in_f64() {
    check_cases(DType::F64, true);
}
