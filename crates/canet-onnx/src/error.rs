//! What can go wrong with an export, by whose fault it is.

use canet_core::{Fault, MAX_SIDE};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate. Messages are lower-case fragments that say what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network does not take pictures of this size: the caller's fault.
    #[error(
        "the network takes pictures with sides from {least} to {MAX_SIDE}, not {height},{width} \
         (height,width); choose another size, or a dynamic one"
    )]
    Size {
        /// What was asked for.
        height: usize,
        /// What was asked for.
        width: usize,
        /// The smallest side that the network takes.
        least: usize,
    },
    /// The file would be larger than what protocol buffers can hold.
    #[error(
        "the file would have {bytes} bytes, and ONNX files end at 2 GiB; export with 16-bit weights"
    )]
    TooLarge {
        /// What it would have.
        bytes: usize,
    },
    /// The model itself is of no use.
    #[error(transparent)]
    Model(#[from] canet_model::Error),
    /// Another engine does not run the file: a bug here, or there.
    #[cfg(feature = "check")]
    #[error("the exported file is not run by another engine: {0}")]
    Engine(String),
    /// Another engine computes something else from the file: a bug here, or there.
    #[cfg(feature = "check")]
    #[error(
        "another engine computes other scores from the exported file: they are off by {found} of \
         the largest score, and may be by {allowed}; please report it"
    )]
    Differs {
        /// The largest difference.
        found: f32,
        /// What is tolerated.
        allowed: f32,
    },
}

impl Error {
    /// Whose fault this is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Size { .. } | Self::TooLarge { .. } => Fault::Usage,
            Self::Model(error) => error.fault(),
            #[cfg(feature = "check")]
            Self::Engine(_) | Self::Differs { .. } => Fault::Bug,
        }
    }
}
