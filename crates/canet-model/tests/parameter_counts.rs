//! The networks have exactly as many parameters as the authors' and the notebooks'.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

use canet_model::{
    AssignmentConfig, CanetConfig, Depth, Device, Kind, ModelConfig, Network, Params, Part, Stem,
};

fn params(config: &ModelConfig) -> Params {
    let mut params = Params::blank(&Device::Cpu);
    Network::new(config, &mut params).unwrap();
    params
}

fn canet(change: impl FnOnce(&mut CanetConfig)) -> ModelConfig {
    let mut config = CanetConfig { classes: 26, ..Default::default() };
    change(&mut config);
    ModelConfig::Canet(config)
}

#[test]
fn counts_are_the_published_ones() {
    let assignment =
        |classes| ModelConfig::Assignment(AssignmentConfig { classes, ..Default::default() });
    for (config, expected) in [
        (canet(|_| ()), 33_771_066),
        (canet(|c| c.aux = true), 36_137_556),
        (canet(|c| c.depth = Depth::D101), 52_763_194),
        (canet(|c| c.stem = Stem::Classic), 33_647_290),
        (canet(|c| c.rates = vec![2, 4, 8]), 32_162_362),
        (canet(|c| c.feature_selection = false), 33_705_018),
        (assignment(21), 284_925),
        (assignment(26), 287_810),
    ] {
        assert_eq!(params(&config).trainable_count(), expected, "{config:?}");
    }
}

/// torchvision's ResNet-50 and ResNet-101 without their classifiers.
#[test]
fn classic_backbones_are_torchvisions() {
    for (depth, expected) in [(Depth::D50, 23_508_032), (Depth::D101, 42_500_160)] {
        let params = params(&canet(|c| (c.depth, c.stem) = (depth, Stem::Classic)));
        let backbone = params.trainable().filter(|param| param.name.starts_with("backbone."));
        assert_eq!(backbone.map(|param| param.var.elem_count()).sum::<usize>(), expected);
    }
}

#[test]
fn kinds_tell_parts_and_decay() {
    let params = params(&canet(|c| c.aux = true));
    let kind = |name: &str| params.get(name).unwrap().kind;
    let trainable = |part, decay| Kind::Trainable { part, decay };
    for (name, expected) in [
        ("backbone.conv1.0.weight", trainable(Part::Backbone, true)),
        ("backbone.layer4.2.bn3.bias", trainable(Part::Backbone, false)),
        ("backbone.layer1.0.downsample.1.running_var", Kind::Statistic),
        ("context_flows.3.depthwise1.conv.weight", trainable(Part::Head, true)),
        ("fsm.gate.bn.weight", trainable(Part::Head, false)),
        ("aux.classifier.bias", trainable(Part::Head, false)),
    ] {
        assert_eq!(kind(name), expected, "{name}");
    }
    let statistics: usize =
        params.iter().filter(|p| !p.is_trainable()).map(|p| p.var.elem_count()).sum();
    assert_eq!(statistics, 89_952);
}
