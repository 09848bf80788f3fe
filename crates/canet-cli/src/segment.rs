//! `canet segment`: frames in, masks and pictures out.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use canet_core::atomic;
use canet_model::{Fault, Segmentation, Segmenter, parse_device, picture};
use image::{ImageFormat, ImageReader, ImageResult, Limits, RgbImage};

use crate::exit::{self, Failure};
use crate::jobs::{self, Job, SUFFIXES};

/// The largest side of a frame, as for masks.
const MAX_SIDE: u32 = 16_384;

const PICTURES: &str = "\
For each frame:
  NAME_mask.png     one class id a pixel, with a palette
  NAME_color.png    the same in full colour
  NAME_overlay.png  the frame under the colours, with a legend
A folder's sub-folders are kept below DIR. Existing pictures are replaced.";

/// Segment frames with a trained model.
#[derive(clap::Args)]
#[command(after_help = PICTURES)]
pub(crate) struct Args {
    /// The checkpoint, a .safetensors file
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The folder for the pictures; it is made if need be
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Where to compute: auto, cpu, cuda:N or metal
    #[arg(long, default_value = "auto")]
    device: String,
    /// How much of the colours the overlay shows, from 0 to 1
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    opacity: f32,
    /// Frames (.jpg, .jpeg, .png), or folders with frames
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("it must be a number from 0 to 1".into()),
    }
}

/// Runs the command. A broken frame is reported and the rest goes on.
pub(crate) fn run(args: &Args) -> Result<()> {
    let jobs = jobs::plan(&args.paths, &args.out)?;
    let segmenter = Segmenter::load(&args.model, &parse_device(&args.device)?)?;
    let mut broken = 0;
    for (job, number) in jobs.iter().zip(1..) {
        let name = format!("{number}/{} {}", jobs.len(), job.frame.display());
        match segment(&segmenter, &job.frame) {
            Ok((frame, segmentation)) => {
                write(job, &frame, &segmentation, args.opacity)?;
                tracing::info!("{name}: {}", summary(&segmentation));
            }
            Err(error) if exit::fault(&error) == Fault::Data => {
                tracing::error!("{name}: {error:#}");
                broken += 1;
            }
            Err(error) => return Err(error.context(name)),
        }
    }
    if broken > 0 {
        bail!(Failure::data(format!("{broken} of {} frames could not be segmented", jobs.len())));
    }
    Ok(())
}

fn segment(segmenter: &Segmenter, path: &Path) -> Result<(RgbImage, Segmentation)> {
    let frame = read(path).map_err(|e| Failure::data(format!("is not a readable frame: {e}")))?;
    let segmentation = segmenter.segment(&frame)?;
    Ok((frame, segmentation))
}

/// Reads a frame by its content, whatever its name says.
fn read(path: &Path) -> ImageResult<RgbImage> {
    let mut reader = ImageReader::open(path)?.with_guessed_format()?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    reader.limits(limits);
    Ok(reader.decode()?.into_rgb8())
}

fn write(job: &Job, frame: &RgbImage, segmentation: &Segmentation, opacity: f32) -> Result<()> {
    let overlay = segmentation.overlay(frame, opacity)?;
    let overlay = picture::with_legend(&overlay, &segmentation.mask, &segmentation.classes);
    let pictures = [
        segmentation.mask.to_png(&segmentation.classes),
        png(&segmentation.color_image())?,
        png(&overlay)?,
    ];
    for (suffix, bytes) in SUFFIXES.iter().zip(pictures) {
        atomic::write(&job.picture(suffix), &bytes)?;
    }
    Ok(())
}

fn png(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// The classes that a frame is mostly made of.
fn summary(segmentation: &Segmentation) -> String {
    let shares = segmentation.shares();
    let mut ids: Vec<_> = (0..shares.len()).filter(|&id| shares[id] > 0.0).collect();
    ids.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]));
    let classes = &segmentation.classes.classes;
    let part = |&id: &usize| format!("{} {:.1} %", classes[id].name, 100.0 * shares[id]);
    ids.iter().take(3).map(part).collect::<Vec<_>>().join(", ")
}
