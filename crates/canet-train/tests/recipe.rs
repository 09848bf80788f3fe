//! Whole runs with the parts of the recipe that keep something of their own from step to step.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]
#![expect(clippy::float_cmp, reason = "the same scores are meant to the last bit")]

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use canet_model::{Checkpoint, Device, Tensor, serde_json, weight_hash};
use common::{World, run};

const LAST: &str = "checkpoints/last.safetensors";
const BEST: &str = "checkpoints/best.safetensors";

/// All that has a memory or draws: momentum with a look ahead, accumulation, averages with their
/// statistics, norms that stand still in one half and move in the other, blocks that are dropped.
const RECIPE: [&str; 9] = [
    "model={ network = \"canet-assignment\", stochastic_depth = 0.3 }",
    "optimizer.kind=sgd",
    "optimizer.lr=0.01", // with 0.02 one run in some thirty diverges, and another one with each rounding
    "optimizer.nesterov=true",
    "optimizer.accumulate=2",
    "optimizer.freeze_norms=backbone",
    "optimizer.schedule={ kind = \"cosine\", min = 0.1 }",
    "ema.decay=0.95",
    "epochs=24",
];

fn recipe(threads: &'static str) -> Vec<&'static str> {
    let sets = RECIPE.iter().flat_map(|set| ["--set", set]);
    sets.chain(["--threads", threads]).collect()
}

/// Stopped in the middle, gone on with, killed by a signal that cannot be caught, and gone on with.
#[cfg(unix)]
#[test]
fn a_run_with_averages_and_frozen_norms_resumes_to_the_same_bits() {
    let world = World::new();
    run(world.training("one", &recipe("1")), 0);
    let whole = lines(&world.path("one/metrics.jsonl"));
    assert_eq!(whole.len(), 24);

    let mut child = world.training("two", &recipe("2")).spawn().unwrap();
    wait_for(|| lines(&world.path("two/metrics.jsonl")).len() >= 2);
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let stopped = lines(&world.path("two/metrics.jsonl")).len();

    let again = [&recipe("1")[..], &["--resume"]].concat();
    let mut child = world.training("two", &again).spawn().unwrap();
    wait_for(|| lines(&world.path("two/metrics.jsonl")).len() > stopped + 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = lines(&world.path("two/metrics.jsonl")).len();
    assert!((2..22).contains(&stopped) && killed < 24, "stopped at {stopped}, killed at {killed}");

    run(world.training("two", &[&recipe("2")[..], &["--resume"]].concat()), 0);
    for file in [LAST, BEST] {
        assert!(world.read(&format!("one/{file}")) == world.read(&format!("two/{file}")), "{file}");
    }
    let scores = |lines: &[serde_json::Value]| -> Vec<[f64; 2]> {
        lines.iter().map(|line| ["scores", "ema"].map(|of| miou(&line[of]))).collect()
    };
    assert_eq!(scores(&whole), scores(&lines(&world.path("two/metrics.jsonl"))));
    look_at(&world, &whole);
}

/// A run that computes its backbone twice learns what one that keeps it does, and may go on otherwise.
#[test]
fn recomputing_changes_no_bit_and_may_change_when_a_run_goes_on() {
    let world = World::new();
    let model = "model={ network = \"canet\", depth = 18, capacity = 16, aux = true, stochastic_depth = 0.3 }";
    let train = |out, recompute: &str, more: &[&str]| {
        let set = ["--set", model, "--set", "epochs=1", "--set", recompute];
        run(world.training(out, &[&set, more].concat()), 0)
    };
    let weights = |out: &str| {
        let last = Checkpoint::read(&world.path(&format!("{out}/{LAST}"))).unwrap();
        (weight_hash(&last.tensors).unwrap(), weight_hash(&last.training_tensors).unwrap())
    };
    train("kept", "recompute=false", &[]);
    train("again", "recompute=true", &[]);
    assert_eq!(weights("kept"), weights("again"));
    // Nothing has to be allowed.
    let text = train("again", "recompute=[\"layer3\"]", &["--resume"]);
    assert!(!text.contains("another recompute"), "{text}");
    assert!(String::from_utf8(world.read("again/config.toml")).unwrap().contains("layer3"));

    let text = run(world.training("none", &["--set", "recompute=true"]), 2);
    assert!(text.contains("recompute must be false but for network = \"canet\""), "{text}");
    assert!(!world.path("none").exists());
}

/// What the run has left: averages beside the weights, the better of both as the best.
fn look_at(world: &World, lines: &[serde_json::Value]) {
    let last = Checkpoint::read(&world.path(&format!("one/{LAST}"))).unwrap();
    let is_zero = |name: &str| values(&last.tensors[name]).iter().all(|&v| v == 0.0);
    assert!(is_zero("stem.bn.running_mean") && is_zero("c4.identity_blocks.3.bn3.running_mean"));
    assert!(!is_zero("global_flow.bn.running_mean"));
    assert!(values(&last.tensors["stem.bn.weight"]).iter().all(|&v| v == 1.0));
    for (name, tensor) in &last.tensors {
        let average = &last.training_tensors[&format!("training.ema.{name}")];
        assert_eq!(average.dims(), tensor.dims(), "{name}");
    }
    assert_ne!(
        values(&last.tensors["classifier.weight"]),
        values(&last.training_tensors["training.ema.classifier.weight"])
    );
    let all = lines.iter().flat_map(|line| [miou(&line["scores"]), miou(&line["ema"])]);
    let highest = all.fold(0.0, f64::max);
    let (first, averaged) = lines
        .iter()
        .map(|line| [miou(&line["scores"]), miou(&line["ema"])])
        .zip(1..)
        .find(|(scores, _)| scores.contains(&highest))
        .map(|([raw, ema], epoch)| (epoch, ema > raw))
        .unwrap();
    let best = Checkpoint::read(&world.path(&format!("one/{BEST}"))).unwrap();
    assert_eq!(best.meta.training["averaged"], averaged);
    assert_eq!(best.meta.training["best"], serde_json::json!([highest, first]));
    let told = &best.meta.training["best_scores"];
    let scores = &lines[first - 1][if averaged { "ema" } else { "scores" }];
    assert_eq!(told["pixel_accuracy"], scores["pixel_accuracy"]);
    assert_eq!(told["frames"], scores["frames"]);
    let iou: Vec<_> = scores["classes"].as_array().unwrap().iter().map(|c| &c["iou"]).collect();
    assert_eq!(told["iou"], serde_json::json!(iou));
    let config = canet_data::hash::sha256(&world.read("one/config.toml"));
    assert_eq!(best.meta.training["config_hash"], config);
    assert!(best.training_tensors.is_empty());
    let model = format!("one/{BEST}");
    let eval = ["eval", "--model", &model, "--data", "data/sample", "--json", "s.json"];
    run(world.command(&eval), 0);
    let scored: serde_json::Value = serde_json::from_slice(&world.read("s.json")).unwrap();
    assert_eq!(miou(&scored["scores"]), highest);
}

/// The form that the configuration had in an earlier version is refused, not read as another one.
#[test]
fn a_checkpoint_of_an_earlier_form_is_refused() {
    let world = World::new();
    run(world.training("run", &["--set", "epochs=1"]), 0);
    let path = world.path(&format!("run/{LAST}"));
    let checkpoint = Checkpoint::read(&path).unwrap();
    let (_, params) = checkpoint.network(&Device::Cpu).unwrap();
    let mut meta = checkpoint.meta.clone();
    meta.training["config"]["optimizer"]["poly_power"] = 0.9.into();
    let memory: Vec<(String, Tensor)> = checkpoint.training_tensors.into_iter().collect();
    Checkpoint::save(&path, &params, &meta, &memory).unwrap();
    let text = run(world.training("run", &["--set", "epochs=1", "--resume"]), 2);
    assert!(text.contains("poly_power") && text.contains("start a new run"), "{text}");
}

fn miou(scores: &serde_json::Value) -> f64 {
    scores["miou"].as_f64().unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The lines of a `metrics.jsonl`; none if there is none yet.
fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn wait_for(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_mins(2), "waited too long");
        std::thread::sleep(Duration::from_millis(2));
    }
}
