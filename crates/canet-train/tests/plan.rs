//! `canet-train plan`, as a program.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use common::{World, run};

fn plan(world: &World, more: &[&str], code: i32) -> String {
    let mut command = world.command(&["plan", "--data", "data/sample", "--out", "runs/planned"]);
    command.args(["--set", "data.batch=4", "--set", "data.augment.crop=[64, 48]"]).args(more);
    run(command, code)
}

#[test]
fn a_plan_tells_what_a_run_needs_and_writes_nothing() {
    let world = World::new();
    let text = plan(&world, &[], 0);
    for part in ["memory", "measured in 2 steps", "whole run", "last, previous", "it fits"] {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
    assert!(!world.path("runs").exists());
    let json = plan(&world, &["--json", "--strict"], 0);
    // The log is in the same text.
    let json = &json[json.find('{').unwrap()..=json.rfind('}').unwrap()];
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    let number = |path: &str| json.pointer(path).and_then(serde_json::Value::as_f64).unwrap();
    assert_eq!(json["tried_steps"], 2, "there are 9 frames, and so 2 steps of 4");
    assert!(number("/time/step") > 0.0 && number("/time/run") > number("/time/epoch"));
    assert!(
        number("/disk/resumable_bytes") > 2.9 * number("/disk/best_bytes"),
        "Adam keeps two moments"
    );
    assert_eq!(json["advice"], serde_json::json!([]));
}

/// The plan of a small machine says what to lower; doing so is predicted to fit.
#[test]
fn what_does_not_fit_is_told_with_what_to_lower() {
    let world = World::new();
    let text = plan(&world, &["--memory", "1"], 0);
    assert!(text.contains("does NOT fit") && text.contains("smaller model"), "{text}");
    plan(&world, &["--memory", "1", "--strict"], 5);
}

#[test]
fn arguments_that_make_no_plan_are_refused() {
    let world = World::new();
    assert!(plan(&world, &["--steps", "0"], 2).contains("at least 1"));
    assert!(plan(&world, &["--resume"], 2).contains("--resume"));
}
