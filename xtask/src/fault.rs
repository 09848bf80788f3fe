//! Errors by whose fault they are, which is what the exit code tells.
//!
//! | code | meaning |
//! |------|---------|
//! | 0 | done |
//! | 1 | a bug of this program |
//! | 2 | usage: options, paths, or a data set that must be fetched by hand |
//! | 3 | data: the download, the archive or the frames are not what they should be |
//! | 5 | out of resources: a full disk, no memory |

use canet_core::Fault;

/// An error that this program finds by itself.
#[derive(Debug)]
pub struct Failure {
    fault: Fault,
    message: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The caller's fault: exit code 2.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    Failure { fault: Fault::Usage, message: message.into() }.into()
}

/// The data's fault: exit code 3.
pub(crate) fn data(message: impl Into<String>) -> anyhow::Error {
    Failure { fault: Fault::Data, message: message.into() }.into()
}

/// Whose fault an error is; what nobody foresaw is a bug.
pub fn of(error: &anyhow::Error) -> Fault {
    let says = |e: &(dyn std::error::Error + 'static)| {
        if let Some(failure) = e.downcast_ref::<Failure>() {
            Some(failure.fault)
        } else if let Some(error) = e.downcast_ref::<canet_data::Error>() {
            Some(error.fault())
        } else if let Some(error) = e.downcast_ref::<canet_core::Error>() {
            Some(error.fault())
        } else if let Some(error) = e.downcast_ref::<canet_fetch::Error>() {
            Some(error.fault())
        } else {
            e.downcast_ref::<std::io::Error>().map(Fault::of_io)
        }
    };
    error.chain().find_map(says).unwrap_or(Fault::Bug)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use std::io::ErrorKind;

    #[test]
    fn each_error_has_its_fault() {
        let io = |kind| anyhow::Error::new(std::io::Error::from(kind));
        let full = canet_core::Error::io("write", "x")(ErrorKind::StorageFull.into());
        for (error, fault) in [
            (anyhow::anyhow!("surprise"), Fault::Bug),
            (usage("no such data set"), Fault::Usage),
            (data("is not an archive"), Fault::Data),
            (Err::<(), _>(data("inner")).context("outer").unwrap_err(), Fault::Data),
            (io(ErrorKind::StorageFull).context("cannot write x"), Fault::Resources),
            (io(ErrorKind::PermissionDenied).context("cannot write x"), Fault::Usage),
            (canet_data::Error::from(full).into(), Fault::Resources),
        ] {
            assert_eq!(of(&error), fault, "{error:#}");
        }
    }
}
