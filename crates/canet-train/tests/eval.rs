//! `canet-train eval`: the table, the JSON, the pictures, and what it refuses.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use canet_train::evaluation::Evaluation;
use common::{World, run};

/// Runs `eval` on the one checkpoint of a world.
fn eval(world: &World, more: &[&str], code: i32) -> String {
    let model = "run/checkpoints/best.safetensors";
    let arguments = ["eval", "--model", model, "--data", "data/sample"];
    run(world.command(&[&arguments[..], more].concat()), code)
}

#[test]
fn scores_are_told_by_policy_and_the_worst_frames_are_shown() {
    let world = World::new();
    run(world.training("run", &["--set", "epochs=1"]), 0);
    let more = ["--split", "train", "--json", "s.json", "--worst", "worst", "--threads", "1"];
    let text = eval(&world, &more, 0);
    for needle in [
        "sample, split train, policy strict, resolution native",
        "precision",
        "boundary IoU",
        "bootstrapped over 3 drives",
        "policy cityscapes, native: a class in neither",
        "policy idd-official: not given: it scores the 26 classes of idd-level3",
        "IOUScore of segmentation_models, threshold 0.5",
        "worst frames: ",
    ] {
        assert!(text.contains(needle), "{needle}: {text}");
    }
    let bytes = world.read("s.json");
    let found: Evaluation = serde_json::from_slice(&bytes).unwrap();
    let Evaluation { scores, policies, iou_score, matrix, .. } = &found;
    let [low, high] = scores.interval.unwrap();
    assert!(low <= scores.miou && scores.miou <= high, "{low} {} {high}", scores.miou);
    assert!(policies.iter().all(|policy| policy.levels[0].miou == Some(scores.miou)));
    assert_eq!((policies.len(), found.refused.len(), matrix.len()), (2, 2, 22));
    assert_eq!(matrix.iter().flatten().sum::<u64>(), scores.frames * 96 * 64);
    let students = iou_score.as_ref().unwrap();
    // An epoch of 4 steps: hardly anything is predicted with more than 0.5, and the floor is all.
    let form = students.per_image;
    assert!(form.floor > 0.1 && (form.score - form.floor).abs() < 0.1, "{students}");
    assert_eq!((scores.frames, scores.worst.len(), students.images), (9, 9, 9));
    assert!(scores.worst.is_sorted_by(|a, b| a.miou <= b.miou));
    let pictures: Vec<_> = std::fs::read_dir(world.path("worst")).unwrap().collect();
    assert_eq!(pictures.len(), 9);
    let name = format!("worst/01-{}-{}.png", scores.worst[0].drive, scores.worst[0].frame);
    assert!(image::open(world.path(&name)).unwrap().width() >= 3 * 96);

    // Threads change no bit, and what is counted beside does not either.
    eval(&world, &["--split", "train", "--json", "t.json", "--threads", "3"], 0);
    assert_eq!(bytes, world.read("t.json"));
}

#[test]
fn policy_and_resolution_are_chosen_and_mistakes_refused() {
    let world = World::new();
    run(world.training("run", &["--set", "epochs=1"]), 0);
    let more = ["--policy", "cityscapes", "--resolution", "24x16", "--json", "s.json"];
    let text = eval(&world, &more, 0);
    // One drive; and the classes of a policy that was asked for are listed.
    assert!(text.contains("no interval: the frames are of 1 drive, and two are needed"), "{text}");
    assert!(text.contains("policy cityscapes, 24x16"), "{text}");
    let found: Evaluation = serde_json::from_slice(&world.read("s.json")).unwrap();
    assert_eq!((found.policies.len(), found.refused.len()), (1, 0));
    assert_eq!(found.matrix.iter().flatten().sum::<u64>(), found.scores.frames * 24 * 16);
    assert_eq!(found.scores.interval, None);

    std::fs::create_dir(world.path("full")).unwrap();
    std::fs::write(world.path("full/old.png"), b"").unwrap();
    for (more, needle) in [
        (["--policy", "idd-official"], "prepare IDD with --label-map idd-level3"),
        (["--policy", "miou"], "known are strict, cityscapes, idd-fixed, idd-official"),
        (["--resolution", "huge"], "possible are native, 720, 1080"),
        (["--worst", "full"], "is not empty"),
    ] {
        let text = eval(&world, &more, 2);
        assert!(text.contains(needle), "{more:?}: {text}");
    }
}
