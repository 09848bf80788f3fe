//! What can go wrong with models and their files, by whose fault it is.

use std::path::{Path, PathBuf};

use canet_core::Fault;

use crate::LoadReport;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate. Messages are lower-case fragments that say what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model configuration asks for what cannot be built: its author's fault.
    #[error("model configuration: {0}")]
    Config(String),
    /// The device asked for is not known, or not compiled in: the caller's fault.
    #[error("device {asked:?}: {reason}")]
    Device {
        /// What was asked for.
        asked: String,
        /// Why it cannot be had, and what to ask for instead.
        reason: String,
    },
    /// The device is not in this machine, or its driver will not have us: the machine's fault.
    #[error("device {asked:?} cannot be had: {reason}; --device cpu works without it")]
    NoDevice {
        /// What was asked for.
        asked: String,
        /// In the driver's words.
        reason: String,
    },
    /// A picture or a tensor does not suit the function it was given to: the caller's fault.
    #[error("{0}")]
    Input(String),
    /// A checkpoint is damaged, or is not one: the file's fault.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do next.
        reason: String,
    },
    /// The tensors do not fit the network: another architecture, or another number of classes.
    #[error("{origin} does not fit the network (check its depth, stem and classes): {report}")]
    Mismatch {
        /// Where the tensors come from.
        origin: String,
        /// The names that differ.
        report: Box<LoadReport>,
    },
    /// The network gave NaN or infinite scores: its weights are broken, or a picture's values are.
    #[error("the network gives scores that are not finite; the checkpoint's weights are useless")]
    NotFinite,
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] canet_core::Error),
    /// The arithmetic below failed: out of memory, a lost device, or a bug here.
    #[error("computing failed: {0}")]
    Compute(#[from] candle_core::Error),
}

impl Error {
    /// Whose fault this is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Config(_) | Self::Device { .. } | Self::Input(_) => Fault::Usage,
            Self::NoDevice { .. } => Fault::Resources,
            Self::Checkpoint { .. } | Self::Mismatch { .. } | Self::NotFinite => Fault::Data,
            Self::File(error) => error.fault(),
            Self::Compute(error) if speaks_of_memory(&error.to_string()) => Fault::Resources,
            Self::Compute(_) => Fault::Bug,
        }
    }

    pub(crate) fn checkpoint(path: &Path, reason: impl Into<String>) -> Self {
        Self::Checkpoint { path: path.to_owned(), reason: reason.into() }
    }
}

/// Drivers report a full device in words only.
fn speaks_of_memory(message: &str) -> bool {
    let message = message.to_lowercase();
    ["out of memory", "out_of_memory", "alloc"].iter().any(|words| message.contains(words))
}
