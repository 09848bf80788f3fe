//! What can go wrong with specifications, masks and files, by whose fault it is.

use std::path::PathBuf;

use crate::Fault;

/// An error of this crate. Messages are lower-case fragments that say what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written: the machine's or the path's fault.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "read", "write", "rename".
        action: &'static str,
        /// The file concerned.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A specification file (label map, label table) is not what it should be: its author's fault.
    #[error("{origin}: {reason}")]
    Spec {
        /// The file, or the built-in specification's name.
        origin: String,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// A mask image is not what it should be: the data's fault.
    #[error("{}: {reason}", path.display())]
    Mask {
        /// The image.
        path: PathBuf,
        /// What is wrong, and what is expected.
        reason: String,
    },
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Io { source, .. } => Fault::of_io(source),
            Self::Spec { .. } => Fault::Usage,
            Self::Mask { .. } => Fault::Data,
        }
    }

    /// What makes an error of the system's answer, for `map_err`; `action` is a verb such as "read".
    pub fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
