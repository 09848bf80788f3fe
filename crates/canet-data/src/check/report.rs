//! The report: every finding with its place, and what the labels are like as a whole.
//!
//! As JSON it has a format number and no path of this machine, and equal trees give equal bytes.
//! `docs/check.md` tells the format to people.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use canet_core::{ClassId, ClassSet, LabelMap, atomic};
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

use super::finding::{FileOf, Finding, What};
use super::kind::{Kind, Severity};
use super::statistics::{Balance, Spread};
use crate::Error;
use crate::findings::Hint;
use crate::names::{DriveId, FrameId};
use crate::split::Split;

/// The number of the JSON format.
pub const FORMAT: u32 = 1;

/// What the check found.
#[derive(Debug, Clone)]
pub struct Report {
    /// The data set's name.
    pub dataset: String,
    /// The classes, with the label map's name.
    pub classes: ClassSet,
    /// Frames by split, drive and name; then annotations without a frame.
    pub subjects: Vec<Subject>,
    /// The findings, in the order of the subjects and of the places in their files.
    pub findings: Vec<Finding>,
    /// Unknown labels: how many objects have them, and what may be meant.
    pub unknown_labels: BTreeMap<String, (u64, Option<Hint>)>,
    /// The classes by drive.
    pub balance: Balance,
    /// The objects of each frame that are not deleted; `None` for label images.
    pub objects: Option<Spread>,
    /// The mean luma of each frame, from 0 to 255.
    pub brightness: Option<Spread>,
    /// Frames of splits without public labels, or of unknown ones, by folder; not checked.
    pub left_out: BTreeMap<String, u64>,
}

/// A frame, or an annotation without one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Subject {
    /// The official split, if the data set has splits.
    pub split: Option<Split>,
    /// The drive; `None` for an annotation without a frame.
    pub drive: Option<DriveId>,
    /// The frame's name; `None` for an annotation without a frame.
    pub frame: Option<FrameId>,
    /// The image, relative to the raw folder.
    pub image: Option<String>,
    /// The annotation, relative to the raw folder.
    pub annotation: Option<String>,
    /// Width and height of the image in pixels, if it can be read.
    pub size: Option<(u32, u32)>,
    /// The mean luma, from 0 to 255.
    pub brightness: Option<f64>,
    /// How many objects are not deleted; `None` for label images.
    pub objects: Option<usize>,
    /// How much of the frame is void or background, in percent.
    pub unlabelled: Option<f64>,
    /// Classes, void included, and their pixels; empty if preparation leaves the frame out.
    pub pixels: Vec<(ClassId, u64)>,
}

impl Subject {
    /// Takes a histogram of class ids over.
    pub(super) fn count(&mut self, histogram: &[u64; 256], labels: &LabelMap) {
        let classes = (0..=u8::MAX).map(ClassId).zip(histogram.iter().copied());
        self.pixels = classes.filter(|(_, pixels)| *pixels > 0).collect();
        let all: u64 = histogram.iter().sum();
        let is_bare = |id: ClassId| id == ClassId::VOID || id == labels.background();
        let bare: u64 = self.pixels.iter().filter(|(id, _)| is_bare(*id)).map(|p| p.1).sum();
        self.unlabelled = (all > 0).then(|| 100.0 * bare as f64 / all as f64);
    }

    /// The name for people: split, drive and frame, or the annotation's path.
    pub fn name(&self) -> String {
        match (&self.split, &self.drive, &self.frame) {
            (Some(split), Some(drive), Some(frame)) => format!("{split}/{drive}/{frame}"),
            (None, Some(drive), Some(frame)) => format!("{drive}/{frame}"),
            _ => self.annotation.clone().unwrap_or_default(),
        }
    }
}

impl Report {
    /// How many findings there are of each kind, by kind.
    pub fn counts(&self) -> BTreeMap<Kind, u64> {
        let mut counts = BTreeMap::new();
        for finding in &self.findings {
            *counts.entry(finding.what.kind()).or_default() += 1;
        }
        counts
    }

    /// The kinds that were found, with how bad the worst of each is and how many there are; the
    /// worst first.
    pub fn kinds(&self) -> Vec<(Severity, Kind, u64)> {
        let mut worst = BTreeMap::new();
        for finding in &self.findings {
            let severity = worst.entry(finding.what.kind()).or_insert(finding.severity);
            *severity = finding.severity.min(*severity);
        }
        let mut kinds: Vec<_> =
            self.counts().into_iter().map(|(kind, count)| (worst[&kind], kind, count)).collect();
        kinds.sort();
        kinds
    }

    /// The findings of a kind, the worst first.
    pub(super) fn worst_of(&self, kind: Kind) -> Vec<&Finding> {
        let of_kind = self.findings.iter().filter(|finding| finding.what.kind() == kind);
        let mut findings: Vec<_> = of_kind.collect();
        let weight = |finding: &Finding| finding.what.weight();
        findings.sort_by(|a, b| {
            a.severity.cmp(&b.severity).then_with(|| weight(b).total_cmp(&weight(a)))
        });
        findings
    }

    /// How many findings there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// How many frames there are.
    pub fn frames(&self) -> usize {
        self.subjects.iter().filter(|subject| subject.image.is_some()).count()
    }

    /// The path of the file that a finding is in, relative to the raw folder.
    pub fn file(&self, finding: &Finding) -> &str {
        let subject = &self.subjects[finding.subject];
        let file = match finding.file {
            FileOf::Image => &subject.image,
            FileOf::Annotation => &subject.annotation,
        };
        file.as_deref().unwrap_or_default()
    }

    /// The share of all pixels that is void or background, in percent.
    pub fn unlabelled(&self) -> Option<f64> {
        let area = |s: &Subject| s.pixels.iter().map(|(_, pixels)| pixels).sum::<u64>() as f64;
        let all: f64 = self.subjects.iter().map(area).sum();
        let bare = self.subjects.iter().filter_map(|s| Some(s.unlabelled? * area(s)));
        (all > 0.0).then(|| bare.sum::<f64>() / all)
    }

    /// Writes the report as JSON, piece by piece: it may be as large as the data set's annotations.
    pub fn write_json(&self, path: &Path) -> Result<(), Error> {
        let write = |file: &mut File| {
            let mut file = BufWriter::new(file);
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.flush()
        };
        Ok(atomic::write_with(path, write)?)
    }
}

/// A number with two decimals: more would only be noise in a report.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("format", &FORMAT)?;
        map.serialize_entry("dataset", &self.dataset)?;
        map.serialize_entry("label_map", &self.classes.name)?;
        map.serialize_entry("frames", &self.frames())?;
        let severities: BTreeMap<_, _> =
            Severity::ALL.iter().map(|&s| (s.name(), self.count(s))).collect();
        map.serialize_entry("severities", &severities)?;
        map.serialize_entry("counts", &self.counts())?;
        let labels: Vec<_> = self
            .unknown_labels
            .iter()
            .map(|(label, (objects, hint))| UnknownLabel {
                label,
                objects: *objects,
                hint: hint.as_ref().map(Hint::to_string),
            })
            .collect();
        map.serialize_entry("unknown_labels", &labels)?;
        map.serialize_entry("left_out", &self.left_out)?;
        map.serialize_entry("unlabelled_percent", &self.unlabelled().map(rounded))?;
        map.serialize_entry("objects_per_frame", &self.objects)?;
        map.serialize_entry("brightness", &self.brightness)?;
        map.serialize_entry("balance", &self.balance)?;
        map.serialize_entry("subjects", &self.subjects)?;
        let listed = |finding| Listed { report: self, finding };
        let findings: Vec<_> = self.findings.iter().map(listed).collect();
        map.serialize_entry("findings", &findings)?;
        map.end()
    }
}

#[derive(Serialize)]
struct UnknownLabel<'a> {
    label: &'a str,
    objects: u64,
    hint: Option<String>,
}

/// A finding with its file.
struct Listed<'a> {
    report: &'a Report,
    finding: &'a Finding,
}

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { report, finding } = self;
        let mut fields = to.serialize_struct("Finding", 7)?;
        fields.serialize_field("kind", &finding.what.kind())?;
        fields.serialize_field("severity", &finding.severity)?;
        fields.serialize_field("frame", &report.subjects[finding.subject].name())?;
        fields.serialize_field("file", report.file(finding))?;
        fields.serialize_field("pointer", &finding.pointer)?;
        fields.serialize_field("message", &finding.message())?;
        fields.serialize_field("box", &finding.area.map(|area| area.map(rounded)))?;
        fields.end()
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_struct("Subject", 9)?;
        fields.serialize_field("split", &self.split)?;
        fields.serialize_field("drive", &self.drive)?;
        fields.serialize_field("frame", &self.frame)?;
        fields.serialize_field("image", &self.image)?;
        fields.serialize_field("annotation", &self.annotation)?;
        fields.serialize_field("size", &self.size)?;
        fields.serialize_field("brightness", &self.brightness.map(rounded))?;
        fields.serialize_field("objects", &self.objects)?;
        fields.serialize_field("unlabelled_percent", &self.unlabelled.map(rounded))?;
        fields.end()
    }
}

/// The unknown labels among some findings.
pub(super) fn unknown_labels(findings: &[Finding]) -> BTreeMap<String, (u64, Option<Hint>)> {
    let mut labels = BTreeMap::new();
    for finding in findings {
        if let What::UnknownLabel { label, hint } = &finding.what {
            labels.entry(label.clone()).or_insert_with(|| (0, hint.clone())).0 += 1;
        }
    }
    labels
}
