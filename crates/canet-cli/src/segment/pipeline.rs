//! From frames to files, with decoding, network and encoding side by side.
//!
//! The network has one frame at a time, as it uses all cores; while it works on one, the next are
//! decoded and the ones before are encoded. What is held at once are [`DECODED`] frames before the
//! network, and behind it one for each encoding thread and one that waits. A frame of
//! 1920x1080 has 6 MB, and about 40 MB with its mask, confidence, pictures and PNGs.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use canet_core::atomic;
use canet_data::format::Gathered;
use canet_model::{Segmentation, Segmenter};

use super::outputs::{Files, Made, Outputs, Segmented};
use super::progress::Progress;
use super::source::{Frame, Item};
use crate::exit::{Failure, Stopped};
use crate::ordered::in_order;
use crate::y4m;

/// Threads that decode; a JPEG takes far less than the network.
const DECODERS: usize = 2;
/// Decoded frames, and those in work.
const DECODED: usize = 3;

/// Why a frame is not segmented.
enum Trouble {
    /// It cannot be read.
    Broken(String),
    /// What would fail for every frame.
    Fatal(anyhow::Error),
}

/// What a run comes to, once all is written that could be done.
pub(super) struct Tally {
    done: usize,
    broken: usize,
    stopped: bool,
}

impl Tally {
    /// Whether that is all there was to do.
    pub(super) fn verdict(&self) -> Result<()> {
        let Self { done, broken, stopped } = *self;
        let all = done + broken;
        if stopped {
            bail!(Stopped(format!("stopped after {done} frames")));
        }
        if broken > 0 {
            bail!(Failure::data(format!("{broken} of {all} frames could not be segmented")));
        }
        if all == 0 {
            bail!(Failure::data("standard input has no frame"));
        }
        Ok(())
    }
}

/// What makes files of frames.
pub(super) struct Pipeline<'a> {
    pub(super) segmenter: &'a Segmenter,
    pub(super) outputs: &'a Outputs<'a>,
    /// Becomes true when the user wants an end.
    pub(super) stop: &'a AtomicBool,
}

impl Pipeline<'_> {
    /// Segments all frames and writes their files. A broken frame is told and the rest goes on;
    /// whatever else fails ends the run. `video` is where the stream of overlays goes.
    pub(super) fn run(
        &self,
        items: impl Iterator<Item = Item> + Send,
        progress: &mut Progress,
        video: Option<&mut dyn Write>,
    ) -> Result<Tally> {
        let items = items.take_while(|_| !self.stop.load(Ordering::Relaxed));
        let encoders = rayon::current_num_threads();
        let mut ending = Ending::new(self.outputs, video)?;
        thread::scope(|scope| {
            let decode = |item: Item| (item.name(), item.decode());
            let decoded = in_order(scope, [DECODERS, DECODED], items, decode)?;
            // The network runs on whichever encoding thread comes for the next frame, so there is
            // one more of them.
            let segmented = decoded.map(|(name, frame)| (name, self.segment(frame)));
            let encode = |(name, segmented)| (name, self.encode(segmented));
            let threads = [encoders + 1, encoders + 2];
            for (name, outcome) in in_order(scope, threads, segmented, encode)? {
                match outcome {
                    Ok((made, summary)) => {
                        ending.take(made)?;
                        progress.done(&name, &summary);
                    }
                    Err(Trouble::Broken(reason)) => progress.broken(&name, &reason),
                    Err(Trouble::Fatal(error)) => return Err(error.context(progress.next(&name))),
                }
            }
            anyhow::Ok(())
        })?;
        ending.finish()?;
        let stopped = self.stop.load(Ordering::Relaxed);
        Ok(Tally { done: progress.done, broken: progress.broken, stopped })
    }

    fn segment(&self, frame: Result<Frame, String>) -> Result<Segmented, Trouble> {
        let frame = frame.map_err(Trouble::Broken)?;
        let start = Instant::now();
        let segmentation = self.segmenter.segment(&frame.picture);
        let segmentation = segmentation.map_err(|error| Trouble::Fatal(error.into()))?;
        let (width, height) = frame.picture.dimensions();
        let network = self.segmenter.meta().seen_size(width, height);
        let network = network.map_err(|error| Trouble::Fatal(error.into()))?;
        Ok(Segmented { frame, network, segmentation, took: start.elapsed() })
    }

    /// Writes a frame's files, and says what is in it.
    fn encode(&self, segmented: Result<Segmented, Trouble>) -> Result<(Made, String), Trouble> {
        let segmented = segmented?;
        let made = self.outputs.write(&segmented).map_err(Trouble::Fatal)?;
        Ok((made, summary(&segmented.segmentation)))
    }
}

/// What is written in the order of the frames.
struct Ending<'a, 'v> {
    files: Option<&'a Files<'a>>,
    gathered: Option<Gathered<'a>>,
    video: Option<&'v mut dyn Write>,
}

impl<'a, 'v> Ending<'a, 'v> {
    fn new(outputs: &'a Outputs, mut video: Option<&'v mut dyn Write>) -> Result<Self> {
        let files = outputs.files.as_ref();
        let export = files.and_then(|files| files.polygons.as_ref());
        let gathered = export.and_then(|export| Gathered::new(export.format, export.labels));
        if let (Some(video), Some(header)) = (&mut video, &outputs.video) {
            y4m::write_header(video, header).context(VIDEO)?;
        }
        Ok(Self { files, gathered, video })
    }

    fn take(&mut self, made: Made) -> Result<()> {
        let export = self.files.and_then(|files| files.polygons.as_ref());
        let polygons = made.polygons.as_ref().zip(self.gathered.as_mut()).zip(export);
        if let Some((((image, polygons), gathered), export)) = polygons {
            let note = export.note(polygons.deviation);
            gathered.add(&polygons.painting, image, Some(&note))?;
        }
        if let Some((video, bytes)) = self.video.as_mut().zip(made.video) {
            video.write_all(&bytes).context(VIDEO)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let export = self.files.and_then(|files| files.polygons.as_ref());
        if let Some(((gathered, files), export)) = self.gathered.zip(self.files).zip(export) {
            let path = files.out.join(export.format.file_name(""));
            atomic::write(&path, &gathered.finish())?;
        }
        if let Some(video) = self.video {
            video.flush().context(VIDEO)?;
        }
        Ok(())
    }
}

const VIDEO: &str = "cannot write the video";

/// The classes that a frame is mostly made of.
fn summary(segmentation: &Segmentation) -> String {
    let shares = segmentation.shares();
    let mut ids: Vec<_> = (0..shares.len()).filter(|&id| shares[id] > 0.0).collect();
    ids.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]));
    let classes = &segmentation.classes.classes;
    let part = |&id: &usize| format!("{} {:.1} %", classes[id].name, 100.0 * shares[id]);
    ids.iter().take(3).map(part).collect::<Vec<_>>().join(", ")
}
