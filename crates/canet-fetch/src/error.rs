//! What can go wrong with a download, by whose fault it is.

use std::path::PathBuf;

use canet_core::Fault;
use ureq::http::StatusCode;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate. Messages are lower-case fragments.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer: there is no network, no such server, or it is silent.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The server has another answer than a file.
    #[error("{url} answered with status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The answer.
        status: StatusCode,
    },
    /// The server has a web page where a file should be.
    #[error(
        "nothing was downloaded: {url} answered with status {status} and a web page{title} instead of the file: {reason}"
    )]
    Page {
        /// What was asked for.
        url: String,
        /// The answer.
        status: StatusCode,
        /// Its title, as `, titled "..."`, or nothing.
        title: String,
        /// What that may mean.
        reason: String,
    },
    /// What came is not what was announced.
    #[error("{url} {reason}")]
    Content {
        /// What was asked for.
        url: String,
        /// What the server did.
        reason: String,
    },
    /// A whole file, but another one.
    #[error("{} has sha-256 {actual}, expected {expected}; {advice}", path.display())]
    WrongFile {
        /// The file.
        path: PathBuf,
        /// Its SHA-256 in hex.
        actual: String,
        /// What it should be.
        expected: String,
        /// What was done, or is to do.
        advice: &'static str,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] canet_core::Error),
}

impl Error {
    pub(crate) fn content(url: &str, reason: impl Into<String>) -> Self {
        Self::Content { url: url.to_owned(), reason: reason.into() }
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::File(error) => error.fault(),
            _ => Fault::Data,
        }
    }
}
