//! Every loss, kernel and reference, against PyTorch's values and gradients. (Cross-entropy is with
//! the operations, in `goldens.rs`.)
//!
//! `goldens/make_loss_goldens.py` wrote the file: inputs exact in f32, arithmetic in f64.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use candle_core::{DType, Result};
use canet_ops::{
    Dice, DiceClasses, Focal, Ohem, cce_dice, dice, focal, lovasz_softmax, ohem, reference,
};

use common::golden::{Case, cases};

const FILE: &[u8] = include_bytes!("goldens/losses.safetensors");
const CASES: usize = 27;
const IGNORE: u8 = 255;

fn run(case: &Case) -> Result<()> {
    let targets = case.get("t").unwrap();
    let plain: Vec<u8> = targets.flatten_all()?.to_vec1()?;
    let class_weights = case.get("w").map(|w| w.to_dtype(DType::F32).unwrap().to_vec1());
    let class_weights = class_weights.transpose()?;
    let real = |key: &str| case.parameters[key].as_f64().unwrap();
    match case.parameters["op"].as_str().unwrap() {
        "focal" => {
            let options = Focal { ignore: IGNORE, gamma: real("gamma"), class_weights };
            case.check_all(
                &["x"],
                |t| focal(&t[0], targets, &options),
                |t| reference::focal(&t[0], &plain, &options),
            )
        }
        "ohem" => {
            let (threshold, min_kept) = (real("threshold"), real("min_kept"));
            let options = Ohem { ignore: IGNORE, threshold, min_kept, class_weights };
            case.check_all(
                &["x"],
                |t| ohem(&t[0], targets, &options),
                |t| reference::ohem(&t[0], &plain, &options),
            )
        }
        "dice" => {
            let all = case.parameters["every_class"] == true;
            let classes = if all { DiceClasses::All } else { DiceClasses::Present };
            let options = Dice { ignore: IGNORE, classes, smooth: real("smooth") };
            case.check_all(
                &["x"],
                |t| dice(&t[0], targets, &options),
                |t| reference::dice(&t[0], &plain, &options),
            )
        }
        "cce_dice" => case.check_all(
            &["x"],
            |t| cce_dice(&t[0], targets, IGNORE),
            |t| reference::cce_dice(&t[0], &plain, IGNORE),
        ),
        "lovasz" => case.check_all(
            &["x"],
            |t| lovasz_softmax(&t[0], targets, IGNORE),
            |t| reference::lovasz_softmax(&t[0], &plain, IGNORE),
        ),
        other => panic!("no check for {other}"),
    }
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
