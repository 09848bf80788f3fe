//! Exit codes: whose fault a failure is.

use std::process::ExitCode;

use canet_core::Fault;

/// Shown below `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0    all went well
  1    a bug of this program; please report it
  2    the command line is wrong: a bad argument, a path of no use, no such device
  3    a file is broken: the checkpoint, or some of the frames (the others are done)
  5    the machine lacks something: memory, disk, a reader of the output
  130  stopped by Ctrl-C, after the frames in work

The messages go to stderr; RUST_LOG=warn leaves out the progress.";

/// The exit code of who was asked to stop, by the convention for signals.
pub(crate) const STOPPED: u8 = 130;

/// The user asked the program to stop, and it did so in order.
#[derive(Debug)]
pub(crate) struct Stopped(pub(crate) String);

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Stopped {}

/// A failure that this program finds by itself.
#[derive(Debug)]
pub(crate) struct Failure {
    fault: Fault,
    message: String,
}

impl Failure {
    /// The command line is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { fault: Fault::Usage, message: message.into() }
    }

    /// A file's content is wrong.
    pub(crate) fn data(message: impl Into<String>) -> Self {
        Self { fault: Fault::Data, message: message.into() }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Whose fault an error is; what nobody foresaw is a bug.
fn fault(error: &anyhow::Error) -> Fault {
    #[cfg(feature = "onnx")]
    if let Some(error) = error.downcast_ref::<canet_onnx::Error>() {
        return error.fault();
    }
    if let Some(failure) = error.downcast_ref::<Failure>() {
        failure.fault
    } else if let Some(error) = error.downcast_ref::<canet_model::Error>() {
        error.fault()
    } else if let Some(error) = error.downcast_ref::<canet_data::Error>() {
        error.fault()
    } else if let Some(error) = error.downcast_ref::<canet_core::Error>() {
        error.fault()
    } else if let Some(fault) = fault_of_server(error) {
        fault
    } else {
        error.downcast_ref::<std::io::Error>().map_or(Fault::Bug, Fault::of_io)
    }
}

#[cfg(feature = "serve")]
fn fault_of_server(error: &anyhow::Error) -> Option<Fault> {
    error.downcast_ref::<canet_serve::Error>().map(canet_serve::Error::fault)
}

#[cfg(not(feature = "serve"))]
fn fault_of_server(_: &anyhow::Error) -> Option<Fault> {
    None
}

/// The exit code of an error.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    if error.is::<Stopped>() {
        return ExitCode::from(STOPPED);
    }
    ExitCode::from(fault(error).exit_code())
}
