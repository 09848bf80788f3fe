//! The networks have exactly as many parameters as the authors' and the notebooks'.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

use canet_model::{
    AssignmentConfig, CanetConfig, Depth, Device, Frozen, Kind, ModelConfig, Network, Params, Part,
    Sizes, Stem,
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

/// A part's share of them, by names that reports show.
#[test]
fn parts_add_up_to_the_whole() {
    let count = |config: &ModelConfig| {
        let params = params(config);
        let parts = params.by_part();
        assert_eq!(parts.iter().map(|part| part.1).sum::<usize>(), params.trainable_count());
        parts
    };
    let expected = [
        ("backbone", 23_631_808),
        ("global_flow", 1_049_600),
        ("context_flows", 6_434_816),
        ("fsm", 1_246_208),
        ("low", 110_688),
        ("fuse", 700_928),
        ("head", 597_018),
    ];
    assert_eq!(count(&canet(|_| ())), expected.map(|(part, count)| (part.to_owned(), count)));
    let small = ModelConfig::Assignment(AssignmentConfig { classes: 21, ..Default::default() });
    let names: Vec<_> = count(&small).into_iter().map(|part| part.0).collect();
    let expected = ["backbone", "global_flow", "context_flows", "fsm", "agcn", "classifier"];
    assert_eq!(names, expected);
}

/// Billions of multiply-adds, counted by a re-implementation in PyTorch.
#[test]
fn multiply_adds_are_those_of_direct_convolution() {
    let assignment =
        |classes| ModelConfig::Assignment(AssignmentConfig { classes, ..Default::default() });
    for (config, sizes) in [
        (canet(|_| ()), &[([512, 512], 136.82), ([720, 1280], 480.95), ([1080, 1920], 1082.0)][..]),
        (canet(|c| c.depth = Depth::D101), &[([512, 512], 214.40), ([480, 480], 188.4)]),
        (canet(|c| c.stem = Stem::Classic), &[([512, 512], 129.74), ([720, 1280], 456.06)]),
        (canet(|c| c.rates = vec![2, 4, 8]), &[([512, 512], 136.79)]),
        (
            assignment(21),
            &[
                ([128, 128], 0.1115),
                ([256, 256], 0.4458),
                ([512, 512], 1.783),
                ([720, 1280], 6.270),
            ],
        ),
        (assignment(27), &[([512, 512], 1.840), ([720, 1280], 6.469)]),
    ] {
        let network = Network::new(&config, &mut Params::blank(&Device::Cpu)).unwrap();
        let frozen = Frozen::new(&network).unwrap();
        for &(size, expected) in sizes {
            let macs = frozen.macs(size).unwrap() as f64 * 1e-9;
            let error = (macs / expected - 1.0).abs();
            assert!(error < 5e-4, "{config:?} {size:?}: {macs}, not {expected}");
        }
        // What is said is what a run goes through.
        let mut seen = Vec::new();
        let sizes = Sizes::same([24, 32]);
        let mut watch = |name: &str, macs| seen.push((name.to_owned(), macs));
        frozen.mask_watched(sizes, |x| x.fill(0.5), &mut [0; 24 * 32], &mut watch).unwrap();
        assert_eq!(seen[1..seen.len() - 1], frozen.steps(sizes).unwrap());
        frozen.macs([0, 9]).unwrap_err();
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
