//! The `canet-train` program; see [`canet_train::cli`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Training makes and drops buffers of tens of megabytes at every step; see [`canet_ops::Recycling`].
#[global_allocator]
static ALLOCATOR: canet_ops::Recycling<mimalloc::MiMalloc> =
    canet_ops::Recycling::with_refusal(KEPT, mimalloc::MiMalloc, canet_train::memory::refused);

/// Bytes that are kept for the next step, at most.
const KEPT: usize = 8 << 30;

fn main() -> ExitCode {
    canet_ops::process::report_oversized_files();
    // A panic is a bug, and bugs have exit code 1.
    std::panic::catch_unwind(canet_train::cli::main).unwrap_or(ExitCode::from(1))
}
