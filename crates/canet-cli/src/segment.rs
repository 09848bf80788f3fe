//! `canet segment`: frames in, masks, pictures and polygons out.

mod jobs;
mod outputs;
mod pipeline;
mod progress;
mod source;

use std::io::{self, BufReader, BufWriter, Stdin, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use canet_core::{LabelMap, atomic};
use canet_data::format::Format;
use canet_data::vector::export::Export;
use canet_model::{Options, Precision, Segmenter};

use self::jobs::Job;
use self::outputs::{Files, Kind, Outputs};
use self::pipeline::{Pipeline, Tally};
use self::progress::Progress;
use self::source::{Item, Video};
use crate::exit::Failure;
use crate::model::ModelArgs;
use crate::stop;
use crate::test_time::TestTimeArgs;
use crate::y4m;

const MORE: &str = "\
Files of each frame, as --write names them:
  mask        NAME_mask.png        one class id a pixel, with a palette
  color       NAME_color.png       the same in full colour
  overlay     NAME_overlay.png     the frame under the colours, with a legend
  json        NAME_frame.json      shares of the classes, mean confidence, sizes, milliseconds
  confidence  NAME_confidence.png  how sure each pixel's class is; 255 is certain
  frame       NAME.png             the frame itself, for polygons of a video
and as --polygons names them, of each or of all:
  idd, cityscapes  NAME_gtFine_polygons.json
  labelme          NAME.json, which names the frame's own file
  cvat, coco       annotations.xml, instances.json
A folder's sub-folders are kept below DIR. Existing files are replaced. A broken frame is told, the
others are done, and the exit code is 3.

Video (-) is YUV4MPEG2 of 8 bits a sample; NAME is frame_000000 and so on. Its colours are taken for
BT.709 from a height of 720 on, else for BT.601, and a colour sample serves all of its pixels.
Pictures are taken as they are stored: an orientation in EXIF is not applied.

Examples:
  canet segment --model best.safetensors --out pictures frame.jpg drives
  canet segment --model best.safetensors --out labels --write mask --polygons cvat 'drives/*/*.jpg'
  ffmpeg -i in.mp4 -f yuv4mpegpipe -pix_fmt yuv420p - |
    canet segment --model best.safetensors --y4m-out - - | ffmpeg -i - out.mp4";

/// Segment frames or video with a trained model.
#[derive(clap::Args)]
#[command(after_help = MORE)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The folder for the files; it is made if need be
    #[arg(long, value_name = "DIR", required_unless_present = "y4m_out")]
    out: Option<PathBuf>,
    /// Which files to write of each frame [default: mask,color,overlay,json]
    #[arg(long, value_name = "KIND,...", value_enum, value_delimiter = ',', requires = "out")]
    write: Vec<Kind>,
    /// Write polygons, too, that give the masks back exactly: idd, cityscapes, labelme, cvat or coco
    #[arg(long, value_name = "FORMAT", requires = "out", conflicts_with = "size")]
    polygons: Option<Format>,
    /// With video: write the overlays as video, without legends; - is standard output
    #[arg(long, value_name = "FILE|-")]
    y4m_out: Option<PathBuf>,
    /// How much of the colours overlays show, from 0 to 1
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    opacity: f32,
    /// Take each N-th frame, from the first on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// The size of masks and pictures [default: each frame's own]
    #[arg(long, value_name = "WxH", value_parser = size)]
    size: Option<[u32; 2]>,
    /// How exactly the weights are kept: f32 or f16
    #[arg(long, default_value = "f32")]
    precision: Precision,
    #[command(flatten)]
    test_time: TestTimeArgs,
    /// Frames (.jpg, .jpeg, .png), folders with frames, patterns such as 'a/*.jpg', or - for video on
    /// standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("it must be a number from 0 to 1".into()),
    }
}

fn size(text: &str) -> Result<[u32; 2], String> {
    let sides = text.split_once('x').and_then(|(w, h)| Some([w.parse().ok()?, h.parse().ok()?]));
    sides.ok_or_else(|| "it must be a width and a height, such as 640x360".into())
}

/// Where the frames come from.
enum Input {
    Files(Vec<Job>),
    Video(y4m::Reader<BufReader<Stdin>>),
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let input = input(args)?;
    let test_time = args.test_time.parse()?;
    let (output, precision) = (args.size, args.precision);
    let confidence = kinds(args).iter().any(|kind| [Kind::Json, Kind::Confidence].contains(kind));
    let options = Options { precision, test_time, output, confidence, ..args.model.options()? };
    let segmenter = Segmenter::from_checkpoint(args.model.checkpoint()?, options)?;
    let labels = LabelMap::of_classes(segmenter.classes())?;
    let video = match (&input, &args.y4m_out) {
        (Input::Video(reader), Some(_)) => {
            let size = args.size.unwrap_or(reader.header().size().into());
            Some(reader.header().remade(size, args.every))
        }
        _ => None,
    };
    let files = args.out.as_ref().map(|out| Files {
        out: out.clone(),
        kinds: kinds(args),
        polygons: args.polygons.map(|format| Export::exact(&labels, format)),
    });
    let outputs = Outputs { files, opacity: args.opacity, video };
    if let Input::Files(jobs) = &input {
        jobs::check(jobs, |job| outputs.files_of(job))?;
    }
    let stop = stop::on_signal()?;
    let pipeline = Pipeline { segmenter: &segmenter, outputs: &outputs, stop: &stop };
    let segment = |video: Option<&mut dyn Write>| segment(&pipeline, input, args.every, video);
    let tally = match &args.y4m_out {
        None => segment(None),
        Some(path) if path == Path::new("-") => segment(Some(&mut io::stdout().lock())),
        Some(path) => whole_or_not(path, |file| segment(Some(file))),
    };
    tally.map_err(|error| blame_model(error, &args.model))?.verdict()
}

/// Names the model where it is at fault, and not the frame.
fn blame_model(error: anyhow::Error, model: &ModelArgs) -> anyhow::Error {
    match error.downcast_ref() {
        Some(canet_model::Error::NotFinite) => error.context(model.name()),
        _ => error,
    }
}

/// The frames that the arguments name.
fn input(args: &Args) -> Result<Input> {
    if let Some(out) = &args.out {
        check_out(out)?;
    }
    let is_stdin = |path: &PathBuf| path == Path::new("-");
    if args.paths.iter().any(is_stdin) {
        if args.paths.len() > 1 {
            bail!(Failure::usage("- is video on standard input; give it alone"));
        }
        let reader = y4m::Reader::new(BufReader::new(io::stdin()));
        let wrong = |reason| Failure::data(format!("standard input {reason}"));
        return Ok(Input::Video(reader.map_err(wrong)?));
    }
    let Some(out) = args.out.as_deref().filter(|_| args.y4m_out.is_none()) else {
        bail!(Failure::usage("--y4m-out needs video on standard input: give - as the PATH"));
    };
    let jobs = jobs::find(&args.paths, out)?;
    let every = usize::try_from(args.every).unwrap_or(usize::MAX);
    Ok(Input::Files(jobs.into_iter().step_by(every).collect()))
}

/// Refuses a file in the place of the output folder, before any frame is computed.
fn check_out(out: &Path) -> Result<()> {
    let nearest = out.ancestors().find(|path| path.exists());
    if let Some(path) = nearest.filter(|path| !path.is_dir()) {
        bail!(Failure::usage(format!("--out needs a folder, but {} is a file", path.display())));
    }
    Ok(())
}

/// What is written of each frame. JSON comes last.
fn kinds(args: &Args) -> Vec<Kind> {
    let default = [Kind::Mask, Kind::Color, Kind::Overlay, Kind::Json];
    let asked = if args.write.is_empty() { &default[..] } else { &args.write };
    if args.out.is_none() { Vec::new() } else { sorted(asked) }
}

fn sorted(kinds: &[Kind]) -> Vec<Kind> {
    let mut kinds = kinds.to_vec();
    kinds.sort();
    kinds.dedup();
    kinds
}

fn segment(
    pipeline: &Pipeline,
    input: Input,
    every: u64,
    video: Option<&mut dyn Write>,
) -> Result<Tally> {
    match input {
        Input::Files(jobs) => {
            let mut progress = Progress::new(Some(jobs.len()));
            pipeline.run(jobs.into_iter().map(Item::File), &mut progress, video)
        }
        Input::Video(reader) => {
            let mut progress = Progress::new(None);
            pipeline.run(Video::new(reader, every), &mut progress, video)
        }
    }
}

/// Writes a file piece by piece; it is not there if that fails.
fn whole_or_not<T>(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let mut outcome = None;
    let written = atomic::write_with(path, |file| {
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let result = write(&mut file);
        let failed = result.is_err();
        outcome = Some(result);
        if failed { Err(io::Error::other("not all is done")) } else { file.flush() }
    });
    let outcome = outcome.transpose()?;
    written?;
    outcome.context("the file was never begun")
}
