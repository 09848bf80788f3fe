//! The command line of `canet-train`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use canet_data::dataset::Dataset;
use canet_data::manifest::Manifest;
use canet_model::{Segmenter, parse_device};
use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::evaluate::evaluate;
use crate::job::Job;
use crate::run::{Outcome, train};
use crate::run_folder::RunFolder;
use crate::state::Saved;
use crate::{Error, Result, first_data};

/// The shipped configuration of each data set; the last is for all others.
const CONFIGS: [(&str, &str, &str); 4] = [
    ("sample", "configs/sample.toml", include_str!("../../../configs/sample.toml")),
    (
        "idd-lite",
        "configs/idd-lite-assignment.toml",
        include_str!("../../../configs/idd-lite-assignment.toml"),
    ),
    (
        "camvid",
        "configs/camvid-assignment.toml",
        include_str!("../../../configs/camvid-assignment.toml"),
    ),
    ("assignment", "configs/assignment.toml", include_str!("../../../configs/assignment.toml")),
];

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
    /// Score a checkpoint on a split.
    Eval(EvalArgs),
}

#[derive(Args)]
struct TrainArgs {
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
    /// Go on from the last checkpoint in --out.
    #[arg(long, requires = "out")]
    resume: bool,
    #[command(flatten)]
    machine: MachineArgs,
}

#[derive(Args)]
struct EvalArgs {
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
    machine: MachineArgs,
}

#[derive(Args)]
struct MachineArgs {
    /// Threads; the result does not depend on them [default: all cores].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// auto, cpu, cuda:N or metal.
    #[arg(long, default_value = "auto")]
    device: String,
}

impl MachineArgs {
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
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .without_time()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let cli = Cli::parse();
    let done = match &cli.command {
        Some(Command::Eval(args)) => eval(args).map(|()| ExitCode::SUCCESS),
        Some(Command::Train(args)) => train_command(args),
        None => train_command(&cli.train),
    };
    done.unwrap_or_else(|error| {
        tracing::error!("{error}");
        ExitCode::from(error.exit_code())
    })
}

fn train_command(args: &TrainArgs) -> Result<ExitCode> {
    let threads = args.machine.threads()?;
    let device = parse_device(&args.machine.device)?;
    // The configuration is read before any data is made: a typing mistake should show at once.
    let given = given_config(args)?;
    let data = match &args.data {
        Some(data) => data.clone(),
        None => first_data::find_or_make(Path::new("data"))?,
    };
    let config = match given {
        Some(config) => config,
        None => shipped_config(&data, &args.set)?,
    };
    let name = data.file_name().map_or("run".into(), |name| name.to_string_lossy().into_owned());
    let base = Path::new("runs").join(name);
    let out = args.out.clone().unwrap_or_else(|| RunFolder::free_name(&base));
    let stop = Arc::new(AtomicBool::new(false));
    let signalled = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if signalled.swap(true, Ordering::Relaxed) {
            // Asked twice: do not wait for the step to end.
            #[expect(clippy::exit, reason = "the user insists")]
            std::process::exit(130);
        }
        tracing::warn!("stopping after this step; once more to stop at once");
    })
    .map_err(|e| Error::run(&out, format!("cannot listen for Ctrl-C: {e}")))?;
    let resume = args.resume;
    let job = Job { config, data, out, resume, device, threads };
    tracing::info!("training on {}, writing to {}", job.data.display(), job.out.display());
    match train(&job, &stop)? {
        Outcome::Finished { scores, best } => {
            farewell(&job, scores.miou, best);
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

/// The configuration that the arguments name: a file's, or that of the run which is resumed.
fn given_config(args: &TrainArgs) -> Result<Option<Config>> {
    match (&args.config, &args.out) {
        (Some(path), _) => Config::read(path, &args.set).map(Some),
        (None, Some(out)) if args.resume && args.set.is_empty() => {
            let last = RunFolder::reopen(out)?.last();
            Ok(Some(Saved::read(&last)?.state.config))
        }
        _ => {
            // Which shipped file it will be depends on the data; the keys are the same in all.
            let (_, origin, text) = CONFIGS[0];
            Config::parse(text, origin, &args.set).map(|_| None)
        }
    }
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
fn farewell(job: &Job, miou: f64, (best, epoch): (f64, u32)) {
    let out = job.out.display();
    tracing::info!(
        "done: mIoU {miou:.4} after {} epochs; the best was {best:.4} after epoch {epoch}\n\
         \x20 pictures      {out}/pictures/\n\
         \x20 checkpoint    {out}/checkpoints/best.safetensors\n\
         \x20 scores        {out}/metrics.jsonl\n\
         next:\n\
         \x20 segment your own frames   cargo run -p canet-cli -- segment --model {out}/checkpoints/best.safetensors --out pictures FRAMES\n\
         \x20 train on other data       cargo xtask download-and-prepare --help",
        job.config.epochs
    );
}

fn eval(args: &EvalArgs) -> Result<()> {
    let threads = args.machine.threads()?;
    let segmenter = Segmenter::load(&args.model, &parse_device(&args.machine.device)?)?;
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

#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
fn print(text: &str) {
    println!("{text}");
}
