//! The model that the commands use, and where it computes.

use std::path::{Path, PathBuf};

use anyhow::Result;
use canet_model::{Checkpoint, Device, parse_device};

use crate::exit::Failure;

/// Which network predicts, and where.
#[derive(clap::Args)]
pub(crate) struct ModelArgs {
    /// The checkpoint, a .safetensors file [default: the small model that is built in]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Where to compute: auto, cpu, cuda:N or metal
    #[arg(long, default_value = "auto")]
    device: String,
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
}

/// Reads a model, or the one that is built in.
pub(crate) fn read(path: Option<&Path>) -> Result<Checkpoint> {
    match path {
        Some(path) => Ok(Checkpoint::read(path)?),
        None => Err(Failure::usage("no model is built in yet; name one with --model").into()),
    }
}
