//! Mistakes and broken data: the exit code by kind, a message with file and place, nothing lost.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use common::{World, run};

#[test]
fn mistakes_in_the_command_or_configuration_exit_2() {
    let world = World::new();
    std::fs::write(world.path("typo.toml"), "epohcs = 3\n").unwrap();
    std::fs::write(world.path("broken.toml"), "epochs = \n").unwrap();
    for (arguments, needle) in [
        (&["--config", "typo.toml"][..], "did you mean `epochs`"),
        (&["--config", "broken.toml"], "broken.toml"),
        (&["--config", "absent.toml"], "absent.toml"),
        (&["--set", "optimizer.rate=1"], "unknown key `rate`"),
        (&["--set", "model.network=unet"], "canet-assignment"),
        (
            &[
                "--set",
                "backbone=absent.safetensors",
                "--set",
                "model.network=canet",
                "--set",
                "model.batch_norm_momentum=0.1",
            ],
            "absent.safetensors",
        ),
        (
            &["--set", "data.augment.copy_rare={ chance = 0.5, classes = [\"rivers\"] }"],
            "copy_rare.classes: names \"rivers\"",
        ),
        (&["--threads", "0"], "at least 1"),
        (&["--device", "tpu"], "tpu"),
        (&["--device", "cuda:0"], "--features cuda"),
        (&["--device", "metal"], "--features metal"),
        (&["--colour"], "--colour"),
        (&["--resume"], "--out"),
    ] {
        let text = run(world.command(arguments), 2);
        assert!(text.contains(needle), "{arguments:?}: {text}");
    }
    assert!(!world.path("runs").exists(), "nothing may be written for a mistake");
}

#[test]
fn broken_data_exits_3_and_names_the_file() {
    let world = World::new();
    run(world.command(&["--data", "nowhere"]), 3);
    std::fs::create_dir(world.path("empty")).unwrap();
    let text = run(world.command(&["--data", "empty"]), 3);
    assert!(text.contains("download-and-prepare"), "{text}");
    // A mask with a value that is no class.
    let mask = first_file(&world.path("data/sample/masks/train"));
    let good = std::fs::read(&mask).unwrap();
    let classes = canet_core::LabelMap::builtin("assignment-21").unwrap().classes().clone();
    let (w, h) = image::image_dimensions(&mask).unwrap();
    let foreign = canet_core::Mask::filled(w, h, canet_core::ClassId(77)).to_png(&classes);
    std::fs::write(&mask, foreign).unwrap();
    let text = run(world.training("run", &[]), 3);
    assert!(
        text.contains("77") && text.contains(mask.file_name().unwrap().to_str().unwrap()),
        "{text}"
    );
    // A truncated one, then a broken frame.
    std::fs::write(&mask, &good[..good.len() / 2]).unwrap();
    run(world.training("run2", &[]), 3);
    std::fs::write(&mask, &good).unwrap();
    let image = first_file(&world.path("data/sample/images/val"));
    std::fs::write(&image, b"not a picture").unwrap();
    let text = run(world.training("run3", &[]), 3);
    assert!(text.contains(image.file_name().unwrap().to_str().unwrap()), "{text}");
    // What was saved last is from before the first step; nothing half-written is left.
    assert!(world.path("run3/checkpoints/last.safetensors").exists());
    assert!(!world.path("run3/checkpoints/previous.safetensors").exists());
}

#[test]
fn a_run_is_not_written_over_nor_resumed_as_another() {
    let world = World::new();
    run(world.training("run", &["--set", "epochs=1"]), 0);
    let last = "run/checkpoints/last.safetensors";
    let before = world.read(last);
    for (more, code, needle) in [
        (&["--set", "epochs=1"][..], 2, "go on with --resume"),
        (&["--set", "epochs=2", "--resume"], 2, "epochs: 2, was 1"),
        (&["--set", "epochs=1", "--set", "seed=9", "--resume"], 2, "seed: 9, was 0"),
    ] {
        let text = run(world.training("run", more), code);
        assert!(text.contains(needle), "{more:?}: {text}");
    }
    // Other data under the same name.
    let options = canet_data::sample::SampleOptions {
        width: 96,
        height: 64,
        drives: 4,
        frames_per_drive: 3,
        seed: 2,
    };
    canet_train::first_data::make_sample(&world.path("other/sample"), &options).unwrap();
    let mut command = world.command(&["--data", "other/sample", "--out", "run", "--resume"]);
    for set in
        ["epochs=1", "data.batch=2", "data.augment.crop=[64, 48]", "optimizer.warmup_steps=2"]
    {
        command.args(["--set", set]);
    }
    let text = run(command, 2);
    assert!(text.contains("data.hash: "), "{text}");
    // Damaged checkpoints.
    for file in [last, "run/checkpoints/previous.safetensors"] {
        std::fs::write(world.path(file), &before[..before.len() / 2]).unwrap();
    }
    let text = run(world.training("run", &["--set", "epochs=1", "--resume"]), 3);
    assert!(text.contains("last.safetensors"), "{text}");
}

#[test]
fn a_diverging_run_exits_4_and_says_on_which_frames() {
    let world = World::new();
    let text = run(world.training("run", &["--set", "optimizer.lr=1e30"]), 4);
    assert!(text.contains("diverged at step") && text.contains("images/train/"), "{text}");
    let note = std::fs::read_dir(world.path("run")).unwrap().map(|e| e.unwrap().path()).find(|p| {
        p.file_name().is_some_and(|name| name.to_string_lossy().starts_with("diverged-step-"))
    });
    let note = std::fs::read(note.unwrap()).unwrap();
    let note: serde_json::Value = serde_json::from_slice(&note).unwrap();
    assert!(note["batches"][0]["frames"].as_array().unwrap().len() == 2, "{note}");
    // The state before it is saved, and diverges again at the same step.
    let more = ["--set", "optimizer.lr=1e30", "--resume", "--skip-bad", "2"];
    let text = run(world.training("run", &more), 4);
    assert!(text.contains("2 steps were passed over"), "{text}");
}

#[test]
fn a_checkpoint_of_other_classes_is_refused_by_eval() {
    let world = World::new();
    run(world.training("run", &["--set", "epochs=1"]), 0);
    let manifest = world.path("data/sample/manifest.json");
    let model = "run/checkpoints/best.safetensors";
    run(world.command(&["eval", "--model", model, "--data", "data/sample", "--split", "test"]), 2);
    std::fs::remove_file(manifest).unwrap();
    run(world.command(&["eval", "--model", model, "--data", "data/sample"]), 3);
    run(world.command(&["eval", "--model", "absent.safetensors", "--data", "data/sample"]), 2);
}

/// The first file below a folder.
fn first_file(folder: &std::path::Path) -> std::path::PathBuf {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    if entries[0].is_dir() { first_file(&entries[0]) } else { entries[0].clone() }
}
