//! `canet-train eval`: a checkpoint's scores on a split.

use std::path::PathBuf;
use std::sync::Arc;

use canet_core::ClassSet;
use canet_data::dataset::Dataset;
use canet_model::{Checkpoint, Segmenter};
use clap::Args;

use super::test_time::TestTimeArgs;
use super::{MachineArgs, print};
use crate::evaluate::{Options, count};
use crate::evaluation::Wanted;
use crate::metrics::{Policy, Resolution};
use crate::{Error, Result, worst_frames};

/// The students of the assignment trained and scored with batches of 8, 5 and 4.
const IOU_BATCH: usize = 8;

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
    /// strict, cityscapes, idd-fixed or idd-official (docs/scores.md); may be repeated [default: all
    /// that can score the data].
    #[arg(long, value_name = "NAME")]
    policy: Vec<String>,
    /// The size at which masks are compared: native, 720, 1080 or such as 640x480 [default: native, and
    /// for idd-official the official size].
    #[arg(long, value_name = "SIZE")]
    resolution: Option<String>,
    /// The metric of the assignment's students, too; it is always given for their 21 classes.
    #[arg(long)]
    iou_score: bool,
    /// Write pictures of the 20 worst frames into this new folder: frame, truth, prediction.
    #[arg(long, value_name = "DIR")]
    worst: Option<PathBuf>,
    /// Write the scores here, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    test_time: TestTimeArgs,
    #[command(flatten)]
    machine: MachineArgs,
}

impl EvalArgs {
    fn wanted(&self) -> Result<Wanted> {
        let policies = self.policy.iter().map(|name| name.parse::<Policy>());
        let resolution = self.resolution.as_deref().map(str::parse::<Resolution>);
        Ok(Wanted {
            policies: policies.collect::<Result<_>>()?,
            resolution: resolution.transpose()?,
        })
    }

    fn options(&self, wanted: &Wanted, classes: &ClassSet, threads: usize) -> Options {
        let students = self.iou_score || classes.name == "assignment-21";
        Options {
            threads,
            resolution: wanted.resolution(),
            second: wanted.second(classes),
            iou_batch: students.then_some(IOU_BATCH),
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &EvalArgs) -> Result<()> {
    let wanted = args.wanted()?;
    args.worst.as_deref().map_or(Ok(()), worst_frames::check_folder)?;
    let threads = args.machine.threads()?;
    let (device, arithmetic) = args.machine.device()?;
    let test_time = args.test_time.parse()?;
    let checkpoint = Checkpoint::read(&args.model)?;
    let weights = checkpoint.weight_hash()?;
    let defaults = canet_model::Options::cpu();
    let options = canet_model::Options { device, arithmetic, test_time, ..defaults };
    let segmenter = Segmenter::from_checkpoint(checkpoint, options)?;
    tracing::info!("weights {weights}");
    let dataset = Arc::new(Dataset::open(&args.data, &args.split)?);
    let classes = segmenter.classes();
    wanted.check(classes)?;
    let options = args.options(&wanted, classes, threads);
    let counted = count(&segmenter, &dataset, &options, |_, _, _| true)?;
    let Some(counted) = counted else { return Ok(()) };
    let evaluation = wanted.judge(&counted, &dataset);
    print(&evaluation.to_string());
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&evaluation)
            .map_err(|e| Error::run(path, format!("cannot be written: {e}")))?;
        canet_core::atomic::write(path, format!("{text}\n").as_bytes())?;
    }
    if let Some(folder) = &args.worst {
        worst_frames::write(folder, counted.tally.worst().frames(), &segmenter, &dataset)?;
    }
    Ok(())
}
