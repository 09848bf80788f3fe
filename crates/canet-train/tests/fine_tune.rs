//! A network trained on some classes starts the training on others.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use canet_core::LabelMap;
use canet_data::dataset_spec::DatasetSpec;
use canet_data::prepare::{PrepareOptions, prepare};
use canet_data::sample::{SampleOptions, write_tree};
use canet_model::Checkpoint;
use common::{World, run};

/// The sample once more, by another label map.
fn prepare_as(world: &World, map: &str) {
    let options = SampleOptions { width: 96, height: 64, drives: 4, frames_per_drive: 3, seed: 1 };
    let raw = world.path("raw");
    write_tree(&options, &raw).unwrap();
    let options = PrepareOptions {
        label_map: Some(LabelMap::builtin(map).unwrap()),
        ..PrepareOptions::new(world.path("data/other"))
    };
    prepare(&raw, &DatasetSpec::builtin("sample").unwrap(), &options, &|_| {}).unwrap();
}

#[test]
fn a_run_starts_from_a_network_with_other_classes() {
    let world = World::new();
    prepare_as(&world, "idd-level1");
    run(world.training("first", &["--set", "epochs=1"]), 0);
    let model = "first/checkpoints/last.safetensors";
    let tune = |out: &str, more: &[&str]| {
        let mut command = world.command(&["--data", "data/other", "--out", out]);
        for set in ["epochs=1", "data.batch=2", "data.augment.crop=[64, 48]"] {
            command.args(["--set", set]);
        }
        command.args(more);
        command
    };
    let text = run(tune("second", &["--init", model]), 0);
    let first = Checkpoint::read(&world.path(model)).unwrap();
    let second = Checkpoint::read(&world.path("second/checkpoints/last.safetensors")).unwrap();
    let count = first.tensors.len();
    assert!(text.contains(&format!("{} parameters match; 2 left out", count - 2)), "{text}");
    assert!(text.contains("for the 21 classes of assignment-21, now the 7"), "{text}");
    assert_eq!(second.meta.classes.len(), 7);

    // It is a start, not a setting of the network: the same run without it ends elsewhere.
    run(tune("drawn", &[]), 0);
    let bytes = |name: &str| world.read(&format!("{name}/checkpoints/last.safetensors"));
    assert!(bytes("second") != bytes("drawn"));
    // The key does what the option does, and a run that goes on does not start again.
    let key = format!("init={model}");
    run(tune("third", &["--set", &key]), 0);
    assert!(bytes("second") == bytes("third"));
    run(tune("third", &["--set", &key, "--resume"]), 0);
    assert!(bytes("second") == bytes("third"));

    for (more, needle) in [
        (&["--init", model, "--set", "model.rates=[2, 2]"][..], "rates: [2,2] here, [2,2,2] there"),
        (&["--init", model, "--set", "model.network=canet"], "is another network"),
        (&["--init", "absent.safetensors"], "absent.safetensors"),
        (&["--init", model, "--backbone", model], "--backbone"),
        (&["--init", model, "--set", "backbone=x.safetensors"], "init must be alone"),
    ] {
        let text = run(tune("refused", more), 2);
        assert!(text.contains(needle), "{more:?}: {text}");
    }
    assert!(!world.path("refused").exists());
}
