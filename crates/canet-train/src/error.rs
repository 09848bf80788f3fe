//! What can go wrong in training, by whose fault it is.

use std::path::PathBuf;

use canet_core::Fault;

use crate::start::hub;

/// An error of this crate. Messages are lower-case fragments that say what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data set.
    #[error(transparent)]
    Data(#[from] canet_data::Error),
    /// The network, its checkpoint or its device.
    #[error(transparent)]
    Model(#[from] canet_model::Error),
    /// A file.
    #[error(transparent)]
    File(#[from] canet_core::Error),
    /// The configuration: its author's fault.
    #[error("{origin}: {reason}")]
    Config {
        /// The file, option or key.
        origin: String,
        /// What is wrong, and what is possible.
        reason: String,
    },
    /// A published file that could not be fetched, or is not what it was.
    #[error(
        "{model} cannot be had: {source}; fetch {url} by hand and put it at {}, or name the file as the backbone",
        place.display()
    )]
    Hub {
        /// What was asked for.
        model: String,
        /// The file.
        url: String,
        /// Where it is kept.
        place: PathBuf,
        /// What went wrong.
        source: Box<canet_fetch::Error>,
    },
    /// A run that cannot be started or gone on with as asked.
    #[error("{}: {reason}", path.display())]
    Run {
        /// The run's folder or file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// Memory or disk ran out. What was saved before stands.
    #[error("{source}\n{advice}")]
    Exhausted {
        /// What failed.
        source: Box<Error>,
        /// What to do.
        advice: String,
    },
    /// What was tried does not fit into a GPU's memory.
    #[error("{message}")]
    DoesNotFit {
        /// What it was, how much was free, and what to do.
        message: String,
        /// In the driver's words.
        source: Box<Error>,
    },
    /// Loss, gradient or scores are not finite. What was saved before stands.
    #[error(
        "diverged at step {step}: {what} (frames {frames}); {then}. Lower optimizer.lr, or raise optimizer.warmup_steps"
    )]
    Diverged {
        /// The optimiser step, from 1.
        step: u64,
        /// What was not finite.
        what: String,
        /// The frames of the batch.
        frames: String,
        /// What has become of the run.
        then: String,
    },
}

impl Error {
    pub(crate) fn config(origin: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Config { origin: origin.into(), reason: reason.into() }
    }

    pub(crate) fn run(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Run { path: path.into(), reason: reason.into() }
    }

    /// Whether the memory of the device that computes is full.
    pub(crate) fn is_full_device(&self) -> bool {
        matches!(self, Self::Model(canet_model::Error::DeviceMemory(_)))
    }

    /// The program's exit code: 1 a bug, 2 usage or configuration, 3 data, 4 diverged, 5 out of
    /// resources.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config { .. } | Self::Run { .. } => Fault::Usage.exit_code(),
            Self::Hub { source, .. } => hub::exit_code(source),
            Self::Diverged { .. } => 4,
            Self::Exhausted { source, .. } | Self::DoesNotFit { source, .. } => source.exit_code(),
            Self::Data(error) => error.fault().exit_code(),
            Self::Model(error) => error.fault().exit_code(),
            Self::File(error) => error.fault().exit_code(),
        }
    }
}

/// The arithmetic's errors are classified in one place, by the model's crate.
impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Model(error.into())
    }
}
