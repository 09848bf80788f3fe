//! A folder with small models and a frame, and the program in it.
#![allow(dead_code, reason = "each test program uses its own share")]
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use canet_model::{
    AssignmentConfig, CanetConfig, Checkpoint, CheckpointMeta, Class, ClassSet, Depth, Device,
    ModelConfig, Network, Params, Rgb, serde_json,
};
use image::RgbImage;

/// A folder of the test's own, removed at the end.
pub(crate) struct World(PathBuf);

impl World {
    /// With `small.safetensors`, an assignment network of three classes.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("canet-cli-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).unwrap();
        let world = Self(path);
        world.save("small.safetensors", &assignment(), &["road", "sky", "car"], |_| ());
        world
    }

    /// Writes a checkpoint of random weights.
    pub(crate) fn save(
        &self,
        file: &str,
        model: &ModelConfig,
        names: &[&str],
        change: impl FnOnce(&mut CheckpointMeta),
    ) {
        let mut params = Params::new(1, &Device::Cpu);
        let model = model.clone().with_classes(names.len());
        Network::new(&model, &mut params).unwrap();
        let class = |(id, name): (usize, &&str)| Class {
            name: (*name).to_owned(),
            color: Rgb([60 * id as u8, 200, 10]),
        };
        let classes = names.iter().enumerate().map(class).collect();
        let mut meta = CheckpointMeta::new(model, ClassSet { name: "test".into(), classes });
        change(&mut meta);
        Checkpoint::save(&self.file(file), &params, &meta, &[]).unwrap();
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn frame(&self, name: &str, width: u32, height: u32) {
        let frame = RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(8 * x) as u8, (9 * y) as u8, (x * y) as u8])
        });
        frame.save(self.file(name)).unwrap();
    }

    /// Runs `canet` in the folder.
    pub(crate) fn canet(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// `canet` in the folder, to be run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_canet"));
        command.current_dir(&self.0).args(arguments).env_remove("RUST_LOG");
        command
    }

    /// Runs it, and returns what it writes to stdout.
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        let output = self.canet(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.text(arguments)).unwrap()
    }

    /// Runs it in vain, and returns the exit code and the messages.
    pub(crate) fn failure(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.canet(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), errors)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

pub(crate) fn assignment() -> ModelConfig {
    ModelConfig::Assignment(AssignmentConfig::default())
}

/// The paper's network, as small as it gets.
pub(crate) fn canet() -> ModelConfig {
    let depth = Depth::D18;
    ModelConfig::Canet(CanetConfig { depth, capacity: 16, aux: true, ..Default::default() })
}
