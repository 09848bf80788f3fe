//! The `canet-train` program; see [`canet_train::cli`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Training makes and drops buffers of tens of megabytes at every step. The system's allocator gives
/// each back to the kernel and faults it in again, page by page; mimalloc keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A panic is a bug, and bugs have exit code 1.
    std::panic::catch_unwind(canet_train::cli::main).unwrap_or(ExitCode::from(1))
}
