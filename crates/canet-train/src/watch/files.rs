//! `metrics.jsonl`, a line an epoch, and `pictures/`.

use std::path::PathBuf;

use canet_core::atomic;

use super::{Seen, Watcher};
use crate::record::{self, EpochRecord};
use crate::run_folder::RunFolder;
use crate::{Error, Result};

/// Writes the files.
pub(super) struct Files {
    metrics: PathBuf,
    pictures: PathBuf,
    records: Vec<EpochRecord>,
}

impl Files {
    /// Goes on from what is in the folder.
    pub(super) fn open(folder: &RunFolder) -> Result<Self> {
        let (metrics, pictures) = (folder.metrics(), folder.pictures());
        Ok(Self { records: folder.records()?, metrics, pictures })
    }
}

impl Watcher for Files {
    fn epoch(&mut self, record: &EpochRecord, seen: &Seen) -> Result<()> {
        record::add(&mut self.records, record);
        let lines: serde_json::Result<Vec<_>> =
            self.records.iter().map(serde_json::to_string).collect();
        let lines =
            lines.map_err(|e| Error::run(&self.metrics, format!("cannot hold the scores: {e}")))?;
        atomic::write(&self.metrics, (lines.join("\n") + "\n").as_bytes())?;
        let Some(sheet) = seen.sheet else { return Ok(()) };
        let path = self.pictures.join(format!("epoch-{:03}.png", record.epoch));
        let mut bytes = std::io::Cursor::new(Vec::new());
        sheet
            .write_to(&mut bytes, image::ImageFormat::Png)
            .map_err(|e| Error::run(&path, format!("cannot be encoded: {e}")))?;
        Ok(atomic::write(&path, bytes.get_ref())?)
    }
}
