//! This project's side of the comparison with other engines: a process that is told by lines on
//! stdin to segment a picture, or to take a training step, and answers with the time it took. The
//! protocol is described in `benches/README.md`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the answers go to stdout")]

mod segment;
mod train;

use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum};

#[global_allocator]
static ALLOCATOR: canet_ops::Recycling<mimalloc::MiMalloc> =
    canet_ops::Recycling::with_small(8 << 30, mimalloc::MiMalloc);

/// Answers `run`, `loss`, `labels PATH`, `peak` and `quit` on stdin.
#[derive(Debug, Parser)]
struct Arguments {
    /// What a run is; `peak` measures the processor instead.
    #[arg(long)]
    task: Task,
    /// The most threads that compute.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// A name for messages; the checkpoint says what to build.
    #[arg(long, default_value = "network")]
    network: String,
    /// Height of the pictures.
    #[arg(long, default_value_t = 512)]
    height: usize,
    /// Width of the pictures.
    #[arg(long, default_value_t = 512)]
    width: usize,
    /// Pictures a run.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// A checkpoint.
    #[arg(long)]
    model: Option<PathBuf>,
    /// The pictures, `(N, 3, H, W)` little-endian `f32`.
    #[arg(long)]
    input: Option<PathBuf>,
    /// The masks, `(N, H, W)` bytes.
    #[arg(long)]
    targets: Option<PathBuf>,
    /// How a training step updates.
    #[arg(long)]
    optimizer: Option<train::Kind>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Task {
    Segment,
    Train,
    Peak,
}

/// What a run does, and what can be asked of it.
trait Work {
    fn run(&mut self) -> Result<()>;

    fn loss(&self) -> Result<f64> {
        bail!("there is no loss in segmenting")
    }

    fn labels(&self) -> Result<&[u8]> {
        bail!("a training step has no label map")
    }
}

impl Arguments {
    fn model(&self) -> Result<&Path> {
        self.model.as_deref().context("--model is missing")
    }

    /// Height and width of the pictures.
    fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// The pictures of a run.
    fn pictures(&self) -> Result<Vec<f32>> {
        let path = self.input.as_deref().context("--input is missing")?;
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let values: Vec<f32> =
            bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        let expected = self.batch * 3 * self.height * self.width;
        if values.len() != expected || bytes.len() != 4 * expected {
            bail!("{} has {} bytes, not {}", path.display(), bytes.len(), 4 * expected);
        }
        Ok(values)
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build_global()?;
    let mut work: Box<dyn Work> = match arguments.task {
        Task::Segment => Box::new(segment::Segment::new(&arguments)?),
        Task::Train => Box::new(train::Train::new(&arguments)?),
        Task::Peak => {
            println!("gflops {:.1}", canet_ops::peak_gflops(arguments.threads));
            return Ok(());
        }
    };
    println!("ready canet {} ({})", env!("CARGO_PKG_VERSION"), canet_ops::instruction_set());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match answer(work.as_mut(), line.trim()) {
            Ok(Some(answer)) => println!("{answer}"),
            Ok(None) => break,
            Err(error) => println!("error {error:#}"),
        }
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// The answer to a line; `None` ends the program.
fn answer(work: &mut dyn Work, line: &str) -> Result<Option<String>> {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    Ok(Some(match command {
        "run" => {
            let start = Instant::now();
            work.run()?;
            format!("ms {:.4}", start.elapsed().as_secs_f64() * 1e3)
        }
        "loss" => format!("loss {:.6}", work.loss()?),
        "labels" => {
            std::fs::write(rest, work.labels()?).with_context(|| format!("cannot write {rest}"))?;
            "ok".to_owned()
        }
        "peak" => {
            format!("kib {}", 1024 * canet_train::memory::peak_mib().context("no /proc here")?)
        }
        "quit" => return Ok(None),
        other => bail!("unknown command {other:?}"),
    }))
}
