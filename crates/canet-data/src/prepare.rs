//! Prepare: from a raw tree to a prepared folder, however often it is interrupted.
//!
//! Each frame is worked on alone, on any core; nothing depends on the order, so the result does not
//! depend on the number of threads. What is finished is noted in a record (`prepare.lock.json`), which a
//! second run believes if the sources have kept their size and time of change, the results are there,
//! and the label map and the fill rule are the same. The manifest is taken away before the first
//! change and written after the last: a folder with a manifest is a whole one.
//!
//! A frame that cannot be used (broken image, faulty annotation, no annotation, a size unlike its
//! annotation's) is skipped, listed and counted; the rest goes on. A fault of the machine stops, and
//! so does a source that cannot be read at all.

mod folder;
mod frame;
mod job;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use canet_core::LabelMap;
use rayon::prelude::*;

use crate::Error;
use crate::dataset_spec::{AnnotationKind, DatasetSpec};
use crate::findings::{FindingCounts, ListedFinding};
use crate::layout::{self, RawFrame, RawTree};
use crate::manifest::{self, Entry, Manifest, Skipped, SplitStatistics};
use crate::raster::Rule;
use crate::split::{self, Split};

pub use folder::check_out;

use frame::How;
use job::Job;
use record::{Ledger, Made, Ready, Record};

/// What to make of a raw tree.
#[derive(Debug, Clone)]
pub struct PrepareOptions {
    /// The prepared folder.
    pub out: PathBuf,
    /// The share of frames for validation, if the data set has no official splits.
    pub val_share: f64,
    /// The seed by which drives are chosen for validation.
    pub seed: u64,
    /// The label map, if not the data set's usual one.
    pub label_map: Option<LabelMap>,
    /// How polygons become pixels.
    pub rule: Rule,
}

impl PrepareOptions {
    /// What is usual: a fifth for validation, the data set's own label map, the official rule.
    pub fn new(out: impl Into<PathBuf>) -> Self {
        let out = out.into();
        Self { out, val_share: 0.2, seed: 0, label_map: None, rule: Rule::default() }
    }
}

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Frames that are finished, reused ones included.
    pub done: usize,
    /// Frames in all.
    pub total: usize,
}

/// What was done.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The manifest as it is written; its `skipped` lists what could not be used.
    pub manifest: Manifest,
    /// How many frames were worked on, skipped ones included.
    pub work_done: usize,
    /// How many frames were as an earlier run had left them.
    pub reused: usize,
}

/// Prepares a data set. `progress` is called from many threads, in no order.
pub fn prepare(
    raw_root: &Path,
    spec: &DatasetSpec,
    options: &PrepareOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Outcome, Error> {
    split::check_share(options.val_share)?;
    folder::check_place(raw_root, &options.out)?;
    let labels = match &options.label_map {
        Some(map) => map.clone(),
        None => spec.usual_labels()?,
    };
    let tree = layout::read(raw_root, spec)?;
    let jobs = jobs(&tree, spec, options)?;

    let ledger = Ledger::open(&options.out, &record::fingerprint(spec, &labels, options.rule))?;
    let (reused, todo): (Vec<_>, Vec<_>) =
        jobs.iter().partition(|job| ledger.fits(job, &options.out));
    ledger.keep_only(&jobs);
    if !todo.is_empty() {
        folder::remove_manifest(&options.out)?;
    }
    let how = How { kind: spec.layout.kind, labels: &labels, rule: options.rule };
    let done = AtomicUsize::new(reused.len());
    let tell = |done| progress(Progress { done, total: jobs.len() });
    tell(reused.len());
    let worked = todo.par_iter().try_for_each(|job| {
        let record = frame::make(job, &how, &options.out)?;
        ledger.add(job.key(), record)?;
        tell(done.fetch_add(1, Ordering::Relaxed) + 1);
        Ok::<_, Error>(())
    });
    // Saved even after a fault, so that the next run has less to do; but the first fault is told.
    let closed = ledger.close();
    worked?;
    let records = closed?;

    let manifest = gather(raw_root, spec, options, &labels, &tree, &jobs, &records)?;
    folder::finish(&options.out, &manifest)?;
    Ok(Outcome { manifest, work_done: todo.len(), reused: reused.len() })
}

/// The frames that have an annotation, each with the split it goes to, sorted.
fn jobs<'a>(
    tree: &'a RawTree,
    spec: &DatasetSpec,
    options: &PrepareOptions,
) -> Result<Vec<Job<'a>>, Error> {
    let labelled = || tree.frames.iter().filter(|frame| frame.annotation.is_some());
    let validation = if spec.layout.has_official_splits() || labelled().next().is_none() {
        BTreeSet::new()
    } else {
        let mut drives = BTreeMap::new();
        labelled().for_each(|frame| *drives.entry(frame.drive.clone()).or_default() += 1);
        split::choose_validation(&drives, options.val_share, options.seed)?
    };
    let split = |frame: &RawFrame| match frame.split {
        Some(split) => split,
        None if validation.contains(&frame.drive) => Split::Val,
        None => Split::Train,
    };
    let job =
        |frame: &'a RawFrame| Some(Job::new(frame, frame.annotation.as_deref()?, split(frame)));
    let mut jobs: Vec<_> = tree.frames.iter().filter_map(job).collect();
    jobs.sort_by_cached_key(Job::key);
    Ok(jobs)
}

/// Puts the manifest together from the records, in the order of the jobs.
fn gather(
    raw_root: &Path,
    spec: &DatasetSpec,
    options: &PrepareOptions,
    labels: &LabelMap,
    tree: &RawTree,
    jobs: &[Job],
    records: &BTreeMap<String, Record>,
) -> Result<Manifest, Error> {
    let mut skipped = without_partner(raw_root, tree);
    let mut splits: BTreeMap<Split, Vec<Entry>> = BTreeMap::new();
    let mut statistics: BTreeMap<Split, SplitStatistics> = BTreeMap::new();
    let (mut findings, mut listed_findings) = (FindingCounts::default(), Vec::new());
    for job in jobs {
        match &records[&job.key()].made {
            Made::Ready(ready) => {
                splits.entry(job.split).or_default().push(ready.entry.clone());
                let none = || SplitStatistics::of(labels.classes());
                statistics.entry(job.split).or_insert_with(none).add(&ready.pixels);
                findings.merge(&ready.findings);
                listed_findings.extend(list(ready, job, raw_root));
            }
            Made::Skipped { annotation_at_fault, reason } => {
                let file = if *annotation_at_fault { job.annotation } else { &job.frame.image };
                skipped.push(Skipped { path: relative(file, raw_root), reason: reason.clone() });
            }
        }
    }
    skipped.sort();
    listed_findings.truncate(manifest::LISTED_FINDINGS);
    if splits.is_empty() {
        return Err(no_frame_left(raw_root, &skipped));
    }
    let mut manifest = Manifest {
        format: manifest::FORMAT,
        dataset: spec.name.clone(),
        classes: labels.classes().clone(),
        rule: match spec.layout.kind {
            AnnotationKind::Polygons => options.rule.name().into(),
            AnnotationKind::LabelImages => "label-images".into(),
            AnnotationKind::ColorImages => "color-images".into(),
        },
        official_splits: spec.layout.has_official_splits(),
        seed: options.seed,
        val_share: options.val_share,
        hash: String::new(),
        splits,
        statistics,
        findings,
        listed_findings,
        skipped,
        left_out: tree.left_out.clone(),
    };
    manifest.hash = manifest.compute_hash();
    Ok(manifest)
}

/// The findings of one annotation with its path.
fn list(ready: &Ready, job: &Job, raw_root: &Path) -> impl Iterator<Item = ListedFinding> {
    let path = relative(job.annotation, raw_root);
    ready
        .listed_findings
        .iter()
        .map(move |finding| ListedFinding { path: path.clone(), finding: finding.clone() })
}

/// Frames without an annotation, annotations without a frame, and lines of lists without either.
fn without_partner(raw_root: &Path, tree: &RawTree) -> Vec<Skipped> {
    let skip = |path: &Path, reason: &str| Skipped {
        path: relative(path, raw_root),
        reason: reason.to_owned(),
    };
    let frames = tree.frames.iter().filter(|frame| frame.annotation.is_none());
    let frames = frames.map(|frame| skip(&frame.image, "has no annotation"));
    let orphans = tree.orphans.iter().map(|path| skip(path, "is an annotation without a frame"));
    let missing = tree.missing.iter().map(|(list, reason)| skip(list, reason));
    frames.chain(orphans).chain(missing).collect()
}

fn no_frame_left(raw_root: &Path, skipped: &[Skipped]) -> Error {
    let first = skipped.first().map_or_else(String::new, |s| format!("{}: {}", s.path, s.reason));
    Error::Layout {
        path: raw_root.to_owned(),
        reason: format!(
            "none of its frames can be used; {} files are at fault, such as {first}",
            skipped.len()
        ),
    }
}

/// A path relative to the raw folder, with `/` on every system.
fn relative(path: &Path, root: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap_or(path).components();
    parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
