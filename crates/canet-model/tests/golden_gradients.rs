//! A training pass of both networks against an independent implementation, which
//! `goldens/make_goldens.py` is: the gradient of every parameter, and every running statistic.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod common;

use std::collections::BTreeMap;

use canet_model::{Device, Gradients, Network, Output, Pass, Tensor, Value, serde_json};
use common::golden::{self, Case, uniform};
use safetensors::SafeTensors;

/// Of nine entries in ten, relative to their norm. The other side computes in f64; here a few values
/// next to 0 fall on the other side of a ReLU, and batch norms over few values enlarge that.
const TOLERANCE: f64 = 0.02;
/// Of all entries: a missing or doubled share is beyond.
const LIMIT: f64 = 0.25;
/// Relative to the largest norm: gradients that cancel out to 0 are nothing but rounding.
const NOTHING: f64 = 1e-4;

#[test]
fn gradients_equal_the_independent_implementation() {
    let bytes = golden::read("gradients.safetensors");
    let goldens = SafeTensors::deserialize(&bytes).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let cases: BTreeMap<_, _> = header.metadata().iter().flatten().collect();
    assert_eq!(cases.len(), 3);
    for (name, json) in cases {
        let ours = entries(&serde_json::from_str(json).unwrap());
        let data = goldens.tensor(name).unwrap();
        let golden: Vec<f32> =
            data.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        assert_eq!(golden.len(), 2 * ours.len(), "{name}");
        let largest = golden.iter().step_by(2).fold(0.0, |a: f64, &b| a.max(b.into()));
        let mut differences = Vec::new();
        for ((entry, ours), golden) in ours.iter().zip(golden.as_chunks::<2>().0) {
            let golden = golden.map(f64::from);
            for (ours, golden_value) in ours.iter().zip(golden) {
                let difference = (ours - golden_value).abs() / (golden[0] + NOTHING * largest);
                assert!(difference <= LIMIT, "{name}, {entry}: {ours}, not {golden_value}");
                differences.push(difference);
            }
        }
        differences.sort_by(f64::total_cmp);
        let [most, all] = [9, 10].map(|tenths| differences[differences.len() * tenths / 10 - 1]);
        println!("{name}: nine of ten entries differ by at most {most:.1e}, all by {all:.1e}");
        assert!(most <= TOLERANCE, "{name}: a tenth differs by more than {most}");
    }
}

/// Norm, and product with noise, of every gradient and every statistic after the pass.
fn entries(case: &Case) -> BTreeMap<String, [f64; 2]> {
    let (network, params) = case.build();
    let x = golden::pictures(case.batch, case.size);
    let mut gradients = gradients(&network, &x);
    let entry = |name: &str, tensor: &Tensor| {
        let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let noise = uniform(&format!("noise.{name}"), values.len()).map(|u| u - 0.5);
        let squares: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
        [squares.sqrt(), values.iter().zip(noise).map(|(&v, noise)| f64::from(v) * noise).sum()]
    };
    let mut entries = BTreeMap::new();
    for param in params.iter() {
        let gradient = gradients.take(&param.var);
        assert_eq!(gradient.is_some(), param.is_trainable(), "{}", param.name);
        let tensor = gradient.unwrap_or_else(|| param.var.as_detached_tensor());
        entries.insert(param.name.clone(), entry(&param.name, &tensor));
    }
    entries
}

/// Those of the mean of all scores, weighted by noise.
fn gradients(network: &Network, x: &Tensor) -> Gradients {
    let Output { logits, aux } = network.forward(x, Pass::Train { draw: 0 }).unwrap();
    let count = logits.tensor().elem_count();
    let shape = logits.dims4().unwrap();
    let weighted = |name: &str, scores: &Value| {
        let noise = uniform(&format!("loss.{name}"), count).map(|u| (u - 0.5) as f32);
        let noise = Tensor::from_vec(noise.collect::<Vec<_>>(), shape, &Device::Cpu).unwrap();
        canet_ops::gate(scores, &Value::from(noise), false).unwrap()
    };
    let mut sum = weighted("logits", &logits);
    if let Some(aux) = aux {
        sum = canet_ops::add(&sum, &weighted("aux", &aux)).unwrap();
    }
    let share = (sum.tensor().ones_like().unwrap() / count as f64).unwrap();
    sum.backward_from(share).unwrap()
}
