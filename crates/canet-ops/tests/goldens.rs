//! Every operation, kernel and reference, against PyTorch's values and gradients.
//!
//! `goldens/make_goldens.py` wrote the file: inputs exact in f32, arithmetic in f64. So both float
//! types are checked on the same cases, f32 to its own rounding and f64 to the file's.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor, Var};
use canet_ops::{
    Activation, ConvGeometry, Corners, CrossEntropy, adaptive_avg_pool2d, batch_norm_frozen,
    batch_norm_train, conv2d, cross_entropy, max_pool2d, reference, resize_bilinear,
};
use serde_json::Value;

const FILE: &[u8] = include_bytes!("goldens/ops.safetensors");
const CASES: usize = 77;
/// Relative to the largest expected value of the tensor.
const TOLERANCE: f64 = 1e-4;
/// Tensors whose values are all below this are compared with an absolute tolerance: batch norm over
/// two values a channel has gradients that vanish, and f32 cannot hold what is left of them.
const FLOOR: f64 = 1e-2;

struct Case {
    name: String,
    parameters: Value,
    tensors: BTreeMap<String, Tensor>,
    dtype: DType,
    plain: bool,
}

impl Case {
    fn get(&self, part: &str) -> Option<&Tensor> {
        self.tensors.get(part)
    }

    fn var(&self, part: &str) -> Option<Var> {
        self.get(part).map(|t| Var::from_tensor(t).unwrap())
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
        let flat = |t: &Tensor| -> Vec<f64> {
            t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
        };
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

    /// Checks the output and, through the upstream gradient, those of all variables.
    fn check_all(&self, y: &Tensor, vars: &[(&str, Option<&Var>)]) -> Result<()> {
        self.check("y", y);
        let loss = match self.get("gy") {
            Some(gy) => (y * gy)?.sum_all()?,
            None => y.clone(),
        };
        let grads = loss.backward()?;
        for (part, var) in vars {
            if let Some(var) = var {
                let grad = grads.get(var).unwrap_or_else(|| panic!("{} has no {part}", self.name));
                self.check(part, grad);
            }
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
            "max_pool2d" => self.unary(|x| {
                let (k, s, p) = (self.number("kernel"), self.number("stride"), self.number("pad"));
                if self.plain { reference::max_pool2d(x, k, s, p) } else { max_pool2d(x, k, s, p) }
            }),
            "adaptive_avg_pool2d" => self.unary(|x| {
                let out = self.out();
                if self.plain {
                    reference::adaptive_avg_pool2d(x, out)
                } else {
                    adaptive_avg_pool2d(x, out)
                }
            }),
            "resize_bilinear" => self.unary(|x| {
                let aligned = self.parameters["align_corners"] == true;
                let corners = if aligned { Corners::Aligned } else { Corners::HalfPixel };
                if self.plain {
                    reference::resize_bilinear(x, self.out(), corners)
                } else {
                    resize_bilinear(x, self.out(), corners)
                }
            }),
            "cross_entropy" => self.cross_entropy(),
            other => panic!("no check for {other}"),
        }
    }

    fn out(&self) -> [usize; 2] {
        self.numbers("out").try_into().unwrap()
    }

    fn unary(&self, op: impl Fn(&Tensor) -> Result<Tensor>) -> Result<()> {
        let x = self.var("x").unwrap();
        self.check_all(&op(&x)?, &[("gx", Some(&x))])
    }

    fn conv2d(&self) -> Result<()> {
        let (x, w, b) = (self.var("x").unwrap(), self.var("w").unwrap(), self.var("b"));
        let pad = self.numbers("pad");
        let geometry = ConvGeometry {
            stride: self.numbers("stride").try_into().unwrap(),
            dilation: self.numbers("dilation").try_into().unwrap(),
            padding: [[pad[0], pad[1]], [pad[2], pad[3]]],
            groups: self.number("groups"),
            ..ConvGeometry::default()
        };
        let op = if self.plain { reference::conv2d } else { conv2d };
        let y = op(&x, &w, b.as_ref().map(Var::as_tensor), &geometry)?;
        self.check_all(&y, &[("gx", Some(&x)), ("gw", Some(&w)), ("gb", b.as_ref())])
    }

    fn batch_norm_train(&self) -> Result<()> {
        let (x, w, b) = (self.var("x").unwrap(), self.var("w").unwrap(), self.var("b").unwrap());
        let eps = self.parameters["eps"].as_f64().unwrap();
        let momentum = self.parameters["momentum"].as_f64().unwrap();
        let op = if self.plain { reference::batch_norm_train } else { batch_norm_train };
        let (y, stats) = op(&x, &w, &b, eps, self.activation())?;
        let moved = |old: &str, new: &Tensor| {
            (self.get(old).unwrap() * (1.0 - momentum))? + (new * momentum)?
        };
        self.check("rm1", &moved("rm0", &stats.mean)?);
        self.check("rv1", &moved("rv0", &stats.var)?);
        self.check_all(&y, &[("gx", Some(&x)), ("gw", Some(&w)), ("gb", Some(&b))])
    }

    fn batch_norm_frozen(&self) -> Result<()> {
        let (x, w, b) = (self.var("x").unwrap(), self.var("w").unwrap(), self.var("b").unwrap());
        let eps = self.parameters["eps"].as_f64().unwrap();
        let (mean, var) = (self.get("rm0").unwrap(), self.get("rv0").unwrap());
        let op = if self.plain { reference::batch_norm_frozen } else { batch_norm_frozen };
        let y = op(&x, &w, &b, mean, var, eps, self.activation())?;
        self.check_all(&y, &[("gx", Some(&x)), ("gw", Some(&w)), ("gb", Some(&b))])
    }

    fn cross_entropy(&self) -> Result<()> {
        let x = self.var("x").unwrap();
        let targets = self.get("t").unwrap();
        let class_weights = self.get("w").map(|w| w.to_dtype(DType::F32).unwrap().to_vec1());
        let class_weights = class_weights.transpose()?;
        let options = CrossEntropy { ignore: self.number("ignore") as u8, class_weights };
        let y = if self.plain {
            reference::cross_entropy(&x, &targets.flatten_all()?.to_vec1()?, &options)?
        } else {
            cross_entropy(&x, targets, &options)?
        };
        self.check_all(&y, &[("gx", Some(&x))])
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
