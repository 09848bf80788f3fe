//! What can go wrong on the data side, by whose fault it is.
//!
//! A program turns [`Error::kind`] into its exit code; a long run turns [`Error::reason`] into a
//! line of its list of skipped frames, where the path stands in a column of its own.

use std::io;
use std::path::PathBuf;

/// An error of this crate. Messages are lower-case fragments that say what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file, a specification or a mask failed; the message is the core's own.
    #[error(transparent)]
    Core(#[from] canet_core::Error),
    /// An annotation file is not what the contract says: its author's fault.
    #[error("{}: at {at}: {reason}", path.display())]
    Annotation {
        /// The annotation file.
        path: PathBuf,
        /// Where in the file, as a JSON path such as `objects[3].polygon[0]`.
        at: String,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// A frame's image cannot be read to its end: the data's fault.
    #[error("{}: {reason}", path.display())]
    Frame {
        /// The image.
        path: PathBuf,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// A folder does not hold what was looked for: the download's fault, or a wrong path.
    #[error("{}: {reason}", path.display())]
    Layout {
        /// The folder.
        path: PathBuf,
        /// What was looked for, and what was found instead.
        reason: String,
    },
    /// A prepared folder's manifest is missing, foreign or changed.
    #[error("{}: {reason}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// An option makes no sense: the caller's fault.
    #[error("{option}: {reason}")]
    Options {
        /// The option, as people know it.
        option: &'static str,
        /// What is wrong, and what is expected.
        reason: String,
    },
}

/// Whose fault an error is; programs have an exit code for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Options, paths or specification files: exit code 2.
    Usage,
    /// Frames, annotations or prepared folders: exit code 3.
    Data,
    /// The machine: a full disk, no memory, a failing device: exit code 5.
    Resources,
}

impl Error {
    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Core(canet_core::Error::Io { source, .. }) => match source.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::InvalidInput => ErrorKind::Usage,
                _ => ErrorKind::Resources,
            },
            Self::Options { .. } | Self::Core(canet_core::Error::Spec { .. }) => ErrorKind::Usage,
            _ => ErrorKind::Data,
        }
    }

    /// Whether the caller's options, paths or specification files are at fault.
    pub fn is_usage(&self) -> bool {
        self.kind() == ErrorKind::Usage
    }

    /// The message without the path, for lists in which the path stands beside it.
    pub fn reason(&self) -> String {
        match self {
            Self::Core(canet_core::Error::Io { action, source, .. }) => {
                format!("cannot {action}: {source}")
            }
            Self::Annotation { at, reason, .. } => format!("at {at}: {reason}"),
            Self::Core(
                canet_core::Error::Mask { reason, .. } | canet_core::Error::Spec { reason, .. },
            )
            | Self::Frame { reason, .. }
            | Self::Layout { reason, .. }
            | Self::Manifest { reason, .. }
            | Self::Options { reason, .. } => reason.clone(),
            other @ Self::Core(_) => other.to_string(),
        }
    }

    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Core(canet_core::Error::Io { action, path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_find_their_exit_code() {
        let io = |kind| Error::io("write", "x")(io::Error::from(kind));
        for (error, kind) in [
            (io(io::ErrorKind::StorageFull), ErrorKind::Resources),
            (io(io::ErrorKind::QuotaExceeded), ErrorKind::Resources),
            (io(io::ErrorKind::NotFound), ErrorKind::Usage),
            (Error::Options { option: "seed", reason: "is odd".into() }, ErrorKind::Usage),
            (Error::Frame { path: "a.png".into(), reason: "is cut".into() }, ErrorKind::Data),
        ] {
            assert_eq!(error.kind(), kind, "{error}");
        }
    }

    #[test]
    fn a_reason_does_not_repeat_the_path() {
        let error = Error::Annotation {
            path: "a.json".into(),
            at: "imgWidth".into(),
            reason: "is 0".into(),
        };
        assert_eq!(error.to_string(), "a.json: at imgWidth: is 0");
        assert_eq!(error.reason(), "at imgWidth: is 0");
    }
}
