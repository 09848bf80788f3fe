//! Frozen batch norms and stochastic depth in a training pass of both networks.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod common;

use std::collections::BTreeMap;

use canet_model::{
    Device, FrozenNorms, Kind, ModelConfig, Network, Params, Part, Pass, Tensor, Value,
};
use common::{assignment, small_canet};

fn frames(batch: usize) -> Tensor {
    let count = (batch * 3 * 24 * 32) as f32;
    let values = Tensor::arange(0.0, count, &Device::Cpu).unwrap();
    values.sin().unwrap().reshape((batch, 3, 24, 32)).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn with(config: &ModelConfig, norms: FrozenNorms) -> (Network, Params) {
    let mut params = Params::new(3, &Device::Cpu).with_frozen_norms(norms);
    (Network::new(config, &mut params).unwrap(), params)
}

fn without_dropout(config: ModelConfig, stochastic_depth: f64) -> ModelConfig {
    match config {
        ModelConfig::Canet(config) => ModelConfig::Canet(canet_model::CanetConfig {
            dropout: 0.0,
            head_dropout: 0.0,
            stochastic_depth,
            ..config
        }),
        ModelConfig::Assignment(config) => {
            ModelConfig::Assignment(canet_model::AssignmentConfig { stochastic_depth, ..config })
        }
    }
}

fn logits(network: &Network, pass: Pass) -> Value {
    network.forward(&frames(3), pass).unwrap().logits
}

/// Whether the batch norm of a statistic stands in the backbone of `plain`, where none is frozen.
fn in_backbone(plain: &Params, statistic: &str) -> bool {
    let (norm, _) = statistic.rsplit_once('.').unwrap();
    let kind = plain.get(&format!("{norm}.weight")).unwrap().kind;
    matches!(kind, Kind::Trainable { part: Part::Backbone, .. })
}

#[test]
fn frozen_norms_neither_follow_batches_nor_learn() {
    for config in [small_canet(3), assignment(3)] {
        let (_, plain) = with(&config, FrozenNorms::None);
        for norms in [FrozenNorms::None, FrozenNorms::Backbone, FrozenNorms::All] {
            let (network, params) = with(&config, norms);
            let before: BTreeMap<_, _> =
                params.iter().map(|p| (p.name.clone(), flat(&p.var))).collect();
            let y = logits(&network, Pass::Train { draw: 7 });
            let seed = y.tensor().sin().unwrap();
            let mut gradients = y.backward_from(seed).unwrap();
            for param in params.iter() {
                let frozen = |name: &str| match norms {
                    FrozenNorms::None => false,
                    FrozenNorms::Backbone => in_backbone(&plain, name),
                    FrozenNorms::All => true,
                };
                if param.kind == Kind::Statistic {
                    let moved = flat(&param.var) != before[&param.name];
                    // The auxiliary head is run, too.
                    assert_eq!(moved, !frozen(&param.name), "{norms:?} {}", param.name);
                }
                let found = gradients.take(&param.var).is_some();
                let auxiliary = param.name.starts_with("aux.");
                assert_eq!(found, param.is_trainable() && !auxiliary, "{norms:?} {}", param.name);
            }
        }
    }
}

/// Without dropout, a pass over frozen norms is what a prediction computes.
#[test]
fn with_all_norms_frozen_training_and_prediction_agree() {
    for config in [small_canet(3), assignment(3)] {
        let (network, _) = with(&without_dropout(config, 0.0), FrozenNorms::All);
        let [trained, predicted] =
            [Pass::Train { draw: 1 }, Pass::Eval].map(|pass| flat(logits(&network, pass).tensor()));
        assert_eq!(trained, predicted);
    }
}

#[test]
fn stochastic_depth_draws_in_training_and_nowhere_else() {
    for config in [small_canet(3), assignment(3)] {
        let of = |depth, pass| {
            let config = without_dropout(config.clone(), depth);
            flat(logits(&with(&config, FrozenNorms::All).0, pass).tensor())
        };
        let train = |draw| Pass::Train { draw };
        assert_eq!(of(0.5, Pass::Eval), of(0.0, Pass::Eval));
        assert_eq!(of(0.0, train(1)), of(0.0, train(2)));
        assert_eq!(of(0.5, train(1)), of(0.5, train(1)));
        assert_ne!(of(0.5, train(1)), of(0.5, train(2)));
        assert_ne!(of(0.5, train(1)), of(0.0, train(1)));
    }
}
