//! Exported files, run by another engine, against the networks that they were made from.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test's helpers may panic, and figures are for the reader of the log"
)]

use canet_model::{
    AssignmentConfig, CanetConfig, Checkpoint, CheckpointMeta, Class, ClassSet, Depth, Device,
    Fault, ModelConfig, Network, Params, Precision, Rgb, Stem, Tensor,
};
use canet_onnx::check::{Agreement, compare};
use canet_onnx::{Error, ExportOptions, Model, Outputs, Size, export};

/// Of the largest score.
const TOLERANCE: f32 = 1e-3;

fn canet(stem: Stem, feature_selection: bool) -> ModelConfig {
    ModelConfig::Canet(CanetConfig {
        depth: Depth::D18,
        stem,
        classes: 5,
        capacity: 16,
        rates: vec![2, 3],
        feature_selection,
        aux: true,
        ..Default::default()
    })
}

fn assignment() -> ModelConfig {
    ModelConfig::Assignment(AssignmentConfig { classes: 5, ..Default::default() })
}

fn networks() -> [(&'static str, ModelConfig); 3] {
    [
        ("deep stem, gate", canet(Stem::V1s, true)),
        ("classic stem, no gate", canet(Stem::Classic, false)),
        ("assignment", assignment()),
    ]
}

fn meta(config: &ModelConfig) -> CheckpointMeta {
    let class = |id: u8| Class { name: format!("class \"{id}\""), color: Rgb([50 * id, 9, 128]) };
    let classes = ClassSet { name: "test".into(), classes: (0..5).map(class).collect() };
    CheckpointMeta::new(config.clone(), classes)
}

/// A network whose norms are not the identity, and whose scores are far apart.
fn build(config: &ModelConfig) -> (Network, Params) {
    let mut params = Params::new(3, &Device::Cpu);
    let network = Network::new(config, &mut params).unwrap();
    for (param, salt) in params.iter().zip(1..) {
        if let &[channels] = param.var.dims() {
            let value = |i: usize| 0.5 + ((i * 37 + salt) % 101) as f32 / 101.0;
            let values = (0..channels).map(value).collect();
            let values = Tensor::from_vec(values, channels, &Device::Cpu).unwrap();
            param.var.set(&values).unwrap();
        }
    }
    (network, params)
}

fn model(config: &ModelConfig) -> Model {
    let (network, params) = build(config);
    Model::new(&network, &params, meta(config)).unwrap()
}

fn checked(name: &str, model: &Model, options: &ExportOptions) -> Agreement {
    let file = export(model, options).unwrap();
    let agreement = compare(file, model, options).unwrap_or_else(|e| panic!("{name}: {e}"));
    println!("{name}, {options:?}: {agreement:?}");
    agreement.tolerate(TOLERANCE).unwrap_or_else(|e| panic!("{name}, {options:?}: {e}"))
}

#[test]
fn another_engine_computes_the_same() {
    for (name, config) in networks() {
        let model = model(&config);
        // Sides that the bins divide, and sides that they do not.
        for size in [Size::Dynamic, Size::Fixed([64, 96]), Size::Fixed([45, 75])] {
            let agreement =
                checked(name, &model, &ExportOptions { size, ..ExportOptions::default() });
            assert!(agreement.equal_labels > 0.999, "{name}, {size:?}: {agreement:?}");
            assert_eq!(agreement.pictures, if size == Size::Dynamic { 8 } else { 2 });
        }
    }
}

#[test]
fn half_the_weights_are_a_file_of_half_the_size() {
    for (name, config) in networks() {
        let model = model(&config);
        let len = |weights| {
            export(&model, &ExportOptions { weights, ..ExportOptions::default() }).unwrap().len()
                as f64
        };
        let share = len(Precision::F16) / len(Precision::F32);
        assert!((0.5..0.53).contains(&share), "{name}: {share}");
        for size in [Size::Dynamic, Size::Fixed([45, 75])] {
            let options =
                ExportOptions { size, weights: Precision::F16, ..ExportOptions::default() };
            let agreement = checked(name, &model, &options);
            assert!(agreement.equal_labels > 0.97, "{name}, {size:?}: {agreement:?}");
        }
    }
}

#[test]
fn labels_come_with_the_logits_or_alone() {
    let model = model(&assignment());
    for outputs in [Outputs::Labels, Outputs::Both] {
        let options =
            ExportOptions { outputs, size: Size::Fixed([40, 56]), ..ExportOptions::default() };
        let agreement = checked("labels", &model, &options);
        assert!(agreement.equal_labels > 0.999);
    }
}

/// The smallest pictures, where one bin and one pixel are left of everything.
#[test]
fn the_least_sides_are_run() {
    for (name, config) in networks() {
        let model = model(&config);
        let least = model.lowered().least_side();
        let size = Size::Fixed([least; 2]);
        checked(name, &model, &ExportOptions { size, ..ExportOptions::default() });
    }
}

/// A check that finds nothing wrong with anything would be worthless.
#[test]
fn the_check_notices_another_network() {
    let options = ExportOptions { size: Size::Fixed([40, 56]), ..ExportOptions::default() };
    let (network, params) = build(&assignment());
    let file = export(&Model::new(&network, &params, meta(&assignment())).unwrap(), &options);
    let bias = params.iter().find(|param| param.name == "classifier.bias").unwrap();
    bias.var.set(&Tensor::new(&[9.0_f32, 0.0, 0.0, 0.0, 0.0], &Device::Cpu).unwrap()).unwrap();
    let other = Model::new(&network, &params, meta(&assignment())).unwrap();
    let agreement = compare(file.unwrap(), &other, &options).unwrap();
    let error = agreement.tolerate(TOLERANCE).unwrap_err();
    assert!(matches!(error, Error::Differs { .. }), "{error}");
    assert_eq!(error.fault(), Fault::Bug);
    // And bytes that are no ONNX file at all.
    let error = compare(vec![7; 100], &other, &options).unwrap_err();
    assert!(matches!(error, Error::Engine(_)), "{error}");
}

#[test]
fn equal_models_give_equal_files() {
    let path = std::env::temp_dir().join(format!("canet-onnx-{}.safetensors", std::process::id()));
    let read = |config: &ModelConfig| {
        Checkpoint::save(&path, &build(config).1, &meta(config), &[]).unwrap();
        Model::from_checkpoint(Checkpoint::read(&path).unwrap()).unwrap()
    };
    for weights in [Precision::F32, Precision::F16] {
        for size in [Size::Dynamic, Size::Fixed([45, 75])] {
            let options = ExportOptions { weights, size, ..ExportOptions::default() };
            let file = |model: &Model| export(model, &options).unwrap();
            assert!(file(&model(&assignment())) == file(&read(&assignment())), "{options:?}");
        }
    }
    // An auxiliary head is left out, and so it is from the description.
    let with_aux = read(&canet(Stem::Classic, true));
    checked("of a checkpoint", &with_aux, &ExportOptions::default());
    let file = export(&with_aux, &ExportOptions::default()).unwrap();
    let has = |text: &str| file.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(has("\"aux\":false") && !has("\"aux\":true"));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let model = model(&assignment());
    for size in [[1, 40], [40, 0], [16_385, 40], [usize::MAX, usize::MAX]] {
        let options = ExportOptions { size: Size::Fixed(size), ..ExportOptions::default() };
        let error = export(&model, &options).unwrap_err();
        assert!(matches!(error, Error::Size { least: 2, .. }), "{error}");
        assert!(error.to_string().contains("from 2 to 16384"), "{error}");
        assert_eq!(error.fault(), Fault::Usage);
    }
    let (network, params) = build(&assignment());
    let set = |value: f32| {
        let weight = params.iter().find(|param| param.name == "classifier.weight").unwrap();
        weight.var.set(&(weight.var.ones_like().unwrap() * f64::from(value)).unwrap()).unwrap();
        Model::new(&network, &params, meta(&assignment()))
    };
    let large = set(70_000.0).unwrap();
    // What half precision cannot hold is left as it is.
    let options = ExportOptions { weights: Precision::F16, ..ExportOptions::default() };
    checked("large weights", &large, &options);
    let error = set(f32::NAN).unwrap_err();
    assert_eq!((error.fault(), error.to_string().contains("not finite")), (Fault::Data, true));
    let error = Model::new(&network, &params, meta(&canet(Stem::V1s, true))).unwrap_err();
    assert_eq!(error.fault(), Fault::Usage);
}
