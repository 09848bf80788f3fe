//! Check: what is wrong with the labels of a raw tree, and what they are like.
//!
//! Preparation takes what it can use and counts the rest; a check is for those who can put things
//! right. Every finding has a kind of a stable name and a pointer to its place ([`finding`],
//! [`kind`]); the report goes to a terminal, to JSON and to a page with pictures of the worst.
//! Frames are looked at one by one, on any core, and only figures are kept of each. A broken file is
//! a finding here, never an error.

mod crossing;
mod document;
mod duplicates;
pub mod finding;
mod frame;
pub mod html;
pub mod kind;
mod label_images;
mod look;
mod outline;
mod polygons;
pub mod report;
pub mod statistics;
pub mod text;
mod visible;
mod which;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use canet_core::LabelMap;
use rayon::prelude::*;

use crate::Error;
use crate::dataset_spec::DatasetSpec;
use crate::gathered::GatheredAnnotations;
use crate::layout::{self, RawFrame, RawTree};
use crate::prepare::Progress;
use crate::raster::Rule;

pub use report::{Report, Subject};
pub use which::dataset;

use finding::{FileOf, Finding, What};
use frame::{Examined, How};
use kind::Severity;
use statistics::{Balance, Spread};

/// Checks the tree of a data set. `labels` is the label map, if not the data set's usual one;
/// `progress` is called from many threads, in no order.
pub fn check(
    root: &Path,
    spec: &DatasetSpec,
    labels: Option<&LabelMap>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Report, Error> {
    let labels = labels.map_or_else(|| spec.usual_labels(), |labels| Ok(labels.clone()))?;
    let mut tree = layout::read(root, spec)?;
    let kind = spec.layout.kind;
    let gathered = kind
        .is_gathered()
        .then(|| GatheredAnnotations::read(root, &mut tree, &labels))
        .transpose()?;
    let gathered = gathered.as_ref();
    let how = How { kind, labels: &labels, rule: Rule::default(), gathered };
    let done = AtomicUsize::new(0);
    let total = tree.frames.len();
    let examined: Vec<_> = tree
        .frames
        .par_iter()
        .enumerate()
        .map(|(place, raw)| {
            let examined = frame::examine(place, subject(root, raw), raw, &how);
            progress(Progress { done: done.fetch_add(1, Ordering::Relaxed) + 1, total });
            examined
        })
        .collect();
    Ok(gather(root, spec, &labels, &tree, examined))
}

fn subject(root: &Path, raw: &RawFrame) -> Subject {
    Subject {
        split: raw.split,
        drive: Some(raw.drive.clone()),
        frame: Some(raw.frame.clone()),
        image: Some(relative(root, &raw.image)),
        annotation: raw.annotation.as_deref().map(|path| relative(root, path)),
        ..Subject::default()
    }
}

/// A path as reports have it, with the same separator everywhere.
fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

fn gather(
    root: &Path,
    spec: &DatasetSpec,
    labels: &LabelMap,
    tree: &RawTree,
    examined: Vec<Examined>,
) -> Report {
    let mut hashes = Vec::new();
    let (mut subjects, mut findings) = (Vec::new(), Vec::new());
    for (place, examined) in examined.into_iter().enumerate() {
        hashes.extend(examined.hash.map(|hash| (place, hash)));
        subjects.push(examined.subject);
        findings.extend(examined.findings);
    }
    let figures = |figure: fn(&Subject) -> Option<f64>| subjects.iter().filter_map(figure);
    let objects = figures(|s| s.objects.map(|n| n as f64));
    let objects = Spread::of(objects, |max| ((max + 1.0) / 20.0).ceil());
    let brightness = Spread::of(figures(|s| s.brightness), |_| 8.0);
    findings.extend(duplicates(&subjects, &hashes, spec.layout.has_official_splits()));
    findings.extend(objects.iter().flat_map(|spread| crowded(&subjects, spread)));
    let orphans = tree.orphans.iter().map(|path| (path, "has no frame".to_owned()));
    let missing = tree.missing.iter().map(|(path, reason)| (path, reason.clone()));
    for (path, reason) in orphans.chain(missing) {
        let what = What::MissingFrame { reason };
        findings.push(told(subjects.len(), FileOf::Annotation, what));
        let annotation = Some(relative(root, path));
        subjects.push(Subject { annotation, ..Subject::default() });
    }
    // Stable: what a file has keeps its order.
    findings.sort_by_key(|finding| finding.subject);
    Report {
        dataset: spec.name.clone(),
        classes: labels.classes().clone(),
        unknown_labels: report::unknown_labels(&findings),
        balance: Balance::of(&subjects, labels.classes()),
        objects,
        brightness,
        left_out: tree.left_out.clone(),
        subjects,
        findings,
    }
}

/// A finding about a frame as a whole.
fn told(subject: usize, file: FileOf, what: What) -> Finding {
    let severity = what.kind().severity();
    Finding { subject, file, pointer: String::new(), what, severity, area: None }
}

/// Frames that look like one of another drive. If both are in one official split, no score suffers,
/// and it is only a note.
fn duplicates(subjects: &[Subject], hashes: &[(usize, u64)], official: bool) -> Vec<Finding> {
    let group = |place: usize| (subjects[place].split, subjects[place].drive.as_ref());
    let frames: Vec<_> = hashes.iter().map(|&(place, hash)| (hash, group(place))).collect();
    let alike = duplicates::find(&frames);
    let mut findings = Vec::new();
    for (&(place, _), likeness) in hashes.iter().zip(alike) {
        let Some(likeness) = likeness else { continue };
        let other = &subjects[hashes[likeness.other].0];
        let what = What::NearDuplicate { other: other.name(), bits: likeness.bits };
        let mut finding = told(place, FileOf::Image, what);
        if official && other.split == subjects[place].split {
            finding.severity = Severity::Note;
        }
        findings.push(finding);
    }
    findings
}

/// Frames with far more objects than the others.
fn crowded(subjects: &[Subject], spread: &Spread) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (place, subject) in subjects.iter().enumerate() {
        if let Some(objects) = subject.objects.filter(|&n| n as f64 > spread.far_out()) {
            let what = What::ManyObjects { objects, median: spread.median as usize };
            findings.push(told(place, FileOf::Annotation, what));
        }
    }
    findings
}
