//! `canet-train compare`: runs side by side.

use std::path::PathBuf;

use clap::Args;

use super::print;
use crate::{Result, compare};

#[derive(Args)]
pub(super) struct CompareArgs {
    /// The runs' folders.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Write a page with their curves here, too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &CompareArgs) -> Result<()> {
    let runs = compare::read(&args.runs)?;
    print(&compare::text(&runs));
    if let Some(path) = &args.html {
        canet_core::atomic::write(path, compare::page(&runs).as_bytes())?;
    }
    Ok(())
}
