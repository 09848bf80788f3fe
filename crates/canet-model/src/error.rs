//! What can go wrong with models and their files, by whose fault it is.

use std::path::{Path, PathBuf};

use canet_core::Fault;

use crate::LoadReport;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How [`Error::DeviceMemory`] begins.
const FULL: &str =
    "the device's memory is full; give it smaller pictures, or fewer at once, or take --device cpu";

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
    #[error(
        "the network gives scores that are not finite; the checkpoint's weights are useless, or they are too large for f16, if that was asked for: use bf16"
    )]
    NotFinite,
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] canet_core::Error),
    /// The device has no memory left: the machine's fault.
    #[error("{FULL}: {0}")]
    DeviceMemory(String),
    /// The arithmetic below failed: a lost device, or a bug here.
    #[error("computing failed: {0}")]
    Compute(candle_core::Error),
}

impl Error {
    /// Whose fault this is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Config(_) | Self::Device { .. } | Self::Input(_) => Fault::Usage,
            Self::NoDevice { .. } | Self::DeviceMemory(_) => Fault::Resources,
            Self::Checkpoint { .. } | Self::Mismatch { .. } | Self::NotFinite => Fault::Data,
            Self::File(error) => error.fault(),
            Self::Compute(_) => Fault::Bug,
        }
    }

    pub(crate) fn checkpoint(path: &Path, reason: impl Into<String>) -> Self {
        Self::Checkpoint { path: path.to_owned(), reason: reason.into() }
    }
}

/// The one place that tells a full device from all else that fails below.
impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        let words = error.to_string();
        match words.lines().find(|line| speaks_of_memory(line)) {
            // It may have been an error of ours, which candle has carried through.
            Some(line) => {
                let line =
                    line.strip_prefix(FULL).map_or(line, |line| line.trim_start_matches(':'));
                Self::DeviceMemory(line.trim().to_owned())
            }
            None => Self::Compute(error),
        }
    }
}

/// Drivers and libraries report a full device in words only: CUDA, cuBLAS, and cuDNN's old and new names.
/// (Not "alloc" alone: a backtrace that follows the message is full of it.)
fn speaks_of_memory(message: &str) -> bool {
    let message = message.to_lowercase();
    let words = ["out of memory", "out_of_memory", "alloc_failed", "allocation_failed"];
    words.iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use candle_core::Error as Candle;

    use super::*;

    #[test]
    fn a_full_device_is_the_machines_fault_in_one_line() {
        let driver = "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")";
        // As a recording hands it on, within an error of ours; and with a backtrace behind it.
        let recorded = Error::from(Candle::Msg(driver.into()));
        let traced = format!("{driver}\n   0: candle_core::error::Error::bt\n");
        for (error, line) in [
            (Candle::Msg(driver.into()), driver),
            (Candle::wrap(recorded), driver),
            (Candle::Msg(traced), driver),
            (
                Candle::Msg("a pass\nCudnnError(CUDNN_STATUS_ALLOC_FAILED)".into()),
                "CudnnError(CUDNN_STATUS_ALLOC_FAILED)",
            ),
            (
                Candle::Msg(
                    "CudnnError(CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)".into(),
                ),
                "CudnnError(CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)",
            ),
            (
                Candle::Msg("CublasError(CUBLAS_STATUS_ALLOC_FAILED)".into()),
                "CublasError(CUBLAS_STATUS_ALLOC_FAILED)",
            ),
        ] {
            let error = Error::from(error);
            assert!(matches!(&error, Error::DeviceMemory(words) if words == line), "{error}");
            assert_eq!(error.fault(), Fault::Resources);
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn all_else_that_fails_below_is_a_bug() {
        for message in [
            "shape mismatch in add, lhs: [2], rhs: [3]",
            "no such kernel\n   0: alloc::boxed::Box<T>::new\n             at library/alloc/src/alloc.rs:95:9",
        ] {
            let error = Error::from(Candle::Msg(message.into()));
            assert!(matches!(error, Error::Compute(_)), "{error}");
            assert_eq!(error.fault(), Fault::Bug, "{error}");
        }
    }
}
