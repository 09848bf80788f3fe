//! Whose fault an error is: the one table from which all programs take their exit codes.

use std::io::{self, ErrorKind};

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The caller's: options, paths, specifications or configurations. Change them.
    Usage,
    /// The data's: the content of a file. Replace it.
    Data,
    /// The machine's: a full disk, no memory, a failing device. Give it more, or repair it.
    Resources,
    /// This project's: a bug. Report it.
    Bug,
}

impl Fault {
    /// The exit code by which programs tell it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Bug => 1,
            Self::Usage => 2,
            Self::Data => 3,
            Self::Resources => 5,
        }
    }

    /// Whose fault the system's refusal is: paths are the caller's choice, all else is the machine's.
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidInput
            | ErrorKind::AlreadyExists => Self::Usage,
            _ => Self::Resources,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn errors_find_their_exit_code() {
        let io = |kind| Error::io("write", "x")(io::Error::from(kind));
        let (path, reason) = ("m.png".into(), "is cut".to_owned());
        for (error, code) in [
            (io(ErrorKind::NotFound), 2),
            (io(ErrorKind::PermissionDenied), 2),
            (io(ErrorKind::IsADirectory), 2),
            (io(ErrorKind::AlreadyExists), 2),
            (io(ErrorKind::StorageFull), 5),
            (io(ErrorKind::OutOfMemory), 5),
            (Error::io("read", "x")(io::Error::other("the device is gone")), 5),
            (Error::Spec { origin: "map".into(), reason: reason.clone() }, 2),
            (Error::Mask { path, reason }, 3),
        ] {
            assert_eq!(error.fault().exit_code(), code, "{error}");
        }
        assert_eq!(Fault::Bug.exit_code(), 1);
    }
}
