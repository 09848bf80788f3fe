//! `canet bench`: how fast a model is on this machine.

mod report;
mod timing;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use canet_core::{GOLDEN_GAMMA, memory, mix};
use canet_model::{Segmenter, Sizes, instruction_set};
use image::RgbImage;

use crate::model::ModelArgs;
use crate::size::Size;
use crate::{escape, frame};
use report::{BatchTimes, NetworkTimes, Report};
use timing::{Times, measure};

const MORE: &str = "\
Examples:
  canet bench                                       the built-in model, at its own size
  canet bench --model m.safetensors --size 720,1280 --seconds 20
  canet bench --model m.safetensors --frame road.jpg --threads 1 --json

Two things are timed, one after the other, each for half of the seconds: a frame's whole way from RGB
pixels to its mask, and the network alone, from a normalised picture to the classes. --batch adds a
third, for as long. The first frame
of a size, which also plans and takes memory, is told apart. The median is the figure to compare; the
95th percentile tells what other programs on the machine did to it.";

/// Seconds a frame, frames a second, memory, and how much the processor is made of it.
#[derive(clap::Args)]
#[command(after_help = MORE)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The size of the frames, which are noise [default: the model's own input, else 512,512]
    #[arg(long, value_name = "H,W", conflicts_with = "frame")]
    size: Option<Size>,
    /// A frame to take instead of noise (.jpg, .jpeg, .png)
    #[arg(long, value_name = "FILE")]
    frame: Option<PathBuf>,
    /// How long to measure; at least five frames are
    #[arg(long, value_name = "S", default_value_t = 6.0, value_parser = seconds)]
    seconds: f64,
    /// Time this many frames side by side, too: small networks leave cores idle within one frame
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: Option<u16>,
    /// How many threads compute [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.0..=86_400.0).contains(&value) => Ok(value),
        _ => Err("it must be a number from 0 to 86400".into()),
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(threads) = args.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into());
        pool.build_global().context("cannot start the threads")?;
    }
    let report = report(args)?;
    let text = if args.json { escape::json(&report)? + "\n" } else { report.to_string() };
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

fn report(args: &Args) -> Result<Report> {
    let start = Instant::now();
    let checkpoint = args.model.checkpoint()?;
    let (model, weights) = (checkpoint.path().display().to_string(), checkpoint.weight_hash()?);
    let options = args.model.options()?;
    let device = format!("{:?}", options.device.location()).to_lowercase();
    let segmenter = Segmenter::from_checkpoint(checkpoint, options)?;
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    let frame = picture(args, &segmenter)?;
    let half = Duration::from_secs_f64(args.seconds / 2.0);
    let whole = measure(half, || segmenter.segment(&frame).map(drop).map_err(Into::into))?;
    let network = network(&segmenter, &frame, half)?;
    let batch = args.batch.map(|count| batch(&segmenter, &frame, count.into(), half));
    Ok(Report {
        model,
        weights,
        device,
        instruction_set: instruction_set(),
        threads: rayon::current_num_threads(),
        size: [frame.height(), frame.width()].map(|side| side as usize),
        load_ms,
        first_frame_ms: whole.first * 1e3,
        frame: Times::of(&whole),
        network,
        batch: batch.transpose()?,
        planned_memory: segmenter.memory(frame.width(), frame.height())?,
        peak_memory: memory::peak_mib().map(|mib| mib << 20),
    })
}

fn picture(args: &Args, segmenter: &Segmenter) -> Result<RgbImage> {
    if let Some(path) = &args.frame {
        return frame::read(path);
    }
    let input = segmenter.meta().input.map(|[w, h]| [h, w].map(|side| side as usize));
    let [h, w] = args.size.map(|Size(size)| size).or(input).unwrap_or([512; 2]);
    Ok(noise(w as u32, h as u32))
}

/// The same picture each time: speed does not depend on what is seen, but for the cache's luck.
fn noise(width: u32, height: u32) -> RgbImage {
    let count = 3 * u64::from(width) * u64::from(height);
    let bytes = (0..count.div_ceil(8))
        .flat_map(|word| mix(word.wrapping_mul(GOLDEN_GAMMA)).to_le_bytes())
        .take(count as usize);
    RgbImage::from_raw(width, height, bytes.collect()).unwrap_or_default()
}

/// The network alone, on the CPU.
fn network(
    segmenter: &Segmenter,
    frame: &RgbImage,
    time: Duration,
) -> Result<Option<NetworkTimes>> {
    let Some(frozen) = segmenter.frozen() else { return Ok(None) };
    let picture = segmenter.meta().seen(frame)?;
    let size = [picture.height(), picture.width()].map(|side| side as usize);
    let planes = segmenter.meta().normalisation.planes(picture.as_raw());
    let mut ids = vec![0; size[0] * size[1]];
    let measured = measure(time, || {
        let fill = |to: &mut [f32]| to.copy_from_slice(&planes);
        Ok(frozen.mask(Sizes::same(size), fill, &mut ids)?)
    })?;
    let (times, macs) = (Times::of(&measured), frozen.macs(size)?);
    let gflops = 2.0 * macs as f64 / times.median_ms * 1e-6;
    Ok(Some(NetworkTimes { size, times, macs, gflops }))
}

/// So many frames together.
fn batch(
    segmenter: &Segmenter,
    frame: &RgbImage,
    frames: usize,
    time: Duration,
) -> Result<BatchTimes> {
    let batch = vec![frame.clone(); frames];
    let measured = measure(time, || {
        let results = segmenter.segment_batch(&batch);
        Ok(results.into_iter().try_for_each(|result| result.map(drop))?)
    })?;
    let times = Times::of(&measured);
    let frames_per_second = frames as f64 * times.per_second;
    Ok(BatchTimes { frames, times, frames_per_second })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_same_each_time_and_has_all_values() {
        let picture = noise(33, 21);
        assert_eq!(picture.dimensions(), (33, 21));
        assert_eq!(picture, noise(33, 21));
        let mut seen = [false; 256];
        picture.as_raw().iter().for_each(|&value| seen[usize::from(value)] = true);
        assert!(seen.iter().filter(|&&seen| seen).count() > 250);
    }
}
