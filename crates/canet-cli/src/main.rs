//! The `canet` program. One file a command; this one only chooses.

#![forbid(unsafe_code)]

mod check;
mod exit;
mod export;
mod init;
mod manual;
mod model;
mod ordered;
mod rasterise;
mod segment;
#[cfg(feature = "serve")]
mod serve;
mod stop;
mod test_time;
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
    Check(check::Args),
<<<<<<< HEAD
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
=======
    Export(export::Args),
>>>>>>> main
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
        Command::Check(args) => check::run(&args),
<<<<<<< HEAD
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
=======
        Command::Export(args) => export::run(&args),
>>>>>>> main
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
