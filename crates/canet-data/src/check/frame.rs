//! The check of one frame: its image, its annotation, and whether they belong together.

use std::fs;
use std::path::Path;

use canet_core::{ClassId, LabelMap, Mask};

use super::document::Document;
use super::finding::{FileOf, Finding, What};
use super::kind::Severity;
use super::look::{self, Look};
use super::report::Subject;
use super::{outline, visible};
use crate::annotation::class_of;
use crate::dataset_spec::AnnotationKind;
use crate::findings::FindingKind;
use crate::frame_file;
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
        Some(path) => read(path, how, &mut examined.subject, &mut notes),
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
    Ok((look::of(image), size))
}

/// Collects a frame's findings.
struct Notes {
    subject: usize,
    findings: Vec<Finding>,
}

impl Notes {
    fn image(&mut self, what: What) {
        self.add(FileOf::Image, String::new(), what);
    }

    fn file(&mut self, pointer: &str, what: What) {
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
        AnnotationKind::Polygons => read_polygons(&bytes, how, subject, notes),
        AnnotationKind::LabelImages => read_label_image(&bytes, path, how.labels, subject, notes),
        AnnotationKind::ColorImages => read_color_image(&bytes, path, how.labels, subject, notes),
    }
}

/// Notes an annotation of another size than the frame's, with what of its size is wrong.
fn compare(pointers: [&str; 2], annotation: (u32, u32), subject: &Subject, notes: &mut Notes) {
    if let Some(frame) = subject.size.filter(|&frame| frame != annotation) {
        let pointer = pointers[usize::from(frame.0 == annotation.0)];
        notes.file(pointer, What::SizeMismatch { frame, annotation });
    }
}

fn read_polygons(bytes: &[u8], how: &How, subject: &mut Subject, notes: &mut Notes) {
    let document = match Document::parse(bytes) {
        Ok(document) => document,
        Err((pointer, what)) => return notes.file(&pointer, what),
    };
    let size = document.size();
    compare(["/imgWidth", "/imgHeight"], size, subject, notes);
    let mut painted = Vec::new();
    for (index, object) in document.objects.iter().enumerate() {
        let points = object.points();
        let first = notes.findings.len();
        for (below, what) in outline::examine(&points, size) {
            notes.file(&format!("/objects/{index}{below}"), what);
        }
        let class = class_of(&object.label, how.labels);
        if object.deleted {
            notes.file(&format!("/objects/{index}"), What::Deleted);
        } else if class.is_none() {
            notes.file(&format!("/objects/{index}/label"), unknown_label(object, how.labels));
        }
        let broken = points.iter().flatten().any(|x| !x.is_finite());
        for finding in &mut notes.findings[first..] {
            finding.area = outline::bounds(&points).filter(|_| !broken);
            // What is not painted harms nobody; but a broken number refuses the whole file.
            if object.deleted && finding.severity == Severity::Warning {
                finding.severity = Severity::Note;
            }
        }
        if let Some(class) = class.filter(|_| !object.deleted && !broken && points.len() > 2) {
            painted.push((index, class, points));
        }
    }
    let living = document.objects.iter().filter(|object| !object.deleted).count();
    subject.objects = Some(living);
    if painted.is_empty() {
        notes.file("/objects", What::NoObjects);
    }
    paint(painted, size, how, subject, notes);
}

fn unknown_label(object: &super::document::Object, labels: &LabelMap) -> What {
    match FindingKind::unknown_label(object.label.clone(), labels) {
        FindingKind::UnknownLabel { label, hint } => What::UnknownLabel { label, hint },
        _ => What::UnknownLabel { label: object.label.clone(), hint: None },
    }
}

type Outline = (usize, ClassId, Vec<[f64; 2]>);

/// Paints the objects, for what is seen of each and of each class.
fn paint(
    painted: Vec<Outline>,
    size: (u32, u32),
    how: &How,
    subject: &mut Subject,
    notes: &mut Notes,
) {
    let (places, outlines): (Vec<_>, Vec<_>) =
        painted.into_iter().map(|(index, class, points)| ((index, class), points)).unzip();
    let counts = visible::count(&outlines, size, how.rule);
    let mut histogram = [0; 256];
    let all = u64::from(size.0) * u64::from(size.1);
    let mut bare = all;
    for (((index, class), pixels), points) in places.iter().zip(counts).zip(&outlines) {
        histogram[usize::from(class.0)] += pixels.visible;
        bare -= pixels.visible;
        let pointer = format!("/objects/{index}");
        let what = match pixels.painted {
            0 if notes.has(&pointer, &What::OutsideFrame) => continue,
            0 => What::OutsideFrame,
            pixels_painted if pixels.visible == 0 => What::HiddenObject { pixels: pixels_painted },
            _ => continue,
        };
        notes.file(&pointer, what);
        if let Some(finding) = notes.findings.last_mut() {
            finding.area = outline::bounds(points);
        }
    }
    histogram[usize::from(how.labels.background().0)] += bare;
    subject.count(&histogram, how.labels);
}

impl Notes {
    fn has(&self, pointer: &str, what: &What) -> bool {
        self.findings.iter().any(|f| f.pointer == pointer && f.what == *what)
    }
}

fn read_label_image(
    bytes: &[u8],
    path: &Path,
    labels: &LabelMap,
    subject: &mut Subject,
    notes: &mut Notes,
) {
    let mask = match Mask::from_png(bytes, path) {
        Ok(mask) => mask,
        Err(error) => {
            let reason = crate::Error::Core(error).reason();
            return notes.file("", What::UnreadableAnnotation { reason });
        }
    };
    compare(["", ""], (mask.width(), mask.height()), subject, notes);
    let mut histogram = [0; 256];
    for (value, pixels) in (0..=u8::MAX).zip(mask.histogram()).filter(|(_, pixels)| *pixels > 0) {
        if let Some(class) = labels.class_of_value(value) {
            histogram[usize::from(class.0)] += pixels;
            continue;
        }
        notes.file("", What::UnknownValue { value, pixels });
        if let Some(finding) = notes.findings.last_mut() {
            finding.area = first_pixel(&mask, value);
        }
    }
    subject.count(&histogram, labels);
}

/// Of colours that the map does not know the first refuses the file, as in preparation.
fn read_color_image(
    bytes: &[u8],
    path: &Path,
    labels: &LabelMap,
    subject: &mut Subject,
    notes: &mut Notes,
) {
    match crate::label_image::from_color_png(bytes, path, labels) {
        Ok(mask) => {
            compare(["", ""], (mask.width(), mask.height()), subject, notes);
            subject.count(&mask.histogram(), labels);
        }
        Err(error) => {
            let reason = crate::Error::Core(error).reason();
            notes.file("", What::UnreadableAnnotation { reason });
        }
    }
}

/// The box of the first pixel of a value.
fn first_pixel(mask: &Mask, value: u8) -> Option<[f64; 4]> {
    let at = mask.ids().iter().position(|&id| id == value)?;
    let width = mask.width() as usize;
    let (x, y) = ((at % width) as f64, (at / width) as f64);
    Some([x, y, x + 1.0, y + 1.0])
}
