//! Every operation, kernel and reference, against PyTorch's values and gradients.
//!
//! `goldens/make_goldens.py` wrote the file: inputs exact in f32, arithmetic in f64. So both float
//! types are checked on the same cases, f32 to its own rounding and f64 to the file's.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use candle_core::{DType, Result};
use canet_ops::{
    Activation, BatchStats, ConvGeometry, Corners, CrossEntropy, adaptive_avg_pool2d,
    batch_norm_frozen, batch_norm_train, conv2d, cross_entropy, max_pool2d, reference,
    resize_bilinear,
};
use common::golden::{Case, cases};

const FILE: &[u8] = include_bytes!("goldens/ops.safetensors");
const CASES: usize = 77;

fn activation_of(case: &Case) -> Activation {
    if case.parameters["relu"] == true { Activation::Relu } else { Activation::None }
}

fn run(case: &Case) -> Result<()> {
    match case.parameters["op"].as_str().unwrap() {
        "conv2d" => check_conv2d(case),
        "batch_norm_train" => check_norm_train(case),
        "batch_norm_frozen" => check_norm_frozen(case),
        "max_pool2d" => {
            let (k, s, p) = (case.number("kernel"), case.number("stride"), case.number("pad"));
            case.check_all(
                &["x"],
                |t| max_pool2d(&t[0], k, s, p),
                |t| reference::max_pool2d(&t[0], k, s, p),
            )
        }
        "adaptive_avg_pool2d" => case.check_all(
            &["x"],
            |t| adaptive_avg_pool2d(&t[0], out_of(case)),
            |t| reference::adaptive_avg_pool2d(&t[0], out_of(case)),
        ),
        "resize_bilinear" => {
            let aligned = case.parameters["align_corners"] == true;
            let corners = if aligned { Corners::Aligned } else { Corners::HalfPixel };
            case.check_all(
                &["x"],
                |t| resize_bilinear(&t[0], out_of(case), corners),
                |t| reference::resize_bilinear(&t[0], out_of(case), corners),
            )
        }
        "cross_entropy" => check_cross_entropy(case),
        other => panic!("no check for {other}"),
    }
}

fn out_of(case: &Case) -> [usize; 2] {
    case.numbers("out").try_into().unwrap()
}

fn check_conv2d(case: &Case) -> Result<()> {
    let pad = case.numbers("pad");
    let geometry = ConvGeometry {
        stride: case.numbers("stride").try_into().unwrap(),
        dilation: case.numbers("dilation").try_into().unwrap(),
        padding: [[pad[0], pad[1]], [pad[2], pad[3]]],
        groups: case.number("groups"),
        ..ConvGeometry::default()
    };
    case.check_all(
        &["x", "w", "b"],
        |t| conv2d(&t[0], &t[1], t.get(2), &geometry),
        |t| reference::conv2d(&t[0], &t[1], t.get(2), &geometry),
    )
}

fn check_norm_train(case: &Case) -> Result<()> {
    let eps = case.parameters["eps"].as_f64().unwrap();
    let activation = activation_of(case);
    case.check_all(
        &["x", "w", "b"],
        |t| {
            let (y, stats) = batch_norm_train(&t[0], &t[1], &t[2], eps, None, activation)?;
            check_running(case, &stats)?;
            Ok(y)
        },
        |t| {
            let (y, stats) =
                reference::batch_norm_train(&t[0], &t[1], &t[2], eps, None, activation)?;
            check_running(case, &stats)?;
            Ok(y)
        },
    )
}

/// The running statistics after the batch.
fn check_running(case: &Case, batch: &BatchStats) -> Result<()> {
    let momentum = case.parameters["momentum"].as_f64().unwrap();
    for (old, new, part) in [("rm0", &batch.mean, "rm1"), ("rv0", &batch.var, "rv1")] {
        let moved = (case.get(old).unwrap() * (1.0 - momentum))? + (new * momentum)?;
        case.check(part, &moved?);
    }
    Ok(())
}

fn check_norm_frozen(case: &Case) -> Result<()> {
    let eps = case.parameters["eps"].as_f64().unwrap();
    let activation = activation_of(case);
    let (mean, var) = (case.get("rm0").unwrap(), case.get("rv0").unwrap());
    case.check_all(
        &["x", "w", "b"],
        |t| batch_norm_frozen(&t[0], &t[1], &t[2], mean, var, eps, None, activation),
        |t| reference::batch_norm_frozen(&t[0], &t[1], &t[2], mean, var, eps, None, activation),
    )
}

fn check_cross_entropy(case: &Case) -> Result<()> {
    let targets = case.get("t").unwrap();
    let class_weights = case.get("w").map(|w| w.to_dtype(DType::F32).unwrap().to_vec1());
    let class_weights = class_weights.transpose()?;
    let options = CrossEntropy { ignore: case.number("ignore") as u8, class_weights };
    let plain_targets: Vec<u8> = targets.flatten_all()?.to_vec1()?;
    case.check_all(
        &["x"],
        |t| cross_entropy(&t[0], targets, &options),
        |t| reference::cross_entropy(&t[0], &plain_targets, &options),
    )
}

fn check_cases(dtype: DType, plain: bool) {
    let cases = cases(FILE, dtype, plain);
    assert_eq!(cases.len(), CASES);
    for case in cases {
        run(&case).unwrap_or_else(|e| panic!("{}: {e}", case.name));
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
