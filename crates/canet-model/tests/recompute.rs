//! Stages that are computed again give what stages that are kept give, to the bit.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod common;

use canet_model::BackboneStage::{Layer1, Layer2, Layer3, Layer4, Stem};
use canet_model::{
    BackboneStage, CanetConfig, Depth, Device, FrozenNorms, Kind, ModelConfig, Network, Params,
    Pass, Tensor,
};
use common::{assignment, build, small_canet};

fn bits(tensor: &Tensor) -> Vec<u32> {
    let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

/// With an auxiliary head, dropout in three places and stochastic depth.
fn config(depth: Depth, stem: canet_model::Stem) -> ModelConfig {
    let ModelConfig::Canet(config) = small_canet(3) else { unreachable!() };
    let random = CanetConfig { stochastic_depth: 0.5, dropout: 0.3, head_dropout: 0.3, ..config };
    ModelConfig::Canet(CanetConfig { depth, stem, aux: true, ..random })
}

/// Logits, gradients and all parameters after a training pass, by every bit.
#[derive(Debug, PartialEq)]
struct After {
    outputs: [Vec<u32>; 2],
    gradients: Vec<(String, Option<Vec<u32>>)>,
    statistics: Vec<(String, Vec<u32>)>,
}

impl After {
    fn of(config: &ModelConfig, norms: FrozenNorms, stages: &[BackboneStage]) -> Self {
        let mut params = Params::new(3, &Device::Cpu).with_frozen_norms(norms);
        let network = Network::new(config, &mut params).unwrap().with_recompute(stages).unwrap();
        let count = 3 * 3 * 40 * 56;
        let x = Tensor::arange(0f32, count as f32, &Device::Cpu).unwrap().sin().unwrap();
        let x = x.reshape((3, 3, 40, 56)).unwrap();
        let output = network.forward(&x, Pass::Train { draw: 7 }).unwrap();
        let aux = output.aux.unwrap();
        let outputs = [&output.logits, &aux].map(|value| bits(value.tensor()));
        let sum = canet_ops::add(&output.logits, &aux).unwrap();
        let seed = sum.tensor().cos().unwrap();
        let mut found = sum.backward_from(seed).unwrap();
        let gradient = |var| found.take(var).as_ref().map(bits);
        let name = |param: &canet_model::Param| param.name.clone();
        let mut gradient_of = gradient;
        let gradients = params.trainable().map(|p| (name(p), gradient_of(&p.var))).collect();
        let statistics = params.iter().filter(|p| p.kind == Kind::Statistic);
        let statistics = statistics.map(|p| (name(p), bits(&p.var))).collect();
        Self { outputs, gradients, statistics }
    }
}

#[test]
fn results_gradients_and_statistics_are_the_same_to_the_bit() {
    let (basic, bottleneck) = (
        config(Depth::D18, canet_model::Stem::Classic),
        config(Depth::D50, canet_model::Stem::V1s),
    );
    let cases: [(&ModelConfig, FrozenNorms, &[&[BackboneStage]]); 3] = [
        (
            &basic,
            FrozenNorms::None,
            &[&BackboneStage::ALL, &[Stem], &[Layer1], &[Layer2, Layer3], &[Layer4]],
        ),
        (&basic, FrozenNorms::Backbone, &[&BackboneStage::ALL]),
        (&bottleneck, FrozenNorms::None, &[&BackboneStage::ALL]),
    ];
    for (config, norms, choices) in cases {
        let kept = After::of(config, norms, &[]);
        assert!(kept.gradients.iter().all(|(_, gradient)| gradient.is_some()));
        for stages in choices {
            let again = After::of(config, norms, stages);
            // Not at once: the difference would be pages.
            assert!(kept.outputs == again.outputs, "{stages:?} {norms:?}");
            assert!(kept.statistics == again.statistics, "{stages:?} {norms:?}");
            for (kept, again) in kept.gradients.iter().zip(&again.gradients) {
                assert!(kept == again, "{stages:?} {norms:?}: the gradient of {}", kept.0);
            }
        }
    }
}

#[test]
fn an_unrecorded_pass_moves_statistics_and_a_repeated_one_has_gradients() {
    let x = Tensor::arange(0f32, 2.0 * 3.0 * 32.0 * 32.0, &Device::Cpu).unwrap().sin().unwrap();
    let x = x.reshape((2, 3, 32, 32)).unwrap();
    let run = |pass| {
        let (network, params) = build(&config(Depth::D18, canet_model::Stem::Classic), 3);
        let logits = network.forward(&x, pass).unwrap().logits;
        let statistic = params.get("backbone.bn1.running_mean").unwrap();
        (bits(logits.tensor()), logits.is_tracked(), bits(&statistic.var))
    };
    let (logits, tracked, moved) = run(Pass::Train { draw: 5 });
    assert!(tracked);
    assert_eq!(run(Pass::Unrecorded { draw: 5 }), (logits.clone(), false, moved.clone()));
    let (again, tracked, still) = run(Pass::Repeated { draw: 5 });
    assert!(again == logits && tracked);
    assert!(still.iter().all(|&bits| bits == 0) && still != moved);
}

#[test]
fn a_prediction_is_computed_once_and_the_small_network_refuses() {
    let (network, _) = build(&small_canet(2), 3);
    let network = network.with_recompute(&BackboneStage::ALL).unwrap();
    let x = Tensor::zeros((1, 3, 16, 16), canet_model::DType::F32, &Device::Cpu).unwrap();
    assert!(!network.forward(&x, Pass::Eval).unwrap().logits.is_tracked());
    let (network, _) = build(&assignment(2), 3);
    let error = network.clone().with_recompute(&[Layer1]).unwrap_err();
    assert_eq!(error.fault(), canet_model::Fault::Usage);
    assert!(error.to_string().contains("canet alone"), "{error}");
    network.with_recompute(&[]).unwrap();
}
