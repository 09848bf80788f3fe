//! `canet-train eval`: a checkpoint's scores on a split.

use std::path::PathBuf;
use std::sync::Arc;

use canet_data::dataset::Dataset;
use canet_model::{Segmenter, parse_device};
use clap::Args;

use super::test_time::TestTimeArgs;
use super::{MachineArgs, print};
use crate::evaluate::evaluate;
use crate::{Error, Result};

#[derive(Args)]
pub(super) struct EvalArgs {
    /// The checkpoint.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The prepared folder.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The split to score.
    #[arg(long, default_value = "val")]
    split: String,
    /// Write the scores here, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    test_time: TestTimeArgs,
    #[command(flatten)]
    machine: MachineArgs,
}

/// Runs the command.
pub(super) fn run(args: &EvalArgs) -> Result<()> {
    let threads = args.machine.threads()?;
    let segmenter = Segmenter::load(&args.model, &parse_device(&args.machine.device)?)?
        .with_test_time(args.test_time.parse()?)?;
    let dataset = Arc::new(Dataset::open(&args.data, &args.split)?);
    let scores = evaluate(&segmenter, &dataset, threads, |_, _, _| true)?;
    let Some(scores) = scores else { return Ok(()) };
    print(&scores.to_string());
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&scores)
            .map_err(|e| Error::run(path, format!("cannot be written: {e}")))?;
        canet_core::atomic::write(path, format!("{text}\n").as_bytes())?;
    }
    Ok(())
}
