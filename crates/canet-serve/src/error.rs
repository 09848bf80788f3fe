//! What can go wrong before a server answers, by whose fault it is. (What goes wrong with a request
//! is told to its client: see [`crate::Reason`].)

use std::io;
use std::net::SocketAddr;

use canet_core::Fault;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate. Messages are lower-case fragments that say what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of its bounds: the caller's fault.
    #[error("{option}: {reason}")]
    Setting {
        /// The setting, as people know it.
        option: &'static str,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; {}", advice(source))]
    Address {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// The system gives no thread or no signal: the machine's fault.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried, as a verb.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] canet_model::Error),
    /// Its classes cannot.
    #[error(transparent)]
    Classes(#[from] canet_core::Error),
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Setting { .. } => Fault::Usage,
            Self::Address { source, .. } if source.kind() == io::ErrorKind::AddrNotAvailable => {
                Fault::Usage
            }
            Self::Address { source, .. } | Self::System { source, .. } => Fault::of_io(source),
            Self::Model(error) => error.fault(),
            Self::Classes(error) => error.fault(),
        }
    }

    pub(crate) fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program has this port; choose another --port, or 0 for any that is free"
        }
        io::ErrorKind::AddrNotAvailable => "--host must be an address of this machine",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are for the system; choose another --port"
        }
        _ => "choose another --host or --port",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_with_advice_and_a_fault() {
        let error = |kind| {
            let source = io::Error::from(kind);
            Error::Address { address: ([127, 0, 0, 1], 80).into(), source }
        };
        for (kind, needle, code) in [
            (io::ErrorKind::AddrInUse, "choose another --port, or 0", 5),
            (io::ErrorKind::AddrNotAvailable, "an address of this machine", 2),
            (io::ErrorKind::PermissionDenied, "ports below 1024", 2),
        ] {
            let error = error(kind);
            assert!(error.to_string().contains(needle), "{error}");
            assert_eq!(error.fault().exit_code(), code, "{error}");
        }
    }
}
