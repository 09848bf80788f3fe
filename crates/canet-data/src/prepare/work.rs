//! The work on all frames: what is missing, who makes it, and how it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::frame::{self, Work};
use super::job::Job;
use super::ledger::{Content, Ledger};
use super::record::{How, Record};
use super::shelf::Shelf;
use super::{Progress, folder, pack};
use crate::Error;
use crate::manifest::Manifest;

/// What all work needs.
pub(super) struct Workplace<'a> {
    pub(super) how: How<'a>,
    pub(super) shelf: Shelf,
    pub(super) ledger: Ledger,
}

/// A frame that was worked on.
pub(super) struct Done {
    pub(super) key: String,
    pub(super) record: Record,
    pub(super) work: Work,
}

impl Workplace<'_> {
    /// The frames that are not as an earlier run left them.
    pub(super) fn missing<'j>(
        &self,
        jobs: &'j [Job<'j>],
        records: &BTreeMap<String, Record>,
    ) -> Vec<&'j Job<'j>> {
        let fits = |job: &&Job| frame::fits(job, &self.how, &self.shelf, records.get(&job.key()));
        jobs.par_iter().filter(|job| !fits(job)).collect()
    }

    /// Works on frames, on all cores, and notes each when it is finished.
    pub(super) fn work(
        &self,
        todo: &[&Job],
        total: usize,
        records: &BTreeMap<String, Record>,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<Done>, Error> {
        let done = AtomicUsize::new(total - todo.len());
        progress(Progress { done: total - todo.len(), total });
        let make = |job: &&Job| {
            let key = job.key();
            let (record, work) = frame::make(job, &self.how, &self.shelf, records.get(&key))?;
            self.ledger.note(&key, &record)?;
            progress(Progress { done: done.fetch_add(1, Ordering::Relaxed) + 1, total });
            Ok(Done { key, record, work })
        };
        todo.par_iter().map(make).collect()
    }

    /// Brings everything to the disk, into shards if the manifest has them, and closes the ledger. What is
    /// left to do is the manifest.
    pub(super) fn close(
        mut self,
        todo: &[&Job],
        mut manifest: Manifest,
        mut content: Content,
    ) -> Result<Manifest, Error> {
        let loose = manifest.shards.is_empty();
        let stale = pack::stale(&manifest, &self.shelf, &content.shards);
        if !stale.is_empty() || (loose && self.shelf.has_shards()) {
            self.shelf.begin_changes()?;
        }
        if loose {
            folder::sync(&self.shelf.out, &self.unsynced(todo, &manifest))?;
        }
        pack::write(&stale, &self.shelf, &self.ledger, &mut content.shards)?;
        pack::fill(&mut manifest, &mut content.shards);
        if self.shelf.has_changes() || content.has_forgotten {
            self.ledger.close(&content)?;
        }
        Ok(manifest)
    }

    /// The loose files that may not be on the disk yet.
    fn unsynced(&self, todo: &[&Job], manifest: &Manifest) -> Vec<String> {
        let touched: BTreeSet<String> = todo.iter().map(|job| job.mask_name(job.split)).collect();
        let entries = manifest.splits.values().flatten();
        entries
            .filter(|entry| self.shelf.has_unsynced() || touched.contains(&entry.mask))
            .flat_map(|entry| [entry.image.clone(), entry.mask.clone()])
            .collect()
    }
}
