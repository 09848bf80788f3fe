//! `canet-train plan`: what a run would need.

use std::process::ExitCode;

use canet_core::Fault;
use clap::Args;

use super::print;
use super::train::{self, TrainArgs};
use crate::plan::plan;
use crate::{Error, Result};

#[derive(Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    train: TrainArgs,
    /// Optimiser steps to try; on a GPU, whose first ones are not typical, at least 6.
    #[arg(long, value_name = "N", default_value_t = 3)]
    steps: u64,
    /// Plan for a machine (or GPU, if the run computes on one) with this much free memory instead of
    /// this one's.
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
    /// Exit with code 5 if the run will not fit.
    #[arg(long)]
    strict: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &PlanArgs) -> Result<ExitCode> {
    if args.steps == 0 {
        return Err(Error::config("--steps", "must be at least 1"));
    }
    if args.train.resume {
        let reason = "a run that goes on needs what it needed before; plan it without";
        return Err(Error::config("--resume", reason));
    }
    let job = train::job(&args.train)?;
    let plan = plan(&job, args.steps, args.memory)?;
    if args.json {
        let text = serde_json::to_string_pretty(&plan)
            .map_err(|e| Error::config("--json", format!("the plan cannot be written: {e}")))?;
        print(&text);
    } else {
        print(&plan.to_string());
    }
    let refused = args.strict && !plan.fits();
    Ok(if refused { ExitCode::from(Fault::Resources.exit_code()) } else { ExitCode::SUCCESS })
}
