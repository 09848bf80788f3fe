//! The model that the commands use, and where it computes.

use std::path::{Path, PathBuf};

use anyhow::Result;
use canet_model::{Arithmetic, Checkpoint, Device, Options, parse_device};

/// The small model of `models/`, whose card is beside it: a part of the program, so that there is
/// something to try before anything is trained.
pub(crate) const BUILT_IN: &[u8] = include_bytes!("../../../models/idd-lite.safetensors");

/// Which network predicts, and where.
#[derive(clap::Args)]
pub(crate) struct ModelArgs {
    /// The checkpoint, a .safetensors file [default: the small model that is built in]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Where to compute: auto, cpu, cuda:N or metal
    #[arg(long, default_value = "auto")]
    device: String,
    /// How exactly a GPU computes: bf16, f16, tf32 or f32 [default: bf16 on a GPU, f32 on a CPU]
    #[arg(long, value_name = "NAME")]
    arithmetic: Option<Arithmetic>,
}

impl ModelArgs {
    /// Reads the model.
    pub(crate) fn checkpoint(&self) -> Result<Checkpoint> {
        read(self.model.as_deref())
    }

    /// What to call the model: the name of its file.
    pub(crate) fn name(&self) -> String {
        let stem = self.model.as_ref().and_then(|path| path.file_stem());
        stem.map_or_else(|| "built-in".to_owned(), |stem| stem.to_string_lossy().into_owned())
    }

    /// The device.
    pub(crate) fn device(&self) -> Result<Device> {
        Ok(parse_device(&self.device)?)
    }

    /// The device and its arithmetic, and the defaults else.
    pub(crate) fn options(&self) -> Result<Options> {
        let device = self.device()?;
        let arithmetic = self.arithmetic.unwrap_or_else(|| Arithmetic::best(&device));
        Ok(Options { device, arithmetic, ..Options::cpu() })
    }
}

/// Reads a model, or the one that is built in.
pub(crate) fn read(path: Option<&Path>) -> Result<Checkpoint> {
    match path {
        Some(path) => Ok(Checkpoint::read(path)?),
        None => Ok(Checkpoint::from_bytes(BUILT_IN, "the built-in model")?),
    }
}

#[cfg(test)]
mod tests {
    use canet_core::LabelMap;

    use super::*;

    #[test]
    fn a_small_model_is_built_in() {
        assert!(BUILT_IN.len() < 4 << 20, "{}", BUILT_IN.len());
        let checkpoint = read(None).unwrap();
        assert_eq!(&checkpoint.meta.classes, LabelMap::builtin("idd-lite-7").unwrap().classes());
        assert!(checkpoint.training_tensors.is_empty());
        let error = read(Some("none.safetensors".as_ref())).unwrap_err().to_string();
        assert!(error.contains("none.safetensors"), "{error}");
    }
}
