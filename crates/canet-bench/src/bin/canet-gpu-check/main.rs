//! What a GPU does, checked and measured: every operation against the CPU's, whole networks, speed and
//! memory of training and inference. `docs/gpu.md` says how it is run.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the report goes to stdout, too")]

mod cases;
mod correct;
mod networks;
mod speed;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use canet_model::serde_json::{Value, json};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: canet_ops::Recycling<mimalloc::MiMalloc> =
    canet_ops::Recycling::with_small(8 << 30, mimalloc::MiMalloc);

/// Checks and measures a GPU.
#[derive(Debug, Parser)]
struct Arguments {
    /// cuda:N.
    #[arg(long, default_value = "cuda:0")]
    device: String,
    /// Parts to run [default: all]: ops, networks, logits, train-r50, train-r101, train-assignment,
    /// infer-r50-b1, infer-r50-b8, infer-r50-b1-f16, infer-r50-b8-f16.
    #[arg(long, num_args = 1..)]
    only: Vec<String>,
    /// Where the report goes, as JSON.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Of `logits`: a folder with weights.safetensors and input.safetensors, which is made if it is not
    /// there; what this GPU makes of them is put beside them, for another engine to be compared with.
    #[arg(long, value_name = "DIR")]
    logits: Option<PathBuf>,
    /// Only use algorithms that give the same bits in every run, and so see what that costs.
    #[arg(long)]
    deterministic: bool,
    /// Tell where the time of each step goes.
    #[arg(long)]
    profile: bool,
    /// Seconds that each speed is measured.
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
}

impl Arguments {
    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let device = canet_model::parse_device(&arguments.device)?;
    canet_ops::cuda::set_deterministic(arguments.deterministic);
    let mut report = Vec::new();
    let mut failed = 0;
    let mut take = |name: &str, result: Result<Value>| {
        let value = result.unwrap_or_else(|error| json!({ "error": format!("{error:#}") }));
        if let Some(error) = value.get("error") {
            println!("{name}: FAILED: {error}");
            failed += 1;
        }
        report.push((name.to_owned(), value));
        // Written after each part: what a later one breaks is not lost.
        let Some(path) = &arguments.out else { return Ok(()) };
        let object: canet_model::serde_json::Map<String, Value> = report.iter().cloned().collect();
        let text = format!("{:#}\n", Value::Object(object));
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    if arguments.wants("ops") {
        take("ops", correct::all(&device))?;
    }
    if arguments.wants("networks") {
        take("networks", networks::all(&device))?;
    }
    if let Some(folder) = arguments.logits.as_deref().filter(|_| arguments.wants("logits")) {
        take("logits", networks::logits(&device, folder))?;
    }
    for row in speed::ROWS {
        if arguments.wants(row.name()) {
            take(row.name(), row.measure(&device, arguments.seconds, arguments.profile))?;
        }
    }
    anyhow::ensure!(failed == 0, "{failed} parts failed");
    Ok(())
}
