//! `canet export`: a trained model in other forms.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use canet_core::{MAX_SIDE, atomic};
use canet_model::{Checkpoint, Precision};

use crate::exit::Failure;
use crate::model;

const FILES: &str = "\
Examples:
  canet export --model best.safetensors --onnx model.onnx --size 512,1024
  canet export --model best.safetensors --checkpoint small.safetensors --weights f16 --input 448x256

An ONNX file takes frames (N, 3, H, W) of f32, red, green and blue from 0 to 255, and normalises
them by itself. Resizing a frame to a model's input size is up to the caller. Its metadata name the
classes and their colours.";

/// Write a trained model as an ONNX file, or as a small checkpoint.
#[derive(clap::Args)]
#[command(after_help = FILES)]
pub(crate) struct Args {
    /// The checkpoint, a .safetensors file [default: the small model that is built in]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Write a checkpoint without what only the training needs
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// How convolutions' weights are stored: f32, or f16 for files of half the size
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    weights: Precision,
    /// What the model's frames are to be resized to from now on: `WIDTHxHEIGHT`, or own for no
    /// resizing [default: as the model has it]
    #[arg(long, value_name = "SIZE", value_parser = input)]
    input: Option<Input>,
    #[cfg(feature = "onnx")]
    #[command(flatten)]
    onnx: onnx::OnnxArgs,
}

/// The size at which a network sees frames; `None` is their own.
type Input = Option<[u32; 2]>;

fn input(text: &str) -> Result<Input, String> {
    let side = |text: &str| text.parse().ok().filter(|side| (1..=MAX_SIDE).contains(side));
    match text.split_once('x').map(|(w, h)| (side(w), side(h))) {
        _ if text == "own" => Ok(None),
        Some((Some(width), Some(height))) => Ok(Some([width, height])),
        _ => Err(format!("it must be WIDTHxHEIGHT with sides of 1 to {MAX_SIDE}, or own")),
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let files: Vec<&Path> = args.files().collect();
    if files.is_empty() {
        bail!(Failure::usage("there is nothing to write; name a file with --onnx or --checkpoint"));
    }
    for &file in &files {
        if args.model.as_deref().is_some_and(|model| is_same(model, file)) {
            let file = file.display();
            bail!(Failure::usage(format!("{file} is the model itself; name another file")));
        }
    }
    #[cfg(feature = "onnx")]
    onnx::run(args)?;
    if let Some(path) = &args.checkpoint {
        let checkpoint = args.read()?;
        let bytes = checkpoint.to_lean_bytes(args.weights)?;
        write(path, &bytes)?;
    }
    Ok(())
}

impl Args {
    /// Reads the model, with the input size that it is to have.
    fn read(&self) -> Result<Checkpoint> {
        let mut checkpoint = model::read(self.model.as_deref())?;
        checkpoint.meta.input = self.input.unwrap_or(checkpoint.meta.input);
        Ok(checkpoint)
    }

    /// What is to be written.
    fn files(&self) -> impl Iterator<Item = &Path> {
        #[cfg(feature = "onnx")]
        let onnx = self.onnx.onnx.as_deref();
        #[cfg(not(feature = "onnx"))]
        let onnx = None;
        self.checkpoint.as_deref().into_iter().chain(onnx)
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    atomic::write(path, bytes)?;
    tracing::info!("{}: {:.1} MB", path.display(), bytes.len() as f64 / 1e6);
    Ok(())
}

/// The part of the command that needs the feature `onnx`.
#[cfg(feature = "onnx")]
mod onnx {
    use std::path::PathBuf;

    use anyhow::Result;
    use canet_model::Precision;
    use canet_onnx::check::{TOLERANCE, compare};
    use canet_onnx::{ExportOptions, Model, Outputs, Size, export};

    #[derive(clap::Args)]
    pub(super) struct OnnxArgs {
        /// Write an ONNX file
        #[arg(long, value_name = "FILE")]
        pub(super) onnx: Option<PathBuf>,
        /// The size of the frames: HEIGHT,WIDTH, or dynamic for any [default: the model's input size, if
        /// it has one, else dynamic]
        #[arg(long, value_name = "SIZE", value_parser = size, requires = "onnx")]
        size: Option<Size>,
        /// What comes out: logits (a score for each class and pixel), labels (the best class of each
        /// pixel, one byte) or both
        #[arg(long, value_name = "WHAT", default_value = "logits", value_parser = outputs)]
        outputs: Outputs,
        /// Do not run the ONNX file by another engine to compare the scores before it is written
        #[arg(long, requires = "onnx")]
        no_check: bool,
    }

    fn size(text: &str) -> Result<Size, String> {
        if text == "dynamic" {
            return Ok(Size::Dynamic);
        }
        let sides = text.split_once(',').map(|(h, w)| (h.trim().parse(), w.trim().parse()));
        match sides {
            Some((Ok(height), Ok(width))) => Ok(Size::Fixed([height, width])),
            _ => Err("it must be HEIGHT,WIDTH, such as 512,1024, or dynamic".into()),
        }
    }

    fn outputs(text: &str) -> Result<Outputs, String> {
        match text {
            "logits" => Ok(Outputs::Logits),
            "labels" => Ok(Outputs::Labels),
            "both" => Ok(Outputs::Both),
            _ => Err("it must be logits, labels or both".into()),
        }
    }

    /// Writes the ONNX file, if one is asked for. One that computes something else is not written.
    pub(super) fn run(args: &super::Args) -> Result<()> {
        let Some(path) = &args.onnx.onnx else { return Ok(()) };
        let model = Model::from_checkpoint(args.read()?)?;
        let own = model.meta().input.map(|[w, h]| Size::Fixed([h as usize, w as usize]));
        let size = args.onnx.size.or(own).unwrap_or_default();
        let options = ExportOptions { size, weights: args.weights, outputs: args.onnx.outputs };
        let bytes = export(&model, &options)?;
        if !args.onnx.no_check {
            let found = compare(bytes.clone(), &model, &options)?.tolerate(TOLERANCE)?;
            tracing::info!(
                "another engine computes the same from {} drawn pictures: scores are off by {:.0e} \
                 of the largest",
                found.pictures,
                found.largest
            );
            if args.weights == Precision::F16 {
                let changed = 100.0 * (1.0 - found.equal_labels);
                tracing::info!("rounding the weights changed {changed:.2} % of their labels");
            }
        }
        super::write(path, &bytes)
    }
}
