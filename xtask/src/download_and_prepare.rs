//! `cargo xtask download-and-prepare`: from nothing to a folder that training reads.
//!
//! Three steps, each of which is left alone if an earlier run has finished it: get the archive, unpack
//! it into the cache, prepare the raw tree. A killed run goes on where it was.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use canet_core::LabelMap;
use canet_data::dataset_spec::DatasetSpec;
use canet_data::prepare::{Outcome, PrepareOptions, check_out, prepare};
use canet_data::raster::Rule;
use canet_data::shard::ShardSize;
use canet_data::shrink::Resize;

use crate::progress::{Bar, Unit, say};
use crate::{fault, report, source};

/// Options of `cargo xtask download-and-prepare`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A data set that comes with the project, or a data set file (see data-spec/README.md)
    #[arg(long, value_name = "NAME|FILE", default_value = "assignment")]
    dataset: String,
    #[command(flatten)]
    pub(crate) source: source::SourceArgs,
    /// The folder to write; data/NAME unless given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The share of frames for validation, if the data set has no splits of its own
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    val_share: f64,
    /// Chooses which drives are for validation
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Another label map than the data set's usual one: a name, or a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    label_map: Option<String>,
    /// How polygons become pixels (see data-spec/rasterisation.md)
    #[arg(long, value_name = "RULE", default_value_t)]
    rule: Rule,
    /// Bring frames and masks to this size, once and for all
    #[arg(long, value_name = "W,H")]
    resize: Option<Resize>,
    /// With --resize, let the JPEG decoder shrink to 1/2, 1/4 or 1/8 where it can: faster, other bytes
    #[arg(long, requires = "resize")]
    jpeg_scale: bool,
    /// Pack frames and masks into tar files of about this size (512M, 1G), for network file systems
    #[arg(long, value_name = "SIZE")]
    shards: Option<ShardSize>,
    /// End with exit code 3 if a file was skipped or a label is unknown
    #[arg(long)]
    strict: bool,
}

/// Runs the task.
pub(crate) fn run(args: &Args) -> Result<()> {
    let spec = if is_file_name(&args.dataset) {
        DatasetSpec::from_file(Path::new(&args.dataset))?
    } else {
        DatasetSpec::builtin(&args.dataset)?
    };
    // Before anything takes long.
    let label_map = match &args.label_map {
        Some(name) => LabelMap::named(name, Path::new(""))?,
        None => spec.usual_labels()?,
    };
    let out = args.out.clone().unwrap_or_else(|| Path::new("data").join(&spec.name));
    check_out(&out)?;
    say(format!("{}. {}", spec.title, spec.terms));

    let raw = source::locate(&spec, &args.source)?;
    let options = PrepareOptions {
        val_share: args.val_share,
        seed: args.seed,
        label_map: Some(label_map),
        rule: args.rule,
        resize: args.resize.map(|resize| Resize { jpeg_scale: args.jpeg_scale, ..resize }),
        shards: args.shards,
        ..PrepareOptions::new(&out)
    };
    let outcome = prepare_with_bar(&raw.root, &spec, &options)?;
    tell(&outcome, &out);
    if let Some(line) = raw.kept {
        say(line);
    }
    say(format!("next: cargo run -p canet-train -- --data {}", out.display()));
    if args.strict { be_strict(&outcome) } else { Ok(()) }
}

fn is_file_name(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "toml")
}

fn prepare_with_bar(raw: &Path, spec: &DatasetSpec, options: &PrepareOptions) -> Result<Outcome> {
    let bar = Mutex::new(Bar::new("preparing", Unit::Frames));
    Ok(prepare(raw, spec, options, &|progress| {
        // Threads report in no order; the bar only ever goes forward.
        let mut bar = bar.lock().unwrap_or_else(PoisonError::into_inner);
        bar.set(progress.done as u64, progress.total as u64);
    })?)
}

fn tell(outcome: &Outcome, out: &Path) {
    let manifest = &outcome.manifest;
    say("");
    say(report::statistics(manifest));
    for line in report::faults(manifest) {
        say(line);
    }
    let usable: usize = manifest.splits.values().map(Vec::len).sum();
    say(if outcome.work_done == 0 {
        format!(
            "nothing to do: {} holds {usable} frames, as an earlier run left them",
            out.display()
        )
    } else {
        format!(
            "{} holds {usable} frames; {} worked on now, {} from an earlier run",
            out.display(),
            outcome.work_done,
            outcome.reused
        )
    });
}

fn be_strict(outcome: &Outcome) -> Result<()> {
    let (skipped, unknown) =
        (outcome.manifest.skipped.len(), outcome.manifest.findings.unknown_labels.len());
    if skipped == 0 && unknown == 0 {
        return Ok(());
    }
    Err(fault::data(format!(
        "{skipped} files were skipped and {unknown} labels are unknown, which --strict refuses; the folder is complete without them"
    )))
}
