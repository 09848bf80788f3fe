//! The project's task runner, as a library: its tests and fuzz targets call what its program calls.
//!
//! It never depends on candle, so that it is built in the time a download takes to begin.

#![forbid(unsafe_code)]

mod download_and_prepare;
mod drive;
pub mod fault;
pub mod fetch;
mod gpu_check;
mod progress;
mod report;
mod source;
pub mod unpack;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Get a data set and turn it into frames and masks ready for training.
    DownloadAndPrepare(download_and_prepare::Args),
    /// Pack a folder that checks and measures a GPU, beside PyTorch, on a machine without Rust.
    GpuCheck(gpu_check::Args),
}

/// The program: reads the command line, runs the task, and tells what went wrong.
pub fn run() -> ExitCode {
    let result = match Cli::parse().task {
        Task::DownloadAndPrepare(args) => download_and_prepare::run(&args),
        Task::GpuCheck(args) => gpu_check::run(&args),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    progress::note(format!("error: {error}"));
    for cause in error.chain().skip(1) {
        progress::note(format!("  because: {cause}"));
    }
    ExitCode::from(fault::of(&error).exit_code())
}
