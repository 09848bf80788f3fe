//! `canet export` as a whole program, with a small network of random weights.
#![cfg(feature = "onnx")]
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use canet_model::{
    AssignmentConfig, Checkpoint, CheckpointMeta, Class, ClassSet, Device, ModelConfig, Network,
    Params, Rgb,
};

/// A folder of the test's own with two checkpoints in it.
struct World(PathBuf);

impl World {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("canet-cli-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).unwrap();
        let world = Self(path);
        world.checkpoint("m.safetensors", None);
        // Its frames are 48 wide and 32 high.
        world.checkpoint("sized.safetensors", Some([48, 32]));
        world
    }

    fn checkpoint(&self, name: &str, input: Option<[u32; 2]>) {
        let config = ModelConfig::Assignment(AssignmentConfig { classes: 3, ..Default::default() });
        let mut params = Params::new(1, &Device::Cpu);
        Network::new(&config, &mut params).unwrap();
        let class = |id: u8| Class { name: format!("class {id}"), color: Rgb([80 * id, 7, 9]) };
        let classes = ClassSet { name: "test".into(), classes: (0..3).map(class).collect() };
        let meta = CheckpointMeta { input, ..CheckpointMeta::new(config, classes) };
        Checkpoint::save(&self.0.join(name), &params, &meta, &[]).unwrap();
    }

    /// Runs `canet export` in the folder.
    fn export(&self, model: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_canet"));
        command.current_dir(&self.0).args(["export", "--model", model]).args(arguments);
        command.env_remove("RUST_LOG").output().unwrap()
    }

    /// What an export wrote, and said.
    fn exported(&self, model: &str, arguments: &[&str]) -> (Vec<u8>, String) {
        let output = self.export(model, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {said}");
        (fs::read(self.0.join(arguments[1])).unwrap(), said)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
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
    let world = World::new("export-onnx");
    let (any, said) = world.exported("m.safetensors", &["--onnx", "any.onnx"]);
    assert!(said.contains("another engine computes the same from 8 drawn pictures"), "{said}");
    assert!(said.contains("any.onnx: 1."), "{said}");
    assert!(is_dynamic(&any) && has(&any, "logits") && has(&any, "class 2"));
    let again = world.exported("m.safetensors", &["--onnx", "again.onnx", "--no-check"]);
    assert!(again.0 == any && !again.1.contains("another engine"), "{}", again.1);
    // The model's size is the file's, unless another is asked for.
    let (own, said) = world.exported("sized.safetensors", &["--onnx", "own.onnx"]);
    assert!(!is_dynamic(&own) && said.contains("from 2 drawn pictures"), "{said}");
    let arguments = ["--onnx", "asked.onnx", "--size", "32,48"];
    assert!(world.exported("sized.safetensors", &arguments).0 == own);
    let arguments = ["--onnx", "dynamic.onnx", "--size", "dynamic"];
    assert!(is_dynamic(&world.exported("sized.safetensors", &arguments).0));
    let arguments = ["--onnx", "labels.onnx", "--outputs", "labels", "--size", "33,47"];
    assert!(has(&world.exported("m.safetensors", &arguments).0, "ArgMax"));
}

#[test]
fn half_precision_halves_both_files() {
    let world = World::new("export-half");
    let len = |model: &str, file: &str| world.exported(model, &[file, "full"]).0.len();
    for (option, share) in [("--onnx", 0.53), ("--checkpoint", 0.55)] {
        let whole = len("m.safetensors", option) as f64;
        let (half, said) = world.exported("m.safetensors", &[option, "half", "--weights", "f16"]);
        assert!((half.len() as f64) < share * whole, "{option}: {} of {whole}", half.len());
        assert_eq!(said.contains("rounding the weights changed"), option == "--onnx", "{said}");
    }
    // What was written can be used in its turn: both at once from the half.
    let arguments = ["--onnx", "second.onnx", "--checkpoint", "second", "--weights", "f16"];
    world.exported("half", &arguments);
    assert!(fs::read(world.0.join("second")).unwrap() == fs::read(world.0.join("half")).unwrap());
}

#[test]
fn what_cannot_be_written_is_refused() {
    let world = World::new("export-refused");
    fs::write(world.0.join("broken.safetensors"), b"no model").unwrap();
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
        let output = world.export(model, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(needle), "{arguments:?}: {said}");
        assert!(!world.0.join("x").exists(), "{arguments:?}");
    }
}
