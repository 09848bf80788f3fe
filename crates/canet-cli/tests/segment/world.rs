//! A folder with a checkpoint and frames, and the program in it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use canet_model::serde_json::Value;
use canet_model::{
    AssignmentConfig, Checkpoint, CheckpointMeta, Class, ClassSet, Device, ModelConfig, Network,
    Params, Rgb,
};
use image::{ImageFormat, RgbImage};

/// A folder of the test's own with a checkpoint in it.
pub(crate) struct World(pub(crate) PathBuf);

impl World {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("canet-cli-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        let world = Self(path);
        world.checkpoint("m.safetensors", None);
        world
    }

    /// Writes a checkpoint of random weights, or with this value for all of them.
    pub(crate) fn checkpoint(&self, name: &str, value: Option<f32>) {
        let (config, classes) = (model(), classes());
        let mut params = Params::new(1, &Device::Cpu);
        Network::new(&config, &mut params).unwrap();
        for param in params.iter() {
            let values = value.map(|value| param.var.ones_like().unwrap() * f64::from(value));
            if let Some(values) = values {
                param.var.set(&values.unwrap()).unwrap();
            }
        }
        let meta = CheckpointMeta::new(config, classes);
        Checkpoint::save(&self.file(name), &params, &meta, &[]).unwrap();
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn frame(&self, name: &str, format: ImageFormat) {
        fs::create_dir_all(self.file(name).parent().unwrap()).unwrap();
        let frame = RgbImage::from_fn(30, 20, |x, y| image::Rgb([8 * x as u8, 9 * y as u8, 77]));
        frame.save_with_format(self.file(name), format).unwrap();
    }

    /// Runs `canet segment` in the folder.
    pub(crate) fn segment(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// `canet segment` in the folder, to be run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let common = ["segment", "--model", "m.safetensors", "--device", "cpu"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_canet"));
        command.current_dir(&self.0).args(common).args(arguments).env_remove("RUST_LOG");
        command
    }

    /// Runs `canet segment` from a shell, which first does what `before` says. The rest of the line is
    /// the arguments as the shell sees them.
    pub(crate) fn in_shell(&self, before: &str, rest: &str) -> Output {
        let canet = env!("CARGO_BIN_EXE_canet");
        let script =
            format!("{before}; exec {canet} segment --model m.safetensors --device cpu {rest}");
        let mut command = Command::new("bash");
        command.current_dir(&self.0).args(["-c", &script]).env_remove("RUST_LOG");
        command.output().unwrap()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        canet_model::serde_json::from_slice(&self.read(name)).unwrap()
    }

    /// Every file in `folder`, relative to it and sorted.
    pub(crate) fn tree(&self, folder: &str) -> Vec<String> {
        let (root, mut found) = (self.file(folder), Vec::new());
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }
}

impl Drop for World {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

pub(crate) fn model() -> ModelConfig {
    ModelConfig::Assignment(AssignmentConfig { classes: 3, ..Default::default() })
}

pub(crate) fn classes() -> ClassSet {
    let class = |(name, color): (&str, _)| Class { name: name.into(), color: Rgb(color) };
    let classes = [("road", [128, 64, 128]), ("sky", [70, 130, 180]), ("auto", [255, 204, 54])];
    ClassSet { name: "three".into(), classes: classes.map(class).into() }
}

#[track_caller]
pub(crate) fn expect(output: &Output, code: i32, words: &str) {
    let messages = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{messages}");
    assert!(messages.contains(words), "{words:?} is not in: {messages}");
}
