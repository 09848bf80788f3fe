//! `canet-train [train]`: a new run, or one that goes on.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use canet_data::manifest::Manifest;
use canet_model::Fault;
use clap::Args;

use super::MachineArgs;
use crate::config::Config;
use crate::job::Job;
use crate::run::{Outcome, train};
use crate::run_folder::RunFolder;
use crate::{Error, Result, first_data};

/// The shipped configuration of each data set; the last is for all others.
const CONFIGS: [(&str, &str, &str); 4] = [
    ("sample", "configs/sample.toml", include_str!("../../../../configs/sample.toml")),
    (
        "idd-lite",
        "configs/idd-lite-assignment.toml",
        include_str!("../../../../configs/idd-lite-assignment.toml"),
    ),
    (
        "camvid",
        "configs/camvid-assignment.toml",
        include_str!("../../../../configs/camvid-assignment.toml"),
    ),
    ("assignment", "configs/assignment.toml", include_str!("../../../../configs/assignment.toml")),
];

#[derive(Args)]
pub(super) struct TrainArgs {
    /// The prepared folder [default: the one in data/, or a drawn sample].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The configuration file [default: the one for the data set, or the resumed run's].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The run's folder [default: a new one in runs/].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Set one key of the configuration; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[expect(clippy::doc_markdown, reason = "shown by --help as it is")]
    /// Published weights for the backbone: a .safetensors file, or hub:OWNER/NAME[@REVISION], such as
    /// hub:timm/resnet50.tv_in1k.
    #[arg(long, value_name = "FILE|hub:NAME", conflicts_with = "init")]
    backbone: Option<String>,
    /// A checkpoint of the same network to start from; its classes may be others.
    #[arg(long, value_name = "FILE")]
    init: Option<String>,
    /// Go on from the newest checkpoint in --out, with its configuration but for --set.
    #[arg(long, requires = "out")]
    pub(super) resume: bool,
    /// Let this key be another than it was when a run goes on: one of the configuration, the start of
    /// several (optimizer), data.hash, or data for all about the data; may be repeated.
    #[arg(long, value_name = "KEY", requires = "resume")]
    allow: Vec<String>,
    /// Pass over up to K steps whose loss or gradient is not finite (`skip_bad` in the configuration).
    #[arg(long, value_name = "K")]
    skip_bad: Option<u64>,
    /// Show the run on a dashboard (needs a build with `--features tui`).
    #[arg(long)]
    pub(super) tui: bool,
    #[command(flatten)]
    machine: MachineArgs,
}

impl TrainArgs {
    /// All that is set beside the configuration file; `--backbone`, `--init` and `--skip-bad` are keys,
    /// too.
    fn overrides(&self) -> Vec<String> {
        let own = [("backbone", &self.backbone), ("init", &self.init)];
        let own = own.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        // Quoted, since a name may look like a number.
        let own = own.map(|(key, value)| format!("{key}={}", toml::Value::from(value.as_str())));
        let skip_bad = self.skip_bad.map(|k| format!("skip_bad={k}"));
        self.set.iter().cloned().chain(own).chain(skip_bad).collect()
    }

    /// Whether there is a run to go on with, if that is asked for.
    fn resumes(&self) -> bool {
        self.resume && !self.out.as_deref().is_some_and(RunFolder::is_blank)
    }
}

/// What the arguments ask for. Data may be drawn for it, but the run's folder is not touched.
pub(super) fn job(args: &TrainArgs) -> Result<Job> {
    let threads = args.machine.threads()?;
    let (device, arithmetic) = args.machine.device()?;
    arithmetic.check_training()?;
    // The configuration is read before any data is made: a typing mistake should show at once.
    let given = given_config(args)?;
    let data = match &args.data {
        Some(data) => data.clone(),
        None => first_data::find_or_make(Path::new("data"))?,
    };
    let config = match given {
        Some(config) => config,
        None => shipped_config(&data, &args.overrides())?,
    };
    let name = data.file_name().map_or("run".into(), |name| name.to_string_lossy().into_owned());
    let base = Path::new("runs").join(name);
    let out = args.out.clone().unwrap_or_else(|| RunFolder::free_name(&base));
    let (resume, allow) = (args.resumes(), args.allow.clone());
    Ok(Job { config, data, out, resume, allow, device, arithmetic, threads })
}

/// Runs the command.
pub(super) fn run(args: &TrainArgs) -> Result<ExitCode> {
    if args.tui && !cfg!(feature = "tui") {
        return Err(Error::config(
            "--tui",
            "is not in this build; run it with: cargo run -p canet-train --features tui -- --tui",
        ));
    }
    let job = job(args)?;
    let stop = Arc::new(AtomicBool::new(false));
    let signalled = Arc::clone(&stop);
    ctrlc::set_handler(move || ask_to_stop(&signalled))
        .map_err(|e| Error::run(&job.out, format!("cannot listen for Ctrl-C: {e}")))?;
    tracing::info!("training on {}, writing to {}", job.data.display(), job.out.display());
    #[cfg(feature = "tui")]
    let outcome = if args.tui { train_on_dashboard(&job, &stop) } else { train(&job, &stop) };
    #[cfg(not(feature = "tui"))]
    let outcome = train(&job, &stop);
    match outcome.map_err(|error| with_advice(error, &job))? {
        Outcome::Finished { scores, best, weights } => {
            farewell(&job, scores.miou, best, &weights);
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Interrupted => {
            tracing::warn!(
                "stopped and saved; to go on, add: --out {} --resume",
                job.out.display()
            );
            Ok(ExitCode::from(130))
        }
    }
}

/// Lets the run stop after its step; asked twice, stops at once.
fn ask_to_stop(stop: &AtomicBool) {
    if stop.swap(true, Ordering::Relaxed) {
        #[cfg(feature = "tui")]
        crate::watch::tui::restore();
        #[expect(clippy::exit, reason = "the user insists")]
        std::process::exit(130);
    }
    tracing::warn!("stopping after this step; once more to stop at once");
}

/// The terminal is given back whatever comes of the training.
#[cfg(feature = "tui")]
fn train_on_dashboard(job: &Job, stop: &Arc<AtomicBool>) -> Result<Outcome> {
    use crate::watch::tui::{Dashboard, feed};

    let records = if job.resume { RunFolder::reopen(&job.out)?.records()? } else { Vec::new() };
    let asked = Arc::clone(stop);
    let title = job.out.display().to_string();
    let _dashboard = Dashboard::open(title, &records, move || ask_to_stop(&asked))?;
    crate::run::train_watched(job, stop, vec![feed()])
}

/// The configuration that the arguments name: a file's, or that of the run which is resumed.
fn given_config(args: &TrainArgs) -> Result<Option<Config>> {
    let overrides = args.overrides();
    match (&args.config, &args.out) {
        (Some(path), _) => Config::read(path, &overrides).map(Some),
        (None, Some(out)) if args.resumes() => RunFolder::stored_config(out, &overrides).map(Some),
        _ => {
            // Which shipped file it will be depends on the data; the keys are the same in all.
            let (_, origin, text) = CONFIGS[0];
            Config::parse(text, origin, &overrides).map(|_| None)
        }
    }
}

/// Says what to do when the machine could not go on.
fn with_advice(error: Error, job: &Job) -> Error {
    if error.exit_code() != Fault::Resources.exit_code() {
        return error;
    }
    let (out, batch) = (job.out.display(), job.config.data.batch);
    let room = if error.is_full_device() {
        format!(
            "Set recompute=true, if the network is canet, or lower data.batch, which is {batch}, or data.augment.crop (canet-train plan tells what fits)"
        )
    } else {
        format!(
            "Make room (on the disk of {out}, or in memory: a smaller data.batch or \
             data.augment.crop needs less)"
        )
    };
    let advice =
        format!("the last checkpoint is whole. {room}, then go on with --out {out} --resume");
    Error::Exhausted { source: Box::new(error), advice }
}

/// The configuration that comes with the program for this data.
fn shipped_config(data: &Path, overrides: &[String]) -> Result<Config> {
    let dataset = Manifest::read(data)?.dataset;
    let fits = CONFIGS.iter().find(|(name, ..)| *name == dataset);
    let (_, origin, text) = fits.unwrap_or(&CONFIGS[CONFIGS.len() - 1]);
    tracing::info!("using {origin}");
    Config::parse(text, origin, overrides)
}

/// Says where things are, and what to try next.
fn farewell(job: &Job, miou: f64, (best, epoch): (f64, u32), weights: &str) {
    let out = job.out.display();
    tracing::info!(
        "done: mIoU {miou:.4} after {} epochs; the best was {best:.4} after epoch {epoch}\n\
         \x20 report        {out}/report.html\n\
         \x20 pictures      {out}/pictures/\n\
         \x20 checkpoint    {out}/checkpoints/best.safetensors\n\
         \x20 scores        {out}/metrics.jsonl\n\
         \x20 last weights  {weights}\n\
         next:\n\
         \x20 segment your own frames   cargo run -p canet-cli -- segment --model {out}/checkpoints/best.safetensors --out pictures FRAMES\n\
         \x20 train on other data       cargo xtask download-and-prepare --help",
        job.config.epochs
    );
}
