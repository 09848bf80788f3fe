//! `canet check`: what is wrong with the labels of a raw tree, and what they are like.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use canet_core::{LabelMap, atomic};
use canet_data::check::{self, html, kind::Severity, text};
use canet_data::dataset_spec::DatasetSpec;
use canet_data::prepare::Progress;

use crate::exit::Failure;
use crate::init;

const MORE: &str = "\
Examples:
  canet check raw/idd
  canet check raw/my-data --dataset my-data.toml --json findings.json --html findings.html --strict
  canet check raw/my-data --init --out specs

docs/check.md tells all kinds of findings and the JSON format. Exit codes are as for all commands;
with --strict, errors and warnings are a broken file: 3.";

/// Check the labels of a raw tree, before anything is trained on them.
#[derive(clap::Args)]
#[command(after_help = MORE)]
pub(crate) struct Args {
    /// The folder with frames and annotations
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The data set: a name, or a .toml file [default: the one whose layout fits best]
    #[arg(long, value_name = "NAME|FILE")]
    dataset: Option<String>,
    /// The label map: a name, or a .toml file [default: the data set's own]
    #[arg(long, value_name = "NAME|FILE")]
    labels: Option<String>,
    /// Write every finding as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with pictures of the worst
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Fail with code 3 if there is an error or a warning
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    init: init::Args,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.init.asked() {
        return init::run(&args.dir, &args.init);
    }
    let spec = match args.dataset.as_deref() {
        None => check::dataset(&args.dir)?,
        Some(name) if Path::new(name).extension().is_some_and(|extension| extension == "toml") => {
            DatasetSpec::from_file(Path::new(name))?
        }
        Some(name) => DatasetSpec::builtin(name)?,
    };
    let named = |name: &String| LabelMap::named(name, Path::new(""));
    let labels = args.labels.as_ref().map(named).transpose()?;
    let shown = Mutex::new(Shown { tenth: 0, at: Instant::now() });
    let report =
        check::check(&args.dir, &spec, labels.as_ref(), &|progress| tell(&shown, progress))?;
    if let Some(path) = &args.json {
        report.write_json(path)?;
    }
    if let Some(path) = &args.html {
        atomic::write(path, html::page(&report, &args.dir).as_bytes())?;
    }
    // Whoever reads may have heard enough: `| head` is no reason to fail.
    write!(std::io::stdout(), "{}", text::summary(&report)).ok();
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    if args.strict && errors + warnings > 0 {
        bail!(Failure::data(format!("{errors} errors and {warnings} warnings (--strict)")));
    }
    Ok(())
}

/// What was last said of the progress.
struct Shown {
    tenth: usize,
    at: Instant,
}

/// A line at some tenths, and none at all for what is quickly done.
fn tell(shown: &Mutex<Shown>, Progress { done, total }: Progress) {
    let Ok(mut shown) = shown.lock() else { return };
    let tenth = done * 10 / total.max(1);
    if tenth > shown.tenth && done < total && shown.at.elapsed() > Duration::from_secs(2) {
        *shown = Shown { tenth, at: Instant::now() };
        tracing::info!("{done} of {total} frames");
    }
}
