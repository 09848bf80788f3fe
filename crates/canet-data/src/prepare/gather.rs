//! From what became of each frame to the manifest.

use std::collections::BTreeMap;
use std::path::Path;

use canet_core::LabelMap;

use super::PrepareOptions;
use super::job::Job;
use super::pack::Packer;
use super::record::{FrameFile, Made, MaskFile, Record};
use crate::Error;
use crate::dataset_spec::DatasetSpec;
use crate::findings::{FindingCounts, ListedFinding};
use crate::layout::RawTree;
use crate::manifest::{self, Entry, Manifest, Skipped, SplitStatistics};
use crate::split::Split;

/// What the manifest is made from, besides the records.
pub(super) struct Input<'a> {
    pub(super) raw_root: &'a Path,
    pub(super) spec: &'a DatasetSpec,
    pub(super) options: &'a PrepareOptions,
    pub(super) labels: &'a LabelMap,
    pub(super) tree: &'a RawTree,
}

/// Puts the manifest together from the records, in the order of the jobs. Its shards have no digests
/// yet.
pub(super) fn manifest(
    input: &Input,
    jobs: &[Job],
    records: &BTreeMap<String, Record>,
) -> Result<Manifest, Error> {
    let Input { raw_root, options, .. } = *input;
    let mut skipped = without_partner(raw_root, input.tree);
    let mut sum = Sum::default();
    let mut packer = options.shards.map(Packer::new);
    for job in jobs {
        let record = &records[&job.key()];
        let skip = |file, reason: &String| Skipped {
            path: relative(file, raw_root),
            reason: reason.clone(),
        };
        match (&record.frame.made, record.mask.as_ref().map(|mask| &mask.made)) {
            (Made::Flawed(reason), _) => skipped.push(skip(&job.frame.image, reason)),
            (_, Some(Made::Flawed(reason))) => skipped.push(skip(job.annotation, reason)),
            (Made::Ready(frame), Some(Made::Ready(mask))) => {
                sum.add(job, frame, mask, packer.as_mut(), input);
            }
            (Made::Ready(_), None) => unreachable!("a frame that is ready has been given a mask"),
        }
    }
    skipped.sort();
    if sum.splits.is_empty() {
        return Err(no_frame_left(raw_root, &skipped));
    }
    Ok(finish(input, sum, skipped, packer))
}

/// What all usable frames come to.
#[derive(Default)]
struct Sum {
    splits: BTreeMap<Split, Vec<Entry>>,
    statistics: BTreeMap<Split, SplitStatistics>,
    findings: FindingCounts,
    listed_findings: Vec<ListedFinding>,
}

impl Sum {
    fn add(
        &mut self,
        job: &Job,
        frame: &FrameFile,
        mask: &MaskFile,
        packer: Option<&mut Packer>,
        input: &Input,
    ) {
        let mut entry = Entry {
            drive: job.frame.drive.clone(),
            frame: job.frame.frame.clone(),
            width: mask.size.0,
            height: mask.size.1,
            image: job.image_name(job.split),
            mask: job.mask_name(job.split),
            image_sha256: frame.file.sha256.hex(),
            mask_sha256: mask.file.sha256.hex(),
            packed: None,
        };
        entry.packed =
            packer.map(|packer| packer.place(job.split, &entry, frame.file.bytes, mask.file.bytes));
        self.splits.entry(job.split).or_default().push(entry);
        let none = || SplitStatistics::of(input.labels.classes());
        let pixels = mask.pixels.iter().copied().collect();
        self.statistics.entry(job.split).or_insert_with(none).add(&pixels);
        self.findings.merge(&mask.findings);
        let path = || relative(job.annotation, input.raw_root);
        let room = manifest::LISTED_FINDINGS.saturating_sub(self.listed_findings.len());
        let listed = mask.listed_findings.iter().take(room);
        self.listed_findings
            .extend(listed.map(|finding| ListedFinding { path: path(), finding: finding.clone() }));
    }
}

fn finish(input: &Input, sum: Sum, skipped: Vec<Skipped>, packer: Option<Packer>) -> Manifest {
    let Input { spec, options, .. } = *input;
    let mut manifest = Manifest {
        format: packer.as_ref().map_or(manifest::FORMAT_LOOSE, |_| manifest::FORMAT),
        dataset: spec.name.clone(),
        classes: input.labels.classes().clone(),
        rule: spec.layout.kind.rule_name(options.rule).into(),
        resize: options.resize,
        official_splits: spec.layout.has_official_splits(),
        seed: options.seed,
        val_share: options.val_share,
        hash: String::new(),
        shards: packer.map_or_else(Vec::new, Packer::finish),
        splits: sum.splits,
        statistics: sum.statistics,
        findings: sum.findings,
        listed_findings: sum.listed_findings,
        skipped,
        left_out: input.tree.left_out.clone(),
    };
    manifest.hash = manifest.compute_hash();
    manifest
}

/// Frames without an annotation and annotations without a frame.
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
