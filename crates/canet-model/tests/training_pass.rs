//! A training pass of both networks: finite, with a gradient for every trainable parameter.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod common;

use std::collections::BTreeMap;

use canet_model::{DType, Device, Gradients, ModelConfig, Network, Params, Pass, Tensor};
use common::{assignment, build, small_canet};

const TRAIN: Pass = Pass::Train { draw: 7 };

fn frames(batch: usize, [h, w]: [usize; 2]) -> Tensor {
    let count = (batch * 3 * h * w) as f32;
    let values = Tensor::arange(0.0, count, &Device::Cpu).unwrap();
    values.sin().unwrap().reshape((batch, 3, h, w)).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn finite(tensor: &Tensor) -> bool {
    values(tensor).iter().all(|value| value.is_finite())
}

/// Of a weighted mean of all outputs: the plain mean has no gradient before a batch norm.
fn gradients(network: &Network, x: &Tensor) -> Gradients {
    let output = network.forward(x, TRAIN).unwrap();
    let sum = match &output.aux {
        Some(aux) => canet_ops::add(&output.logits, aux).unwrap(),
        None => output.logits,
    };
    assert!(finite(sum.tensor()));
    let count = sum.tensor().elem_count() as f32;
    let weights = Tensor::arange(0.0, count, &Device::Cpu).unwrap().cos().unwrap();
    let weights = (weights / f64::from(count)).unwrap().reshape(sum.tensor().shape()).unwrap();
    sum.backward_from(weights).unwrap()
}

/// Whether this is the bias of a convolution that a batch norm follows, which takes it off again. (In the global flow
/// the norm comes first.)
fn is_taken_off(name: &str, params: &Params) -> bool {
    let name = if name.starts_with("global_flow.") { "" } else { name };
    let norm = name.strip_suffix(".bias").and_then(|conv| conv.rsplit_once("conv"));
    norm.is_some_and(|(path, number)| params.get(&format!("{path}bn{number}.weight")).is_some())
}

fn trains(config: &ModelConfig, batch: usize, size: [usize; 2]) -> Params {
    let (network, params) = build(config, 3);
    let mut gradients = gradients(&network, &frames(batch, size));
    let mut largest = BTreeMap::new();
    for param in params.trainable() {
        let gradient = gradients.take(&param.var).unwrap_or_else(|| panic!("{}", param.name));
        assert_eq!(gradient.dims(), param.var.dims(), "{}", param.name);
        assert!(finite(&gradient), "{} has a gradient that is not finite", param.name);
        let magnitudes = values(&gradient).into_iter().map(f32::abs);
        largest.insert(param.name.as_str(), magnitudes.fold(0.0, f32::max));
    }
    let (taken_off, others): (Vec<_>, Vec<_>) =
        largest.iter().partition(|(name, _)| is_taken_off(name, &params));
    // With a single value a channel a norm has the running statistics, and takes nothing off.
    for (name, &bias) in taken_off.into_iter().filter(|_| batch > 1) {
        let weight = largest[name.replace(".bias", ".weight").as_str()];
        assert!(bias <= 1e-3 * weight, "{name}: {bias}, the weight's is {weight}");
    }
    let count = others.len();
    let nonzero = others.into_iter().filter(|&(_, &largest)| largest > 0.0).count();
    assert!(nonzero * 10 > count * 9, "only {nonzero} of {count} gradients are not zero");
    for param in params.iter() {
        assert!(finite(&param.var), "{}", param.name);
        let statistic = !param.is_trainable();
        assert!(!statistic || gradients.take(&param.var).is_none(), "{}", param.name);
    }
    params
}

#[test]
fn every_trainable_parameter_has_a_finite_gradient() {
    trains(&small_canet(3), 2, [40, 56]);
    trains(&assignment(3), 2, [36, 52]);
}

/// Behind a global pooling, a batch of one has a single value a channel. Its batch norm keeps to
/// the running statistics; all others move theirs.
#[test]
fn a_batch_of_one_is_never_nan_and_leaves_single_value_statistics_alone() {
    for (config, lonely) in [
        (small_canet(3), &["global_flow.bn.", "fsm.gate.bn."][..]),
        (assignment(3), &["global_flow.bn.", "fsm.gate.bn."]),
    ] {
        let params = trains(&config, 1, [160, 136]);
        for param in params.iter().filter(|param| param.name.ends_with("running_mean")) {
            let moved = values(&param.var).iter().any(|&mean| mean != 0.0);
            let alone = lonely.iter().any(|start| param.name.starts_with(start))
                // 160 / 8 / 16 and 136 / 8 / 16 are 1: the coarsest flow, too, pools to one pixel.
                || (param.name.starts_with("context_flows.3.") && param.name.contains(".bn."));
            assert_eq!(moved, !alone, "{}", param.name);
        }
    }
}

#[test]
fn the_smallest_pictures_pass() {
    for (config, least) in [(small_canet(2), 1), (assignment(2), 2)] {
        let (network, _) = build(&config, 3);
        assert_eq!(network.least_side(), least);
        for pass in [TRAIN, Pass::Eval] {
            let output = network.forward(&frames(1, [least, least]), pass).unwrap();
            assert!(finite(output.logits.tensor()));
            // Or else a prediction would keep all its intermediate results.
            assert_eq!(output.logits.is_tracked(), pass == TRAIN);
            assert_eq!(output.logits.tensor().dims(), [1, 2, least, least]);
        }
    }
    let (network, _) = build(&assignment(2), 3);
    for shape in [vec![1, 3, 1, 4], vec![0, 3, 8, 8], vec![1, 4, 8, 8], vec![3, 8, 8]] {
        let x = Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        let error = network.forward(&x, Pass::Eval).unwrap_err().to_string();
        assert!(error.contains("at least 2"), "{error}");
    }
}

#[test]
fn passes_are_functions_of_their_draw() {
    let logits = |draw| {
        let (network, _) = build(&small_canet(2), 3);
        let output = network.forward(&frames(2, [32, 32]), Pass::Train { draw }).unwrap();
        values(output.logits.tensor())
    };
    assert_eq!(logits(1), logits(1));
    assert_ne!(logits(1), logits(2));
}

/// The backbone of a network with an auxiliary head starts as that of one without.
#[test]
fn parameters_depend_on_seed_and_name_only() {
    let (_, with) = build(&small_canet(2), 5);
    let ModelConfig::Canet(mut config) = small_canet(2) else { unreachable!() };
    config.aux = false;
    let (_, without) = build(&ModelConfig::Canet(config), 5);
    for param in without.iter() {
        assert_eq!(values(&param.var), values(&with.get(&param.name).unwrap().var));
    }
    let mut twice = without.clone();
    let error = Network::new(&small_canet(2), &mut twice).unwrap_err().to_string();
    assert!(error.contains("defined twice"), "{error}");
}
