//! `canet bench` as a whole program. No speed is asserted.

mod common;

use canet_model::serde_json::json;
use common::World;

#[test]
fn reports_hold_together() {
    let world = World::new("bench");
    let quick = ["bench", "--model", "small.safetensors", "--device", "cpu", "--seconds", "0"];
    let with = |more: &[&str]| world.json(&[&quick[..], more, &["--json"]].concat());
    let report = with(&["--size", "40,64", "--threads", "2"]);
    assert_eq!((&report["size"], &report["threads"]), (&json!([40, 64]), &json!(2)));
    for times in [&report["frame"], &report["network"]] {
        let number = |key: &str| times[key].as_f64().unwrap();
        assert!(number("runs") >= 5.0 && number("min_ms") > 0.0);
        assert!(number("min_ms") <= number("median_ms") && number("median_ms") <= number("p95_ms"));
        assert!((number("per_second") * number("median_ms") - 1e3).abs() < 1e-6);
    }
    let network = &report["network"];
    let number = |key: &str| network[key].as_f64().unwrap();
    let gflops = 2.0 * number("macs") / number("median_ms") * 1e-6;
    assert!((number("gflops") / gflops - 1.0).abs() < 1e-9);
    let card = world.json(&["inspect", "small.safetensors", "--size", "40,64", "--json"]);
    assert_eq!((&card["cost"]["macs"], &card["weights"]), (&network["macs"], &report["weights"]));
    if cfg!(target_os = "linux") {
        assert!(report["peak_memory"].as_u64() >= Some(1 << 20));
    }
    assert_eq!(report["batch"], json!(null));
    let batch = &with(&["--size", "9,9", "--batch", "3"])["batch"];
    let rate = batch["frames_per_second"].as_f64().unwrap();
    assert!((rate / batch["per_second"].as_f64().unwrap() - 3.0).abs() < 1e-9, "{batch}");
    world.frame("f.png", 30, 20);
    assert_eq!(with(&["--frame", "f.png"])["size"], json!([20, 30]));
    let text = world.text(&[&quick[..], &["--size", "9,9"]].concat());
    for needle in ["RGB frame to mask", "network alone, 9x9", "GFLOP/s", "peak of the process"] {
        assert!(text.contains(needle), "{needle}: {text}");
    }
}

#[test]
fn a_models_own_input_is_the_default() {
    let world = World::new("bench-input");
    world.save("m.safetensors", &common::assignment(), &["a", "b"], |meta| {
        meta.input = Some([48, 32]);
    });
    let bench =
        ["bench", "--model", "m.safetensors", "--device", "cpu", "--seconds", "0", "--json"];
    assert_eq!(world.json(&bench)["size"], json!([32, 48]));
    // A frame of another size is resized for the network.
    let other = world.json(&[&bench[..], &["--size", "10,20"]].concat());
    assert_eq!((&other["size"], &other["network"]["size"]), (&json!([10, 20]), &json!([32, 48])));
}

#[test]
fn what_cannot_be_measured_has_a_code() {
    let world = World::new("bench-bad");
    world.frame("f.png", 8, 8);
    std::fs::write(world.file("broken.png"), "no picture").unwrap();
    for (arguments, code) in [
        (&["--model", "small.safetensors", "--frame", "broken.png"][..], 3),
        (&["--model", "small.safetensors", "--frame", "nowhere.png"], 2),
        (&["--model", "small.safetensors", "--frame", "f.png", "--size", "8,8"], 2),
        (&["--model", "small.safetensors", "--seconds", "-1"], 2),
        (&["--model", "small.safetensors", "--threads", "0"], 2),
        (&["--model", "f.png"], 3),
    ] {
        let (found, errors) = world.failure(&[&["bench"][..], arguments].concat());
        assert_eq!(found, code, "{arguments:?}: {errors}");
    }
}
