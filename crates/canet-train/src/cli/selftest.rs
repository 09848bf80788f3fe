//! `canet-train selftest`: proofs on the user's machine.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::print;
use crate::selftest::resume;
use crate::{Error, Result};

#[derive(Args)]
pub(super) struct SelftestArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Kill a small training again and again: its weights must be those of one that was never stopped.
    Resume(ResumeArgs),
}

#[derive(Args)]
struct ResumeArgs {
    /// How often each run is killed.
    #[arg(long, value_name = "N", default_value_t = 20)]
    kills: u32,
    /// Threads of the second run; the first has one [default: all cores].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Decides the moments.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Runs the command. A proof that fails is a bug: exit code 1.
pub(super) fn run(args: &SelftestArgs) -> Result<ExitCode> {
    let What::Resume(ResumeArgs { kills, threads, seed }) = &args.what;
    if *kills == 0 || *threads == Some(0) {
        return Err(Error::config("--kills and --threads", "must be at least 1"));
    }
    let program = std::env::current_exe()
        .map_err(|e| Error::config("this program", format!("cannot be found: {e}")))?;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let mut numbers = vec![1, threads.unwrap_or(cores)];
    numbers.dedup();
    tracing::info!("training, killing and resuming in {}", std::env::temp_dir().display());
    let report = resume(&program, &numbers, *kills, *seed)?;
    print(&format!("never stopped:              weights {}", report.whole));
    for run in &report.killed {
        let same = if run.weights == report.whole { "the same" } else { "OTHERS" };
        print(&format!(
            "{:2} threads, killed {:3} times: weights {}, {same}",
            run.threads, run.kills, run.weights
        ));
    }
    if report.holds() {
        print("resume is exact on this machine");
        return Ok(ExitCode::SUCCESS);
    }
    print("RESUME IS NOT EXACT ON THIS MACHINE: do not resume runs here, and report it");
    Ok(ExitCode::FAILURE)
}
