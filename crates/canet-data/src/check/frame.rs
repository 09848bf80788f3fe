//! The check of one frame: its image, its annotation, and whether they belong together.

use std::fs;
use std::path::Path;

use canet_core::LabelMap;

use super::finding::{FileOf, Finding, What};
use super::kind::Severity;
use super::look::{self, Look};
use super::report::Subject;
use super::{label_images, polygons};
use crate::dataset_spec::AnnotationKind;
use crate::frame_file;
use crate::gathered::GatheredAnnotations;
use crate::layout::RawFrame;
use crate::raster::Rule;

/// A frame with a mean luma below is nearly black.
const DARK: f64 = 30.0;

/// A frame with a mean luma above is nearly white.
const BRIGHT: f64 = 225.0;

/// A frame of which more is unlabelled, in percent, is told.
const UNLABELLED: f64 = 50.0;

/// How annotations are read, the same for all frames.
pub(super) struct How<'a> {
    pub(super) kind: AnnotationKind,
    pub(super) labels: &'a LabelMap,
    pub(super) rule: Rule,
    /// The annotations, if they are in files for many frames.
    pub(super) gathered: Option<&'a GatheredAnnotations>,
}

/// What is known of a frame once it has been looked at.
pub(super) struct Examined {
    /// The frame's figures, as they were found.
    pub(super) subject: Subject,
    /// The difference hash, if the image can be read.
    pub(super) hash: Option<u64>,
    pub(super) findings: Vec<Finding>,
}

/// Looks at a frame; `place` is its place in the list of subjects.
pub(super) fn examine(place: usize, subject: Subject, raw: &RawFrame, how: &How) -> Examined {
    let mut examined = Examined { subject, hash: None, findings: Vec::new() };
    let mut notes = Notes { subject: place, findings: Vec::new() };
    match see(&raw.image) {
        Ok((look, size)) => {
            examined.hash = Some(look.hash);
            examined.subject.size = Some(size);
            examined.subject.brightness = Some(look.brightness);
            let mean = look.brightness;
            if mean < DARK {
                notes.image(What::DarkFrame { mean });
            } else if mean > BRIGHT {
                notes.image(What::BrightFrame { mean });
            }
        }
        Err(reason) => notes.image(What::UnreadableFrame { reason }),
    }
    match &raw.annotation {
        Some(path) => match how.gathered.and_then(|all| all.of(&raw.image)) {
            Some((annotation, _)) => {
                let list = "/annotations";
                polygons::parsed(annotation, list, how, &mut examined.subject, &mut notes);
            }
            None => read(path, how, &mut examined.subject, &mut notes),
        },
        None => notes.image(What::MissingAnnotation),
    }
    // Preparation leaves such a frame out, so it has no part in the balance of classes either.
    if notes.findings.iter().any(|finding| finding.severity == Severity::Error) {
        examined.subject.pixels.clear();
        examined.subject.unlabelled = None;
    }
    if let Some(percent) = examined.subject.unlabelled.filter(|&share| share > UNLABELLED) {
        notes.file("", What::MostlyUnlabelled { percent });
    }
    examined.findings = notes.findings;
    examined
}

fn see(path: &Path) -> Result<(Look, (u32, u32)), String> {
    let bytes = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let image = frame_file::decode(&bytes, path).map_err(|error| error.reason())?;
    let size = (image.width(), image.height());
    Ok((look::of(&image), size))
}

/// Collects a frame's findings.
pub(super) struct Notes {
    subject: usize,
    pub(super) findings: Vec<Finding>,
}

impl Notes {
    fn image(&mut self, what: What) {
        self.add(FileOf::Image, String::new(), what);
    }

    pub(super) fn file(&mut self, pointer: &str, what: What) {
        self.add(FileOf::Annotation, pointer.to_owned(), what);
    }

    fn add(&mut self, file: FileOf, pointer: String, what: What) {
        let severity = what.kind().severity();
        let subject = self.subject;
        self.findings.push(Finding { subject, file, pointer, what, severity, area: None });
    }
}

fn read(path: &Path, how: &How, subject: &mut Subject, notes: &mut Notes) {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let reason = format!("cannot be read: {error}");
            return notes.file("", What::UnreadableAnnotation { reason });
        }
    };
    match how.kind {
        AnnotationKind::Polygons => polygons::document(&bytes, path, how, subject, notes),
        AnnotationKind::LabelMe => polygons::labelme(&bytes, path, how, subject, notes),
        // The frame's part of a gathered file was found before; this frame has none.
        AnnotationKind::Coco => notes.file("", What::MissingAnnotation),
        AnnotationKind::LabelImages => {
            label_images::values(&bytes, path, how.labels, subject, notes);
        }
        AnnotationKind::ColorImages => {
            label_images::colors(&bytes, path, how.labels, subject, notes);
        }
    }
}

/// Notes an annotation of another size than the frame's, with what of its size is wrong.
pub(super) fn compare(
    pointers: [&str; 2],
    annotation: (u32, u32),
    subject: &Subject,
    notes: &mut Notes,
) {
    if let Some(frame) = subject.size.filter(|&frame| frame != annotation) {
        let pointer = pointers[usize::from(frame.0 == annotation.0)];
        notes.file(pointer, What::SizeMismatch { frame, annotation });
    }
}
