//! The ledger: what is finished, so that an interrupted run goes on where it was.
//!
//! It is a [`Journal`]: a line for each frame that is finished, so noting one costs no more when
//! there are many. The last line for a frame counts. A run that comes to its end writes the lines anew, sorted
//! and each once: then the ledger too depends on sources and options alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use canet_core::atomic;
use canet_core::journal::Journal;
use serde::{Deserialize, Serialize};

use super::job::Job;
use super::record::Record;
use super::work::Done;
use crate::Error;
use crate::hash::Digest;

/// The ledger's name in the prepared folder.
pub(super) const FILE_NAME: &str = "prepare.lock.json";

/// The form of the ledger. One of another form is not believed: all is made anew.
const FORMAT: u32 = 3;

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first: whose frames these are.
    Begin { format: u32, dataset: String },
    /// What became of a frame.
    Frame(String, Box<Record>),
    /// A shard that is written, with the digest of what it was made from.
    Shard(String, PackedShard),
}

/// A shard that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PackedShard {
    /// Names and digests of all it holds.
    pub(super) of: Digest,
    pub(super) sha256: Digest,
}

/// What a ledger says.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) records: BTreeMap<String, Record>,
    pub(super) shards: BTreeMap<String, PackedShard>,
    /// Whether there were frames that are there no longer.
    pub(super) has_forgotten: bool,
}

impl Content {
    /// Takes in what was made, and forgets frames that are no longer there.
    pub(super) fn update(&mut self, jobs: &[Job], made: Vec<Done>) {
        self.records.extend(made.into_iter().map(|done| (done.key, done.record)));
        if self.records.len() > jobs.len() {
            let keys: BTreeSet<String> = jobs.iter().map(Job::key).collect();
            self.records.retain(|key, _| keys.contains(key));
            self.has_forgotten = true;
        }
    }
}

/// The records, noted by the workers as they come.
pub(super) struct Ledger {
    path: PathBuf,
    begin: Line,
    journal: Mutex<Journal>,
}

impl Ledger {
    /// Opens a folder's ledger, or begins one, and reads what it says.
    pub(super) fn open(out: &Path, dataset: &str) -> Result<(Self, Content), Error> {
        let path = out.join(FILE_NAME);
        let begin = Line::Begin { format: FORMAT, dataset: dataset.to_owned() };
        let (mut content, mut ours) = (Content::default(), None);
        let mut read = |line: &[u8]| {
            let line = serde_json::from_slice(line).ok();
            // Without a beginning, or with another, nothing that follows is believed.
            if !*ours.get_or_insert_with(|| line.as_ref() == Some(&begin)) {
                return;
            }
            match line {
                Some(Line::Frame(key, record)) => drop(content.records.insert(key, *record)),
                Some(Line::Shard(file, shard)) => drop(content.shards.insert(file, shard)),
                Some(Line::Begin { .. }) | None => {}
            }
        };
        let mut journal = Journal::open(&path, &mut read)?;
        if ours != Some(true) {
            drop(journal);
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            journal = Journal::open(&path, |_| {})?;
            // Before any result: it is how a killed first run is known as ours.
            journal.append(&bytes(&begin))?;
        }
        Ok((Self { path, begin, journal: Mutex::new(journal) }, content))
    }

    /// Notes a finished frame.
    pub(super) fn note(&self, key: &str, record: &Record) -> Result<(), Error> {
        let line = bytes(&Line::Frame(key.to_owned(), Box::new(record.clone())));
        Ok(self.lock().append(&line)?)
    }

    /// Notes a shard that is written.
    pub(super) fn note_shard(&self, file: &str, shard: PackedShard) -> Result<(), Error> {
        Ok(self.lock().append(&bytes(&Line::Shard(file.to_owned(), shard)))?)
    }

    /// Writes all anew, in order.
    pub(super) fn close(self, content: &Content) -> Result<(), Error> {
        let frames =
            content.records.iter().map(|(k, r)| Line::Frame(k.clone(), Box::new(r.clone())));
        let shards = content.shards.iter().map(|(file, shard)| Line::Shard(file.clone(), *shard));
        let all = std::iter::once(self.begin).chain(frames).chain(shards);
        atomic::write_with(&self.path, |file| {
            let mut file = BufWriter::new(file);
            for line in all {
                file.write_all(&bytes(&line))?;
                file.write_all(b"\n")?;
            }
            file.flush()
        })?;
        Ok(())
    }

    /// A worker that panicked cannot have left half a line, so its lock is good.
    fn lock(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(line: &Line) -> Vec<u8> {
    serde_json::to_vec(line)
        .expect("the ledger has text keys and whole numbers only, so it can be written")
}
