//! `report.html`, written anew after each validation.

use std::path::PathBuf;

use canet_core::atomic;

use super::{Seen, Start, Watcher, sheet};
use crate::Result;
use crate::about::About;
use crate::config::Config;
use crate::record::{self, EpochRecord};
use crate::report::{Material, page};

/// Writes the page.
pub(super) struct Report {
    path: PathBuf,
    name: String,
    config: Config,
    about: About,
    records: Vec<EpochRecord>,
}

impl Report {
    /// Goes on from the scores in the folder.
    pub(super) fn open(start: &Start) -> Result<Self> {
        Ok(Self {
            path: start.folder.report(),
            name: start.folder.name(),
            config: start.config.clone(),
            about: start.about.clone(),
            records: start.folder.records()?,
        })
    }
}

impl Watcher for Report {
    fn epoch(&mut self, record: &EpochRecord, seen: &Seen) -> Result<()> {
        record::add(&mut self.records, record);
        let sheet = seen.sheet.map(sheet::jpeg).transpose()?;
        let page = page(&Material {
            name: &self.name,
            config: &self.config,
            about: &self.about,
            classes: seen.classes,
            records: &self.records,
            sheet: sheet.as_ref().map(|(size, jpeg)| (*size, jpeg.as_slice())),
        });
        Ok(atomic::write(&self.path, page.as_bytes())?)
    }
}
