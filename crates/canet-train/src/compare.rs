//! Runs side by side: what came of each, and in what they differ.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::about::About;
use crate::config::Config;
use crate::record::EpochRecord;
use crate::report::best;
use crate::run_folder::RunFolder;
use crate::{Error, Result};

mod page;
mod rows;

pub use page::page;
pub use rows::{Rows, rows};

/// A run as its folder tells of it.
#[derive(Debug, Clone)]
pub struct Run {
    /// What it is called here.
    pub name: String,
    /// What it computes.
    pub config: Config,
    /// What it was made on; none for runs of versions that did not write it.
    pub about: Option<About>,
    /// The validated epochs, in order; at least one.
    pub records: Vec<EpochRecord>,
}

impl Run {
    /// Reads a run's folder, and changes nothing in it.
    pub fn read(path: &Path) -> Result<Self> {
        let folder = RunFolder::look(path)?;
        let config = Config::read(&folder.config(), &[])?;
        let records = folder.records()?;
        if records.is_empty() {
            let reason = "is not there or empty: no epoch of this run was validated yet";
            return Err(Error::run(folder.metrics(), reason));
        }
        let about = About::read(&folder.about())?;
        Ok(Self { name: folder.name(), config, about, records })
    }

    /// The record of the best epoch.
    pub fn best(&self) -> &EpochRecord {
        best(&self.records).unwrap_or(&self.records[0])
    }

    /// The record of the last epoch.
    pub fn last(&self) -> &EpochRecord {
        &self.records[self.records.len() - 1]
    }
}

/// Reads the folders. Where two have one name, all are called by their paths.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Run>> {
    let mut runs: Vec<Run> = paths.iter().map(|path| Run::read(path)).collect::<Result<_>>()?;
    let names: BTreeSet<&str> = runs.iter().map(|r| r.name.as_str()).collect();
    if names.len() < runs.len() {
        for (run, path) in runs.iter_mut().zip(paths) {
            run.name = path.display().to_string();
        }
    }
    Ok(runs)
}

/// The tables as text, a column a run.
pub fn text(runs: &[Run]) -> String {
    let names: Vec<String> = runs.iter().map(|run| run.name.clone()).collect();
    let parts = rows(runs);
    let all = || parts.iter().flat_map(|part| &part.rows);
    let first = all().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let width = |i: usize| {
        let cells = all().map(|(_, cells)| cells[i].chars().count());
        cells.chain([names[i].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..runs.len()).map(width).collect();
    let line = |name: &str, cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(cell, &width)| format!("  {cell:>width$}"));
        format!("{name:<first$}{}\n", cells.collect::<String>())
    };
    let mut text = line("", &names);
    for part in parts.iter().filter(|part| !part.rows.is_empty()) {
        writeln!(text, "\n{}", part.title).ok();
        part.rows.iter().for_each(|(name, cells)| text.push_str(&line(name, cells)));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests;
