use candle_core::Var;
use canet_model::Device;

use super::*;
use crate::config::Config;

const CLASSES: usize = 3;

fn logits(salt: usize) -> Var {
    let values = (0..2 * CLASSES * 12).map(|i| ((i * 7 + salt * 5) % 23) as f32 / 7.0 - 1.5);
    let values = values.collect::<Vec<_>>();
    Var::from_tensor(&Tensor::from_vec(values, (2, CLASSES, 3, 4), &Device::Cpu).unwrap()).unwrap()
}

fn targets() -> Tensor {
    let values = (0..24u8).map(|i| if i % 5 == 4 { 255 } else { i % 3 }).collect::<Vec<_>>();
    Tensor::from_vec(values, (2, 3, 4), &Device::Cpu).unwrap()
}

/// The loss and the gradients of both heads, as bits.
fn bits(objective: &Objective, aux: bool) -> Vec<u32> {
    let (main, second) = (logits(0), logits(1));
    let output =
        Output { logits: Value::variable(&main), aux: aux.then(|| Value::variable(&second)) };
    let loss = loss(output, &targets(), objective).unwrap();
    let mut bits = vec![loss.tensor().to_scalar::<f32>().unwrap().to_bits()];
    let mut gradients = loss.backward().unwrap();
    for var in [main, second] {
        if let Some(gradient) = gradients.take(&var) {
            let values: Vec<f32> = gradient.flatten_all().unwrap().to_vec1().unwrap();
            bits.extend(values.into_iter().map(f32::to_bits));
        }
    }
    bits
}

fn parse(text: &str) -> LossConfig {
    Config::parse(&format!("[loss]\n{text}"), "test", &[]).unwrap().loss
}

fn value(text: &str, aux: bool) -> f32 {
    let objective = Objective::new(&parse(text), CLASSES, None).unwrap();
    f32::from_bits(bits(&objective, aux)[0])
}

/// What runs computed before losses had terms.
#[test]
fn the_default_is_plain_cross_entropy() {
    let options = CrossEntropy::default();
    let (main, second) = (logits(0), logits(1));
    let [a, b] =
        [&main, &second].map(|v| cross_entropy(&Value::variable(v), &targets(), &options).unwrap());
    let loss = add(&a, &scale(&b, 0.4).unwrap()).unwrap();
    let expected = loss.tensor().to_scalar::<f32>().unwrap().to_bits();
    let found = bits(&Objective::default(), true);
    assert_eq!(found[0], expected);
    let [a, b] = [&main, &second].map({
        let mut gradients = loss.backward().unwrap();
        move |var| gradients.take(var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
    });
    let expected: Vec<u32> = [a, b].concat().into_iter().map(f32::to_bits).collect();
    assert_eq!(found[1..], expected);
}

#[test]
fn terms_are_weighted_and_added_for_both_heads() {
    let kinds = ["cross-entropy", "ohem", "focal", "dice", "lovasz", "cce-dice"];
    let one = |kind: &str, aux| value(&format!("terms = [{{ kind = \"{kind}\" }}]"), aux);
    let weighted =
        |(i, kind): (usize, &&str)| format!("{{ kind = \"{kind}\", weight = {} }}", 0.5 + i as f64);
    let terms: Vec<String> = kinds.iter().enumerate().map(weighted).collect();
    for aux in [false, true] {
        let sum = value(&format!("terms = [{}]", terms.join(", ")), aux);
        let expected: f32 =
            kinds.iter().enumerate().map(|(i, kind)| (0.5 + i as f32) * one(kind, aux)).sum();
        assert!((sum - expected).abs() < 1e-4 * expected, "{sum} is not {expected}");
    }
    assert!(one("dice", true) > one("dice", false));
    let distinct: std::collections::BTreeSet<u32> =
        kinds.iter().map(|kind| one(kind, false).to_bits()).collect();
    assert_eq!(distinct.len(), kinds.len(), "no two kinds are the same loss");
}

#[test]
fn weights_of_classes_reach_the_terms_that_take_them() {
    for kind in ["cross-entropy", "ohem", "focal"] {
        let terms = format!("terms = [{{ kind = \"{kind}\" }}]");
        let even = value(&terms, false);
        let uneven = value(&format!("{terms}\nclass_weights = [1.0, 0.0, 3.0]"), false);
        assert!((even - uneven).abs() > 1e-3, "{kind}: {even} and {uneven}");
    }
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let statistics = SplitStatistics::default();
    for (weights, statistics, needle) in [
        ("[1.0, 2.0]", None, "has 2 weights; the data has 3 classes"),
        ("[0.0, 0.0, 0.0]", None, "one weight must be above 0"),
        ("\"median-frequency\"", None, "needs the manifest's statistics of 3 classes"),
        ("\"inverse-frequency\"", Some(&statistics), "needs the manifest's statistics"),
    ] {
        let config = parse(&format!("class_weights = {weights}"));
        let error = Objective::new(&config, CLASSES, statistics).unwrap_err().to_string();
        assert!(error.starts_with(KEY) && error.contains(needle), "{weights}: {error}");
    }
}
