//! The project's task runner: `cargo xtask download-and-prepare`, `cargo xtask gpu-check`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    // A panic is a bug, and bugs have exit code 1.
    std::panic::catch_unwind(xtask::run).unwrap_or(ExitCode::from(1))
}
