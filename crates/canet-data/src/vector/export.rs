//! Masks in files to polygons in files: one mask, or a tree of them with its folders kept.
//!
//! ```text
//! masks/007/b_mask.png   -->   OUT/007/b_gtFine_polygons.json      (idd, cityscapes)
//!                              OUT/007/b.json                      (labelme)
//!                              OUT/annotations.xml, instances.json (cvat, coco: all frames)
//!                              OUT/vectorise.json                  (what was made, and how exactly)
//! ```
//!
//! Frames are worked on in parallel and reported in the order of their names, so that the files are
//! the same for any number of threads. A broken mask is told and the rest goes on.

mod names;

use std::path::Path;

use canet_core::{Fault, LabelMap, Mask, atomic};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;

use self::names::Job;
use super::{Deviation, Options, Vectorised, vectorise};
use crate::Error;
use crate::format::{self, Format, Gathered, Note};
use crate::painting::Painting;
use crate::raster::Rule;

/// The report in the output folder.
pub const REPORT_FILE: &str = "vectorise.json";

/// How many frames are held at once.
const CHUNK: usize = 64;

/// What to write, and how.
#[derive(Debug, Clone)]
pub struct Export<'a> {
    /// The classes of the masks, and their labels.
    pub labels: &'a LabelMap,
    /// The form of the files.
    pub format: Format,
    /// How masks become polygons.
    pub options: Options,
    /// What the name of a frame's image adds to that of the frame, such as `_leftImg8bit.png`.
    pub image_suffix: String,
}

/// The rule by which people are going to fill the polygons of a format: IDD's and Cityscapes' own
/// tools draw with Pillow, the others show what is written.
pub const fn usual_rule(format: Format) -> Rule {
    match format {
        Format::Idd | Format::Cityscapes => Rule::Pillow6,
        Format::LabelMe | Format::Cvat | Format::Coco => Rule::Centre,
    }
}

/// What became of all masks; `vectorise.json` holds it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The form of the files.
    pub format: &'static str,
    /// The rule that gives the masks back.
    pub rule: &'static str,
    /// The name of the label map.
    pub label_map: String,
    /// How far borders were allowed to move, in pixels.
    pub simplify: f64,
    /// Components of fewer pixels were absorbed.
    pub min_area: u64,
    /// What rasterising changes in all frames together.
    pub deviation: Deviation,
    /// The frames, by the names of their masks.
    pub frames: Vec<FrameReport>,
    /// Masks that could not be read or written.
    pub skipped: Vec<Skipped>,
}

/// What became of one mask.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FrameReport {
    /// The mask, relative to the folder that was given.
    pub mask: String,
    /// The file with its polygons, relative to the output folder.
    pub file: String,
    /// How many polygons there are.
    pub shapes: usize,
    /// How many points they have together.
    pub points: usize,
    /// How many components were absorbed.
    pub absorbed: usize,
    /// What rasterising the polygons changes.
    pub deviation: Deviation,
}

/// A mask that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The mask, relative to the folder that was given.
    pub mask: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Turns a mask, or every mask in a folder, into polygons in `out`. `tell` hears of each frame, in
/// order, as soon as it is done. Ends early on what is no single mask's fault.
pub fn export(
    masks: &Path,
    out: &Path,
    export: &Export,
    tell: &mut dyn FnMut(Result<&FrameReport, &Skipped>),
) -> Result<Report, Error> {
    let jobs = names::plan(masks, out, export)?;
    let mut gathered = Gathered::new(export.format, export.labels);
    let mut report = export.empty_report();
    for chunk in jobs.chunks(CHUNK) {
        let done: Vec<_> = chunk.par_iter().map(|job| export.frame(job, out)).collect();
        for (job, done) in chunk.iter().zip(done) {
            let added = done.and_then(|(frame, painting)| {
                if let Some(gathered) = &mut gathered {
                    gathered.add(&painting, &job.image, Some(&export.note(frame.deviation)))?;
                }
                Ok(frame)
            });
            match added {
                Ok(frame) => {
                    report.deviation = report.deviation.with(frame.deviation);
                    tell(Ok(&frame));
                    report.frames.push(frame);
                }
                Err(error) if error.fault() == Fault::Data => {
                    let skipped = Skipped { mask: job.name.clone(), reason: error.reason() };
                    tell(Err(&skipped));
                    report.skipped.push(skipped);
                }
                Err(error) => return Err(error),
            }
        }
    }
    if let Some(gathered) = gathered {
        atomic::write(&out.join(export.format.file_name("")), &gathered.finish())?;
    }
    let mut text = serde_json::to_vec_pretty(&report).map_err(|error| Error::Layout {
        path: out.join(REPORT_FILE),
        reason: error.to_string(),
    })?;
    text.push(b'\n');
    atomic::write(&out.join(REPORT_FILE), &text)?;
    Ok(report)
}

impl Export<'_> {
    /// Exact polygons by the format's usual rule.
    pub fn exact(labels: &LabelMap, format: Format) -> Export<'_> {
        let options = Options::exact(usual_rule(format), labels.background());
        Export { labels, format, options, image_suffix: ".jpg".into() }
    }

    /// Makes a frame's polygons, and its file if it has one of its own.
    fn frame(&self, job: &Job, out: &Path) -> Result<(FrameReport, Painting), Error> {
        let mask = Mask::read(&job.path, self.labels.classes())?;
        let vectorised = self.polygons(&mask)?;
        if self.format.is_per_frame() {
            let image = job.image.rsplit('/').next().unwrap_or(&job.image);
            atomic::write(&out.join(&job.file), &self.written(&vectorised, image)?)?;
        }
        let points = vectorised.points();
        let Vectorised { painting, deviation, absorbed, .. } = vectorised;
        let (mask, file) = (job.name.clone(), job.file.clone());
        let shapes = painting.shapes.len();
        Ok((FrameReport { mask, file, shapes, points, absorbed, deviation }, painting))
    }

    /// The polygons of one mask.
    pub fn polygons(&self, mask: &Mask) -> Result<Vectorised, Error> {
        vectorise(mask, &self.options)
    }

    /// A frame's polygons as a file of their own, which tells of its making; `image` as for
    /// [`format::write()`].
    pub fn written(&self, polygons: &Vectorised, image: &str) -> Result<Vec<u8>, Error> {
        let note = self.note(polygons.deviation);
        format::write(self.format, &polygons.painting, self.labels, image, Some(&note))
    }

    /// What a file tells of its making.
    pub fn note(&self, deviation: Deviation) -> Note {
        let mut note = Note::new();
        note.insert("rule".into(), json!(self.options.rule.name()));
        note.insert("label_map".into(), json!(self.labels.classes().name));
        note.insert("simplify".into(), json!(self.options.simplify));
        note.insert("min_area".into(), json!(self.options.min_area));
        note.insert("changed_pixels".into(), json!(deviation.changed));
        note.insert("largest_shift".into(), json!(deviation.shift));
        note
    }

    fn empty_report(&self) -> Report {
        Report {
            format: self.format.name(),
            rule: self.options.rule.name(),
            label_map: self.labels.classes().name.clone(),
            simplify: self.options.simplify,
            min_area: self.options.min_area,
            deviation: Deviation::default(),
            frames: Vec::new(),
            skipped: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
