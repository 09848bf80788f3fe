//! `canet explain` as a whole program.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod common;

use canet_model::serde_json::{Value, json};
use common::{World, assignment, canet};

/// The panels of a row, their side, and the gaps around them: what a sheet's width is made of.
fn width(panels: u32, panel: u32) -> u32 {
    16 + panels * (panel + 16)
}

#[test]
fn sheets_and_numbers_suit_both_networks() {
    let world = World::new("explain");
    world.save("canet.safetensors", &canet(), &["road", "sky", "car"], |_| ());
    world.frame("wide.png", 96, 48);
    world.frame("tall.png", 40, 80);
    for (model, flows, channels) in [("canet", 5, 8), ("small", 4, 32)] {
        let file = format!("{model}.safetensors");
        for (frame, panel) in [("wide.png", 480), ("tall.png", 240)] {
            let common = ["explain", "--model", &file, "--device", "cpu", frame];
            let numbers = world.json(&[&common[..], &["--json", "--out", "sheet.png"]].concat());
            let sheet = image::open(world.file("sheet.png")).unwrap().into_rgb8();
            assert_eq!(sheet.width(), width(flows, panel), "{model} {frame}");
            assert_eq!(numbers["flows"].as_array().unwrap().len(), flows as usize);
            assert_eq!(numbers["gates"]["values"].as_array().unwrap().len(), channels);
            check(&numbers);
        }
    }
    assert!(!world.file("wide_explained.png").exists());
    world.text(&["explain", "--model", "small.safetensors", "wide.png"]);
    assert!(world.file("wide_explained.png").exists());
}

fn check(numbers: &Value) {
    let number = |value: &Value| value.as_f64().unwrap();
    let sum = |key: &str, of: &str| -> f64 {
        numbers[of].as_array().unwrap().iter().map(|each| number(&each[key])).sum()
    };
    assert!((sum("share", "flows") - 1.0).abs() < 1e-4);
    assert!((sum("share", "classes") - 1.0).abs() < 1e-9);
    for flow in numbers["flows"].as_array().unwrap() {
        assert!((0.0..=1.0).contains(&number(&flow["changed"])), "{flow}");
        let response = &flow["response"];
        assert!(number(&response["min"]) <= number(&response["mean"]) + 1e-6);
        assert!(number(&response["mean"]) <= number(&response["max"]) + 1e-6);
    }
    assert_eq!(numbers["flows"][0]["grid"], json!([1, 1]));
    let gates = &numbers["gates"];
    assert!(0.0 < number(&gates["min"]) && number(&gates["max"]) < 1.0);
    assert!((0.0..=1.0).contains(&number(&numbers["confidence"]["mean"])));
}

/// A network that resizes its frames is explained at the size that it sees.
#[test]
fn frames_are_seen_as_the_network_sees_them() {
    let world = World::new("explain-input");
    world.save("m.safetensors", &assignment(), &["a", "b"], |meta| meta.input = Some([64, 40]));
    world.frame("f.png", 13, 200);
    let numbers = world.json(&["explain", "--model", "m.safetensors", "f.png", "--json"]);
    assert_eq!(numbers["size"], json!([40, 64]));
}

#[test]
fn what_cannot_be_explained_has_a_code() {
    let world = World::new("explain-bad");
    world.frame("f.png", 20, 20);
    std::fs::write(world.file("broken.png"), "no picture").unwrap();
    let model = ["--model", "small.safetensors"];
    for (arguments, code, needle) in [
        (&["broken.png"][..], 3, "broken.png"),
        (&["nowhere.png"], 2, "nowhere.png cannot be read"),
        (&["f.png", "--out", "f.png"], 2, "the frame itself"),
        (&["f.png", "--out", "."], 2, "is a folder"),
        (&["f.png", "--device", "tpu"], 2, "tpu"),
        (&[], 2, "FRAME"),
    ] {
        let (found, errors) = world.failure(&[&["explain"][..], &model, arguments].concat());
        assert_eq!(found, code, "{arguments:?}: {errors}");
        assert!(errors.contains(needle), "{arguments:?}: {errors}");
    }
    let (code, _) = world.failure(&["explain", "--model", "broken.png", "f.png"]);
    assert_eq!(code, 3);
    let before = std::fs::read(world.file("f.png")).unwrap();
    assert!(before.starts_with(b"\x89PNG"));
}
