//! `canet segment`: frames in, masks and pictures out.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use canet_core::atomic;
use canet_data::frame_file;
use canet_model::{Options, Segmentation, Segmenter, picture};
use image::{ImageFormat, RgbImage};

use crate::exit::Failure;
use crate::jobs::{self, Job, SUFFIXES};
use crate::model::ModelArgs;
use crate::test_time::TestTimeArgs;

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
    #[command(flatten)]
    model: ModelArgs,
    /// The folder for the pictures; it is made if need be
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How much of the colours the overlay shows, from 0 to 1
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    opacity: f32,
    #[command(flatten)]
    test_time: TestTimeArgs,
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

/// Runs the command. A broken frame is reported and the rest goes on; whatever else fails would fail
/// for every frame, and ends the run.
pub(crate) fn run(args: &Args) -> Result<()> {
    check_out(&args.out)?;
    let jobs = jobs::plan(&args.paths, &args.out)?;
    let (device, test_time) = (args.model.device()?, args.test_time.parse()?);
    let options = Options { device, test_time, ..Options::default() };
    let segmenter = Segmenter::from_checkpoint(args.model.checkpoint()?, options)?;
    let mut broken = 0;
    for (job, number) in jobs.iter().zip(1..) {
        let name = format!("{number}/{} {}", jobs.len(), job.frame.display());
        let bytes = fs::read(&job.frame).map_err(canet_core::Error::io("read", &job.frame))?;
        match frame_file::decode(&bytes, &job.frame) {
            Ok(frame) => {
                let segmentation = segmenter.segment(&frame).with_context(|| name.clone())?;
                write(job, &frame, &segmentation, args.opacity)?;
                tracing::info!("{name}: {}", summary(&segmentation));
            }
            Err(error) => {
                tracing::error!("{name}: {}", error.reason());
                broken += 1;
            }
        }
    }
    if broken > 0 {
        bail!(Failure::data(format!("{broken} of {} frames could not be segmented", jobs.len())));
    }
    Ok(())
}

/// Refuses a file in the place of the output folder, before any frame is computed.
fn check_out(out: &Path) -> Result<()> {
    let nearest = out.ancestors().find(|path| path.exists());
    if let Some(path) = nearest.filter(|path| !path.is_dir()) {
        bail!(Failure::usage(format!("--out needs a folder, but {} is a file", path.display())));
    }
    Ok(())
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
