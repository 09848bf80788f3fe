//! The command line of `canet-train`.

use std::process::ExitCode;

use canet_model::{Arithmetic, Device, parse_device};
use clap::{Args, Parser, Subcommand};

use self::compare::CompareArgs;
use self::eval::EvalArgs;
use self::plan::PlanArgs;
use self::selftest::SelftestArgs;
use self::train::TrainArgs;
use crate::{Error, Result};

mod compare;
mod eval;
mod logging;
mod plan;
mod selftest;
mod test_time;
mod train;

/// Train CANet on a prepared data set.
///
/// Without arguments: draws a sample data set if data/ holds none, trains the small network of the
/// assignment on it, scores it, and writes pictures. Exit codes: 0 done, 1 a bug, 2 usage or
/// configuration, 3 data, 4 diverged, 5 out of resources, 130 stopped with a checkpoint saved.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    train: TrainArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Train a network (the default).
    Train(TrainArgs),
    /// Tell what a run would need, after trying a few steps; writes nothing.
    Plan(PlanArgs),
    /// Score a checkpoint on a split.
    Eval(EvalArgs),
    /// Put runs side by side: scores, cost, and where their configurations differ.
    Compare(CompareArgs),
    /// Prove on this machine what is promised.
    Selftest(SelftestArgs),
}

#[derive(Args)]
struct MachineArgs {
    /// Threads; the result does not depend on them [default: all cores].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// auto, cpu, cuda:N or metal.
    #[arg(long, default_value = "auto")]
    device: String,
    /// How exactly a GPU computes: bf16, tf32 or f32, in `eval` also f16 [default: bf16 on a GPU, f32 on a CPU].
    #[arg(long, value_name = "NAME")]
    precision: Option<Arithmetic>,
    /// Only use algorithms of a GPU that give the same bits in every run.
    #[arg(long)]
    deterministic: bool,
}

impl MachineArgs {
    /// Opens the device, with its arithmetic.
    fn device(&self) -> Result<(Device, Arithmetic)> {
        let device = parse_device(&self.device)?;
        let arithmetic = self.precision.unwrap_or_else(|| Arithmetic::best(&device));
        arithmetic.check(&device)?;
        #[cfg(feature = "cuda")]
        canet_ops::cuda::set_deterministic(self.deterministic);
        Ok((device, arithmetic))
    }

    /// Sets the thread pool up and returns its size.
    fn threads(&self) -> Result<usize> {
        if self.threads == Some(0) {
            return Err(Error::config("--threads", "must be at least 1"));
        }
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .map_err(|e| Error::config("--threads", e.to_string()))?;
        }
        Ok(rayon::current_num_threads())
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match &cli.command {
        Some(Command::Train(args)) => logging::init(args.tui),
        None => logging::init(cli.train.tui),
        _ => logging::init(false),
    }
    let done = match &cli.command {
        Some(Command::Compare(args)) => compare::run(args).map(|()| ExitCode::SUCCESS),
        Some(Command::Eval(args)) => eval::run(args).map(|()| ExitCode::SUCCESS),
        Some(Command::Plan(args)) => plan::run(args),
        Some(Command::Selftest(args)) => selftest::run(args),
        Some(Command::Train(args)) => train::run(args),
        None => train::run(&cli.train),
    };
    done.unwrap_or_else(|error| {
        tracing::error!("{error}");
        ExitCode::from(error.exit_code())
    })
}

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
fn print(text: &str) {
    println!("{text}");
}
