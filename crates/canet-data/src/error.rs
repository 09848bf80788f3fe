//! What can go wrong on the data side, by whose fault it is.
//!
//! A program turns [`Error::fault`] into its exit code; a long run turns [`Error::reason`] into a
//! line of its list of skipped frames, where the path stands in a column of its own.

use std::io;
use std::path::PathBuf;

use canet_core::Fault;

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
    /// A frame is larger than any that is decoded, as its header says: the data's fault.
    #[error("{}: {reason}", path.display())]
    FrameTooLarge {
        /// The image.
        path: PathBuf,
        /// How large it is, and what is possible.
        reason: String,
    },
    /// Polygons do not give back the mask that they were made of: a bug.
    #[error(
        "the polygons differ from the mask in {differing} pixels by the rule {rule}; please report it"
    )]
    Inexact {
        /// The fill rule.
        rule: crate::raster::Rule,
        /// How many pixels differ.
        differing: u64,
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

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Core(error) => error.fault(),
            Self::Options { .. } => Fault::Usage,
            Self::Inexact { .. } => Fault::Bug,
            Self::Annotation { .. }
            | Self::Frame { .. }
            | Self::FrameTooLarge { .. }
            | Self::Layout { .. }
            | Self::Manifest { .. } => Fault::Data,
        }
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
            | Self::FrameTooLarge { reason, .. }
            | Self::Layout { reason, .. }
            | Self::Manifest { reason, .. }
            | Self::Options { reason, .. } => reason.clone(),
            other @ (Self::Core(_) | Self::Inexact { .. }) => other.to_string(),
        }
    }

    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let of_core = canet_core::Error::io(action, path);
        move |source| Self::Core(of_core(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_apart() {
        let io = |kind| Error::io("write", "x")(io::Error::from(kind));
        for (error, fault) in [
            (io(io::ErrorKind::StorageFull), Fault::Resources),
            (io(io::ErrorKind::NotFound), Fault::Usage),
            (Error::Options { option: "seed", reason: "is odd".into() }, Fault::Usage),
            (Error::Frame { path: "a.png".into(), reason: "is cut".into() }, Fault::Data),
        ] {
            assert_eq!(error.fault(), fault, "{error}");
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
