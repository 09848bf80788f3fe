//! Prepare: from a raw tree to a prepared folder, however often it is interrupted.
//!
//! Each frame is worked on alone, on any core; nothing depends on the order, so the result does not
//! depend on the number of threads. What is finished is noted in the `ledger` with the digests of
//! what it was made from (`record`), and a second run makes only what is not there (`shelf`). A
//! source counts as the same if its size and time of change are, or else if its content is.
//!
//! The manifest is taken away before the first change and written after the last: a folder with a
//! manifest is a whole one. That is also why files are synced together at the end and not one by
//! one: without a manifest nothing is believed but by its digest.
//!
//! A frame that cannot be used (broken image, faulty annotation, no annotation, a size unlike its
//! annotation's) is skipped, listed and counted; the rest goes on. A fault of the machine stops, and
//! so does a source that cannot be read at all.
//!
//! Pixels never accumulate: a thread holds one frame. What grows with the number of frames is the list of
//! them, their records and the manifest: one to two thousand bytes a frame.

mod folder;
mod frame;
mod gather;
mod job;
mod ledger;
mod pack;
mod record;
mod shelf;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use canet_core::LabelMap;

use crate::Error;
use crate::dataset_spec::DatasetSpec;
use crate::gathered::GatheredAnnotations;
use crate::layout::{self, RawFrame, RawTree};
use crate::manifest::Manifest;
use crate::raster::Rule;
use crate::shard::ShardSize;
use crate::shrink::Resize;
use crate::split::{self, Split};

pub use folder::check_out;

use job::Job;
use ledger::Ledger;
use record::How;
use shelf::Shelf;
use work::Workplace;

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
    /// The size that frames and masks are brought to; none keeps frames byte for byte.
    pub resize: Option<Resize>,
    /// About how large the tar files are that frames and masks are packed into; none leaves them loose.
    pub shards: Option<ShardSize>,
}

impl PrepareOptions {
    /// What is usual: a fifth for validation, the data set's own label map, the official rule, frames
    /// as they are, loose.
    pub fn new(out: impl Into<PathBuf>) -> Self {
        let out = out.into();
        Self {
            out,
            val_share: 0.2,
            seed: 0,
            label_map: None,
            rule: Rule::default(),
            resize: None,
            shards: None,
        }
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
    /// How many frames were checked, and copied or resized. The others were there, or only moved.
    pub frames_made: usize,
    /// How many annotations were made masks.
    pub masks_made: usize,
}

/// Prepares a data set. `progress` is called from many threads, in no order.
pub fn prepare(
    raw_root: &Path,
    spec: &DatasetSpec,
    options: &PrepareOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Outcome, Error> {
    split::check_share(options.val_share)?;
    options.resize.map_or(Ok(()), |resize| resize.check())?;
    folder::check_place(raw_root, &options.out)?;
    let labels = match &options.label_map {
        Some(map) => map.clone(),
        None => spec.usual_labels()?,
    };
    let mut tree = layout::read(raw_root, spec)?;
    let gathered = if spec.layout.kind.is_gathered() {
        Some(GatheredAnnotations::read(raw_root, &mut tree, &labels)?)
    } else {
        None
    };
    let jobs = jobs(&tree, spec, options)?;
    let mut how = How::new(spec.layout.kind, &labels, options.rule, options.resize);
    how.gathered = gathered.as_ref();
    let (ledger, mut content) = Ledger::open(&options.out, &spec.name)?;
    let mut place = Workplace { how, shelf: Shelf::open(&options.out), ledger };

    let todo = place.missing(&jobs, &content.records);
    if !todo.is_empty() {
        place.shelf.begin_changes()?;
    }
    let made = place.work(&todo, jobs.len(), &content.records, progress)?;
    let frames_made = made.iter().filter(|done| done.work.frame).count();
    let masks_made = made.iter().filter(|done| done.work.mask).count();
    content.update(&jobs, made);

    let input = gather::Input { raw_root, spec, options, labels: &labels, tree: &tree };
    let manifest = gather::manifest(&input, &jobs, &content.records)?;
    let manifest = place.close(&todo, manifest, content)?;
    folder::finish(&options.out, &manifest)?;
    let (work_done, reused) = (todo.len(), jobs.len() - todo.len());
    Ok(Outcome { manifest, work_done, reused, frames_made, masks_made })
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
    jobs.sort_by_cached_key(|job| job.place(job.split));
    Ok(jobs)
}
