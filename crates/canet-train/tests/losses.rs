//! Short runs with each loss.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use common::{World, run};

/// The loss of each epoch.
fn losses(world: &World, out: &str, more: &[&str]) -> Vec<f64> {
    run(world.training(out, more), 0);
    let text = String::from_utf8(world.read(&format!("{out}/metrics.jsonl"))).unwrap();
    let loss = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["loss"].as_f64().unwrap()
    };
    text.lines().filter(|line| line.contains("\"scores\"")).map(loss).collect()
}

#[test]
fn every_kind_trains() {
    let world = World::new();
    for (i, terms) in [
        "[{kind='ohem'}]",
        "[{kind='focal', gamma=1.0}]",
        "[{kind='dice'}]",
        "[{kind='lovasz'}]",
        "[{kind='cce-dice'}]",
        "[{kind='cross-entropy', weight=0.5}, {kind='dice'}, {kind='lovasz', weight=0.1}]",
    ]
    .into_iter()
    .enumerate()
    {
        let losses =
            losses(&world, &format!("run-{i}"), &["--set", &format!("loss.terms={terms}")]);
        assert_eq!(losses.len(), 3, "{terms}");
        assert!(losses.iter().all(|&loss| loss > 0.0 && loss.is_finite()), "{terms}: {losses:?}");
        // Areas of small batches differ too much for 12 steps to show.
        let falls = ["ohem", "focal"].iter().any(|kind| terms.contains(kind));
        assert!(!falls || losses[2] < losses[0], "{terms}: {losses:?}");
    }
}

#[test]
fn weights_come_from_the_training_split() {
    let world = World::new();
    let epochs = ["--set", "epochs=1"];
    let plain = losses(&world, "plain", &epochs);
    for name in ["median-frequency", "inverse-frequency"] {
        let set = format!("loss.class_weights={name}");
        let weighted = losses(&world, name, &[&epochs[..], &["--set", &set]].concat());
        assert!(weighted[0].is_finite() && (weighted[0] - plain[0]).abs() > 1e-3, "{name}");
    }
    let text = run(
        world.training(
            "told",
            &["--set", "epochs=1", "--set", "loss.class_weights=median-frequency"],
        ),
        0,
    );
    assert!(text.contains("weights of the classes: ") && text.contains("road "), "{text}");
}

/// Refused before anything is written.
#[test]
fn what_does_not_go_together_is_refused_with_its_key() {
    let world = World::new();
    for (set, needle) in [
        ("loss.class_weights=[1.0]", "loss.class_weights"),
        ("loss.class_weights=common", "loss"),
        ("loss.terms=[{kind='lovasz', gamma=1.0}]", "loss.terms"),
        ("loss.terms=[{kind='focal', gamma=-1.0}]", "loss.terms.gamma"),
        ("loss.terms=[]", "loss.terms"),
    ] {
        let text = run(world.training("refused", &["--set", set]), 2);
        assert!(text.contains(needle), "{set}: {text}");
        assert!(!world.path("refused").exists(), "{set}");
    }
}
