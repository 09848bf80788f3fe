//! `canet explain`: what CANet's context does on a frame, on one sheet.

mod numbers;
mod sheet;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use canet_core::atomic;

use crate::exit::Failure;
use crate::model::ModelArgs;
use crate::picture_file::rgb_png;
use crate::{escape, frame};
use numbers::Numbers;

const MORE: &str = "\
Examples:
  canet explain road.jpg                               road_explained.png, by the built-in model
  canet explain --model m.safetensors road.jpg --out sheet.png
  canet explain --model m.safetensors road.jpg --json  the numbers, and no sheet unless --out names one

The sheet shows, from top to bottom:
  the frame, the prediction, how sure it is, and what it would have said next where it is not sure
  the response of each flow: the mean of its channels' absolute values, each on its own scale, whose
    ends leave out a hundredth of the pixels
  what changes if a flow is left out of the sum
  the sum of the flows, the context that the feature selection makes of it, what changes without any
    context, and the fine detail
  the gates of the feature selection, sorted: a channel with gate 1 passes, one with gate 0 does not";

/// Show what the context does on a frame: flows, gates, confidence.
#[derive(clap::Args)]
#[command(after_help = MORE)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The frame (.jpg, .jpeg, .png)
    #[arg(value_name = "FRAME")]
    frame: PathBuf,
    /// The sheet [default: the frame's name with _explained.png, here]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the numbers as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let out = out(args)?;
    let frame = frame::read(&args.frame)?;
    let checkpoint = args.model.checkpoint()?.without_aux();
    let (network, _) = checkpoint.network(&args.model.device()?)?;
    let meta = &checkpoint.meta;
    let seen = meta.seen(&frame)?;
    let x = meta.normalisation.tensor(&seen, network.device())?;
    let explanation = network.explain(&x).with_context(|| args.frame.display().to_string())?;
    let ranking = explanation.ranking()?;
    let numbers = Numbers::of(&explanation, &ranking, meta)?;
    if let Some(out) = out {
        let sheet = sheet::draw(&seen, &explanation, &ranking, &numbers, &meta.classes)?;
        atomic::write(&out, &rgb_png(&sheet)?)?;
        tracing::info!("{} ({}x{})", out.display(), sheet.width(), sheet.height());
    }
    if args.json {
        let text = escape::json(&numbers)? + "\n";
        std::io::stdout().lock().write_all(text.as_bytes())?;
    }
    Ok(())
}

/// Where the sheet goes, if anywhere.
fn out(args: &Args) -> Result<Option<PathBuf>> {
    let out = match &args.out {
        Some(out) => out.clone(),
        None if args.json => return Ok(None),
        None => {
            let mut name = args.frame.file_stem().unwrap_or_default().to_owned();
            name.push("_explained.png");
            name.into()
        }
    };
    let real = |path: &Path| path.canonicalize().ok();
    if out.is_dir() {
        bail!(Failure::usage(format!("--out needs a file, but {} is a folder", out.display())));
    }
    if real(&out).is_some_and(|out| Some(out) == real(&args.frame)) {
        bail!(Failure::usage(format!(
            "{} is the frame itself; choose another --out",
            out.display()
        )));
    }
    Ok(Some(out))
}
