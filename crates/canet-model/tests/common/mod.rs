//! Small networks, frames and folders for the tests.
#![allow(dead_code, reason = "each test program uses its own share")]
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

pub(crate) mod golden;

use std::path::PathBuf;

use canet_model::image::RgbImage;
use canet_model::{
    AssignmentConfig, CanetConfig, CheckpointMeta, Class, ClassSet, Depth, Device, ModelConfig,
    Network, Params, Rgb, Stem,
};

pub(crate) fn assignment(classes: usize) -> ModelConfig {
    ModelConfig::Assignment(AssignmentConfig { classes, ..Default::default() })
}

pub(crate) fn small_canet(classes: usize) -> ModelConfig {
    ModelConfig::Canet(CanetConfig {
        depth: Depth::D18,
        stem: Stem::Classic,
        classes,
        capacity: 16,
        aux: true,
        ..Default::default()
    })
}

pub(crate) fn build(config: &ModelConfig, seed: u64) -> (Network, Params) {
    let mut params = Params::new(seed, &Device::Cpu);
    (Network::new(config, &mut params).unwrap(), params)
}

pub(crate) fn meta(config: &ModelConfig) -> CheckpointMeta {
    let class = |id: usize| Class {
        name: format!("class {id}"),
        color: Rgb([(50 * id) as u8, (255 - 40 * id as i32) as u8, 128]),
    };
    let classes = (0..config.classes()).map(class).collect();
    CheckpointMeta::new(config.clone(), ClassSet { name: "test".into(), classes })
}

pub(crate) fn frame(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        canet_model::image::Rgb([x * 7 % 256, y * 5 % 256, (x + y) * 3 % 256].map(|v| v as u8))
    })
}

/// A folder of the test's own, empty at first and removed at the end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("canet-model-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&path).ok();
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}
