//! The `canet` program. One file a command; this one only chooses.

#![forbid(unsafe_code)]

mod bench;
mod check;
mod escape;
mod exit;
mod explain;
mod export;
mod frame;
mod init;
mod inspect;
mod manual;
mod model;
mod ordered;
mod picture_file;
mod rasterise;
mod segment;
#[cfg(feature = "serve")]
mod serve;
mod size;
mod stop;
mod test_time;
mod units;
mod vectorise;
mod y4m;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// Label every pixel of traffic scenes with CANet.
#[derive(Parser)]
#[command(name = "canet", version, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Bench(bench::Args),
    Check(check::Args),
    Completions(manual::CompletionsArgs),
    Explain(explain::Args),
    Export(export::Args),
    Inspect(inspect::Args),
    Man(manual::ManArgs),
    Rasterise(rasterise::Args),
    Segment(segment::Args),
    #[cfg(feature = "serve")]
    Serve(serve::Args),
    Vectorise(vectorise::Args),
}

fn main() -> ExitCode {
    // A panic is a bug, and bugs have exit code 1.
    std::panic::catch_unwind(run).unwrap_or(ExitCode::from(1))
}

fn run() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter.from_env_lossy())
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
    let result = match cli.command {
        Command::Bench(args) => bench::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Man(args) => manual::man(&args),
        Command::Rasterise(args) => rasterise::run(&args),
        Command::Segment(args) => segment::run(&args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(&args),
        Command::Vectorise(args) => vectorise::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            exit::code(&error)
        }
    }
}
