//! Whole runs of the program: what they leave, and that nothing but the seed decides it.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]
#![expect(clippy::float_cmp, reason = "the same scores are meant to the last bit")]

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::{World, run};

const LAST: &str = "checkpoints/last.safetensors";

#[test]
fn a_run_leaves_checkpoints_metrics_and_pictures_and_is_scored_again() {
    let world = World::new();
    let text = run(world.training("runs/a", &[]), 0);
    assert!(text.contains("mIoU") && text.contains("road"), "{text}");
    let metrics = lines(&world.path("runs/a/metrics.jsonl"));
    assert_eq!(metrics.len(), 3);
    let losses: Vec<f64> = metrics.iter().map(|line| line["loss"].as_f64().unwrap()).collect();
    assert!(losses[2] < losses[0], "{losses:?}");
    for epoch in 1..=3 {
        let picture = image::open(world.path(&format!("runs/a/pictures/epoch-{epoch:03}.png")));
        assert!(picture.unwrap().width() >= 3 * 96);
    }
    let best =
        metrics.iter().map(|line| line["scores"]["miou"].as_f64().unwrap()).fold(0.0, f64::max);
    let checkpoint = "runs/a/checkpoints/best.safetensors";
    run(
        world.command(&[
            "eval",
            "--model",
            checkpoint,
            "--data",
            "data/sample",
            "--json",
            "s.json",
        ]),
        0,
    );
    let scores: serde_json::Value = serde_json::from_slice(&world.read("s.json")).unwrap();
    assert_eq!(scores["scores"]["miou"].as_f64().unwrap(), best);
    assert_eq!(scores["scores"]["classes"].as_array().unwrap().len(), 21);
}

#[test]
fn threads_do_not_change_a_bit_and_seeds_do() {
    let world = World::new();
    run(world.training("one", &["--threads", "1"]), 0);
    run(world.training("two", &["--threads", "2"]), 0);
    run(world.training("five", &["--threads", "5"]), 0);
    run(world.training("seed", &["--set", "seed=1"]), 0);
    let bytes = |name: &str| world.read(&format!("{name}/{LAST}"));
    assert!(bytes("one") == bytes("two") && bytes("one") == bytes("five"));
    assert!(bytes("one") != bytes("seed"));
}

#[test]
fn sgd_with_accumulation_and_the_paper_network_is_exact_too() {
    let world = World::new();
    let more = [
        "--set",
        "model.network=canet",
        "--set",
        "model.depth=18",
        "--set",
        "model.capacity=32",
        "--set",
        "model.aux=true",
        "--set",
        "model.batch_norm_momentum=0.1",
        "--set",
        "optimizer.kind=sgd",
        "--set",
        "optimizer.lr=0.01",
        "--set",
        "optimizer.accumulate=2",
        "--set",
        "epochs=1",
        "--set",
        "optimizer.clip_norm=1.0",
    ];
    let train = |out: &str, threads: &str| {
        run(world.training(out, &[&more[..], &["--threads", threads]].concat()), 0);
        world.read(&format!("{out}/{LAST}"))
    };
    assert!(train("one", "1") == train("two", "2"));
}

/// Killed after its first epoch, by a signal that cannot be caught.
#[test]
fn a_killed_run_resumes_to_the_same_bits() {
    let world = World::new();
    run(world.training("whole", &[]), 0);
    let mut child = world.training("killed", &["--threads", "1"]).spawn().unwrap();
    wait_for(|| world.path("killed/metrics.jsonl").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let done = lines(&world.path("killed/metrics.jsonl")).len();
    assert!((1..3).contains(&done), "{done} epochs before the kill");
    run(world.training("killed", &["--resume", "--threads", "2"]), 0);
    assert!(world.read(&format!("whole/{LAST}")) == world.read(&format!("killed/{LAST}")));
    assert_eq!(lines(&world.path("killed/metrics.jsonl")).len(), 3);
    let scores = |name: &str| -> Vec<f64> {
        let lines = lines(&world.path(&format!("{name}/metrics.jsonl")));
        lines.iter().map(|line| line["scores"]["miou"].as_f64().unwrap()).collect()
    };
    assert_eq!(scores("whole"), scores("killed"));
    // Finished: a second resume, by the configuration in the checkpoint, trains nothing more.
    run(world.command(&["--data", "data/sample", "--out", "killed", "--resume"]), 0);
    assert!(world.read(&format!("whole/{LAST}")) == world.read(&format!("killed/{LAST}")));
}

/// Ctrl-C in the middle of an epoch.
#[cfg(unix)]
#[test]
fn an_interrupted_run_exits_130_and_resumes_to_the_same_bits() {
    let world = World::new();
    let many = ["--set", "epochs=40"];
    run(world.training("whole", &many), 0);
    let mut child = world.training("stopped", &many).spawn().unwrap();
    wait_for(|| world.path("stopped/metrics.jsonl").exists());
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(lines(&world.path("stopped/metrics.jsonl")).len() < 40);
    run(world.training("stopped", &[&many[..], &["--resume"]].concat()), 0);
    assert!(world.read(&format!("whole/{LAST}")) == world.read(&format!("stopped/{LAST}")));
}

#[test]
fn without_arguments_the_data_at_hand_is_used() {
    let world = World::new();
    let text = run(world.command(&["--set", "epochs=1", "--set", "data.augment.crop=[64, 48]"]), 0);
    assert!(text.contains("writing to runs/sample"), "{text}");
    assert!(text.contains("next:"), "{text}");
    run(world.command(&["--set", "epochs=1", "--set", "data.augment.crop=[64, 48]"]), 0);
    assert!(world.path("runs/sample-2/metrics.jsonl").exists());
}

/// The lines of a `metrics.jsonl`; none if there is none yet.
fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Killed between its first scores and its first resumable checkpoint.
#[test]
fn what_a_killed_run_left_is_not_written_over() {
    let world = World::new();
    run(world.training("run", &["--set", "epochs=2", "--set", "validate_every=2"]), 0);
    assert_eq!(lines(&world.path("run/metrics.jsonl")).len(), 1);
    std::fs::remove_file(world.path(&format!("run/{LAST}"))).unwrap();
    let text = run(world.training("run", &[]), 2);
    assert!(text.contains("earlier run"), "{text}");
}

fn wait_for(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_mins(2), "waited too long");
        std::thread::sleep(Duration::from_millis(2));
    }
}
