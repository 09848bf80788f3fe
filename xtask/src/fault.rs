//! Errors by whose fault they are, which is what the exit code tells.
//!
//! | code | meaning |
//! |------|---------|
//! | 0 | done |
//! | 1 | a bug of this program |
//! | 2 | usage: options, paths, or a data set that must be fetched by hand |
//! | 3 | data: the download, the archive or the frames are not what they should be |
//! | 5 | out of resources: a full disk, no memory |

use std::io::ErrorKind;

/// An error that is not a bug.
#[derive(Debug)]
pub(crate) struct Fault {
    code: u8,
    message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// The caller's fault: exit code 2.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    Fault { code: 2, message: message.into() }.into()
}

/// The data's fault: exit code 3.
pub(crate) fn data(message: impl Into<String>) -> anyhow::Error {
    Fault { code: 3, message: message.into() }.into()
}

/// The exit code of an error: the machine's limits first, then what the error itself says.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    let out_of_room = |e: &(dyn std::error::Error + 'static)| {
        e.downcast_ref::<std::io::Error>().is_some_and(|e| {
            matches!(
                e.kind(),
                ErrorKind::StorageFull
                    | ErrorKind::QuotaExceeded
                    | ErrorKind::FileTooLarge
                    | ErrorKind::OutOfMemory
            )
        })
    };
    if error.chain().any(out_of_room) {
        return 5;
    }
    let code = |e: &(dyn std::error::Error + 'static)| {
        if let Some(fault) = e.downcast_ref::<Fault>() {
            return Some(fault.code);
        }
        if let Some(error) = e.downcast_ref::<canet_data::Error>() {
            return Some(match error.kind() {
                canet_data::ErrorKind::Usage => 2,
                canet_data::ErrorKind::Data => 3,
                canet_data::ErrorKind::Resources => 5,
            });
        }
        // What is left of the system's errors: paths that cannot be read or written.
        (e.is::<std::io::Error>() || e.is::<canet_core::Error>()).then_some(2)
    };
    error.chain().find_map(code).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn each_fault_has_its_code() {
        let io = |kind| anyhow::Error::new(std::io::Error::from(kind));
        for (error, code) in [
            (anyhow::anyhow!("surprise"), 1),
            (usage("no such data set"), 2),
            (data("is not an archive"), 3),
            (Err::<(), _>(data("inner")).context("outer").unwrap_err(), 3),
            (io(ErrorKind::StorageFull).context("cannot write x"), 5),
            (io(ErrorKind::PermissionDenied).context("cannot write x"), 2),
        ] {
            assert_eq!(exit_code(&error), code, "{error:#}");
        }
    }
}
