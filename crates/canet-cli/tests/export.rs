//! `canet export` as a whole program, with a small network of random weights.
#![cfg(feature = "onnx")]
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod common;

use std::fs;
use std::process::Output;

use common::{World, assignment};

/// A folder with two checkpoints of three classes.
fn world(name: &str) -> World {
    let (world, classes) = (World::new(name), ["class 0", "class 1", "class 2"]);
    world.save("m.safetensors", &assignment(), &classes, |_| ());
    // Its frames are 48 wide and 32 high.
    world.save("sized.safetensors", &assignment(), &classes, |meta| meta.input = Some([48, 32]));
    world
}

/// Runs `canet export`.
fn export(world: &World, model: &str, arguments: &[&str]) -> Output {
    world.canet(&[&["export", "--model", model], arguments].concat())
}

/// What an export wrote, and said.
fn exported(world: &World, model: &str, arguments: &[&str]) -> (Vec<u8>, String) {
    let output = export(world, model, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}");
    (fs::read(world.file(arguments[1])).unwrap(), said)
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Whether a file is for frames of any size: only then it asks for the sides of a picture.
fn is_dynamic(bytes: &[u8]) -> bool {
    has(bytes, "v0.sides.2.4")
}

#[test]
fn a_model_becomes_an_onnx_file_that_another_engine_has_run() {
    let world = world("export-onnx");
    let (any, said) = exported(&world, "m.safetensors", &["--onnx", "any.onnx"]);
    assert!(said.contains("another engine computes the same from 8 drawn pictures"), "{said}");
    assert!(said.contains("any.onnx: 1."), "{said}");
    assert!(is_dynamic(&any) && has(&any, "logits") && has(&any, "class 2"));
    let again = exported(&world, "m.safetensors", &["--onnx", "again.onnx", "--no-check"]);
    assert!(again.0 == any && !again.1.contains("another engine"), "{}", again.1);
    // The model's size is the file's, unless another is asked for.
    let (own, said) = exported(&world, "sized.safetensors", &["--onnx", "own.onnx"]);
    assert!(!is_dynamic(&own) && said.contains("from 2 drawn pictures"), "{said}");
    let arguments = ["--onnx", "asked.onnx", "--size", "32,48"];
    assert!(exported(&world, "sized.safetensors", &arguments).0 == own);
    let arguments = ["--onnx", "dynamic.onnx", "--size", "dynamic"];
    assert!(is_dynamic(&exported(&world, "sized.safetensors", &arguments).0));
    let arguments = ["--onnx", "labels.onnx", "--outputs", "labels", "--size", "33,47"];
    assert!(has(&exported(&world, "m.safetensors", &arguments).0, "ArgMax"));
}

#[test]
fn half_precision_halves_both_files() {
    let world = world("export-half");
    let len = |model: &str, file: &str| exported(&world, model, &[file, "full"]).0.len();
    for (option, share) in [("--onnx", 0.53), ("--checkpoint", 0.55)] {
        let whole = len("m.safetensors", option) as f64;
        let (half, said) = exported(&world, "m.safetensors", &[option, "half", "--weights", "f16"]);
        assert!((half.len() as f64) < share * whole, "{option}: {} of {whole}", half.len());
        assert_eq!(said.contains("rounding the weights changed"), option == "--onnx", "{said}");
    }
    // What was written can be used in its turn: both at once from the half.
    let arguments = ["--onnx", "second.onnx", "--checkpoint", "second", "--weights", "f16"];
    exported(&world, "half", &arguments);
    assert!(fs::read(world.file("second")).unwrap() == fs::read(world.file("half")).unwrap());
}

#[test]
fn what_cannot_be_written_is_refused() {
    let world = world("export-refused");
    fs::write(world.file("broken.safetensors"), b"no model").unwrap();
    for (model, arguments, code, needle) in [
        ("m.safetensors", &[][..], 2, "nothing to write"),
        ("m.safetensors", &["--size", "32,32"], 2, "--onnx"),
        ("m.safetensors", &["--onnx", "x", "--size", "1,40"], 2, "from 2 to 16384"),
        ("m.safetensors", &["--onnx", "x", "--size", "40"], 2, "HEIGHT,WIDTH"),
        ("m.safetensors", &["--onnx", "x", "--size=-3,40"], 2, "HEIGHT,WIDTH"),
        ("m.safetensors", &["--onnx", "x", "--weights", "f8"], 2, "f32 or f16"),
        ("m.safetensors", &["--onnx", "x", "--outputs", "masks"], 2, "logits, labels or both"),
        ("m.safetensors", &["--onnx", "m.safetensors"], 2, "is the model itself"),
        ("m.safetensors", &["--checkpoint", "./m.safetensors"], 2, "is the model itself"),
        ("none.safetensors", &["--onnx", "x"], 2, "none.safetensors"),
        ("broken.safetensors", &["--onnx", "x"], 3, "broken.safetensors"),
    ] {
        let output = export(&world, model, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(needle), "{arguments:?}: {said}");
        assert!(!world.file("x").exists(), "{arguments:?}");
    }
}
