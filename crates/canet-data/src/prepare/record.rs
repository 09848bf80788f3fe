//! The ledger: what is finished, so that an interrupted run goes on where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use canet_core::{LabelMap, atomic};
use serde::{Deserialize, Serialize};

use super::job::{Job, Stamp};
use crate::Error;
use crate::dataset_spec::DatasetSpec;
use crate::findings::FindingCounts;
use crate::hash::sha256;
use crate::manifest::Entry;
use crate::raster::Rule;

/// The ledger's name in the prepared folder.
pub(super) const FILE_NAME: &str = "prepare.lock.json";

/// Raise it when the same sources and options begin to give other bytes.
const WORK_VERSION: u32 = 2;

/// How much work a kill may cost, at least: for large data sets it is more, so that saving takes no
/// more than a twentieth of the time.
const SAVE_EVERY: Duration = Duration::from_millis(50);
const SAVE_SHARE: u32 = 20;

/// What became of a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) image: Option<Stamp>,
    pub(super) annotation: Option<Stamp>,
    pub(super) made: Made,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Made {
    Ready(Box<Ready>),
    Skipped { annotation_at_fault: bool, reason: String },
}

/// A frame that is written, with what the manifest says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ready {
    pub(super) image_bytes: u64,
    pub(super) mask_bytes: u64,
    pub(super) pixels: BTreeMap<u8, u64>,
    pub(super) findings: FindingCounts,
    pub(super) listed_findings: Vec<String>,
    pub(super) entry: Entry,
}

/// What the results depend on besides the sources: with another fingerprint all is made anew. Seed
/// and share are not in it; they only move frames between splits, and a record is kept by split.
pub(super) fn fingerprint(spec: &DatasetSpec, labels: &LabelMap, rule: Rule) -> String {
    // The debug form of a label map lists classes, labels, values and colours in order.
    let parts = format!("{WORK_VERSION}|{rule}|{}|{:?}|{labels:?}", spec.name, spec.layout.kind);
    sha256(parts.as_bytes())
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    fingerprint: String,
    records: BTreeMap<String, Record>,
}

/// The records, shared by the workers and saved from time to time.
pub(super) struct Ledger {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    content: Content,
    saved: Instant,
    pause: Duration,
    changed: bool,
}

impl Ledger {
    /// Opens a folder's ledger, or begins one. An unreadable one, or one of other options, is not
    /// believed: everything is made anew, which is slow but right.
    pub(super) fn open(out: &Path, fingerprint: &str) -> Result<Self, Error> {
        let path = out.join(FILE_NAME);
        let old = fs::read(&path).ok().and_then(|b| serde_json::from_slice::<Content>(&b).ok());
        let (content, changed) = match old {
            Some(content) if content.fingerprint == fingerprint => (content, false),
            _ => (Content { fingerprint: fingerprint.to_owned(), ..Content::default() }, true),
        };
        let state = State { content, saved: Instant::now(), pause: SAVE_EVERY, changed };
        let ledger = Self { path, state: Mutex::new(state) };
        // Written before any result: it is how a killed first run is known as ours.
        ledger.lock().save(&ledger.path)?;
        Ok(ledger)
    }

    /// Whether a frame is as an earlier run left it.
    pub(super) fn fits(&self, job: &Job, out: &Path) -> bool {
        let state = self.lock();
        let Some(record) = state.content.records.get(&job.key()) else { return false };
        let same_sources = job.image_stamp.is_some()
            && job.annotation_stamp.is_some()
            && record.image == job.image_stamp
            && record.annotation == job.annotation_stamp;
        let has = |name: &str, bytes| fs::metadata(out.join(name)).is_ok_and(|m| m.len() == bytes);
        same_sources
            && match &record.made {
                Made::Skipped { .. } => true,
                Made::Ready(ready) => {
                    has(&ready.entry.image, ready.image_bytes)
                        && has(&ready.entry.mask, ready.mask_bytes)
                }
            }
    }

    /// Forgets frames that are no longer there.
    pub(super) fn keep_only(&self, jobs: &[Job]) {
        let keys: BTreeSet<String> = jobs.iter().map(Job::key).collect();
        let mut state = self.lock();
        let before = state.content.records.len();
        state.content.records.retain(|key, _| keys.contains(key));
        state.changed |= state.content.records.len() != before;
    }

    /// Notes a finished frame.
    pub(super) fn add(&self, key: String, record: Record) -> Result<(), Error> {
        let mut state = self.lock();
        state.content.records.insert(key, record);
        state.changed = true;
        if state.saved.elapsed() > state.pause {
            state.save(&self.path)?;
        }
        Ok(())
    }

    /// Saves what is left to save, and returns the records.
    pub(super) fn close(self) -> Result<BTreeMap<String, Record>, Error> {
        self.lock().save(&self.path)?;
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(state.content.records)
    }

    /// A worker that panicked cannot have left a record half inserted, so its lock is good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn save(&mut self, path: &Path) -> Result<(), Error> {
        if self.changed {
            let begin = Instant::now();
            let bytes = serde_json::to_vec(&self.content)
                .expect("the ledger has text keys and whole numbers only, so it can be written");
            atomic::write(path, &bytes)?;
            self.pause = SAVE_EVERY.max(begin.elapsed() * SAVE_SHARE);
            (self.saved, self.changed) = (Instant::now(), false);
        }
        Ok(())
    }
}
