//! The folder of a run: `runs/<name>/` with configuration, checkpoints, metrics, pictures and reports.

use std::path::{Path, PathBuf};

use canet_core::atomic;

use crate::checkpoints::Checkpoints;
use crate::config::Config;
use crate::record::EpochRecord;
use crate::{Error, Result};

/// A run's folder.
pub(crate) struct RunFolder {
    root: PathBuf,
    /// Its checkpoints.
    pub(crate) checkpoints: Checkpoints,
}

impl RunFolder {
    /// Makes the folder of a new run, with the whole configuration in it. A folder that holds a run,
    /// or what a killed one left, is never written over.
    pub(crate) fn create(root: &Path, config: &Config) -> Result<Self> {
        let folder = Self::at(root);
        let checkpoints = &folder.checkpoints;
        let (last, previous) = (checkpoints.last(), checkpoints.previous());
        for old in [last, previous, checkpoints.best(), folder.metrics()] {
            if old.exists() {
                let advice = if checkpoints.any() { "go on with --resume, or " } else { "" };
                let reason = format!("is of an earlier run; {advice}choose another --out");
                return Err(Error::run(old, reason));
            }
        }
        folder.sweep()?;
        // Written now: a folder that cannot be written to should show before the first step.
        folder.store(config)?;
        Ok(folder)
    }

    /// Whether a start was killed in the folder before anything of it was there: what it left is
    /// nothing to go on from, and nothing to lose.
    pub(crate) fn is_blank(root: &Path) -> bool {
        let Ok(mut entries) = std::fs::read_dir(root) else { return false };
        entries.all(|entry| entry.is_ok_and(|entry| atomic::is_stray(&entry.file_name())))
    }

    /// Opens the folder of a run that goes on, and removes what a killed writer left there.
    pub(crate) fn reopen(root: &Path) -> Result<Self> {
        let folder = Self::at(root);
        let begun = folder.config().exists() && !folder.metrics().exists();
        if !folder.checkpoints.any() && !begun {
            return Err(Error::run(folder.last(), "is not there to resume from"));
        }
        folder.sweep()?;
        Ok(folder)
    }

    /// The folder of a run, to look at only.
    pub(crate) fn look(root: &Path) -> Result<Self> {
        let folder = Self::at(root);
        if !folder.config().is_file() {
            let reason = "is not the folder of a run: there is no config.toml in it";
            return Err(Error::run(root, reason));
        }
        Ok(folder)
    }

    fn at(root: &Path) -> Self {
        let checkpoints = Checkpoints::new(root.join("checkpoints"));
        Self { root: root.to_owned(), checkpoints }
    }

    /// Removes what killed writers left in the folder and in those within it.
    fn sweep(&self) -> Result<()> {
        let Ok(entries) = std::fs::read_dir(&self.root) else { return Ok(()) };
        let folders = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
        for folder in folders.chain([self.root.clone()]) {
            atomic::sweep(&folder)?;
        }
        Ok(())
    }

    /// Writes the configuration down.
    pub(crate) fn store(&self, config: &Config) -> Result<()> {
        Ok(atomic::write(&self.config(), config.text()?.as_bytes())?)
    }

    /// The configuration of the run that goes on in `root`: that of its newest checkpoint, or, before
    /// the first, of its folder.
    pub(crate) fn stored_config(root: &Path, overrides: &[String]) -> Result<Config> {
        let folder = Self::reopen(root)?;
        if folder.checkpoints.any() {
            folder.checkpoints.newest()?.saved.state.config.with(overrides)
        } else {
            Config::read(&folder.config(), overrides)
        }
    }

    /// Where a refused step is described.
    pub(crate) fn refused(&self, step: u64) -> PathBuf {
        self.root.join(format!("diverged-step-{step}.json"))
    }

    /// The first of `base`, `base-2`, `base-3`, ... that holds no run.
    pub(crate) fn free_name(base: &Path) -> PathBuf {
        let mut path = base.to_owned();
        let mut number = 1;
        while path.exists() {
            number += 1;
            path = PathBuf::from(format!("{}-{number}", base.display()));
        }
        path
    }

    /// The whole configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The scores, a line an epoch.
    pub(crate) fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// Where the pictures of each epoch are.
    pub(crate) fn pictures(&self) -> PathBuf {
        self.root.join("pictures")
    }

    /// Where TensorBoard's event files are.
    pub(crate) fn tensorboard(&self) -> PathBuf {
        self.root.join("tensorboard")
    }

    /// The page about the run.
    pub(crate) fn report(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// What the run was made on.
    pub(crate) fn about(&self) -> PathBuf {
        self.root.join("about.json")
    }

    /// The run's name: that of its folder.
    pub(crate) fn name(&self) -> String {
        let name = self.root.file_name().map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| self.root.display().to_string())
    }

    /// What [`RunFolder::metrics`] holds; nothing if there is no such file yet.
    pub(crate) fn records(&self) -> Result<Vec<EpochRecord>> {
        let path = self.metrics();
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|e| Error::run(&path, format!("cannot be read: {e}")))?;
        let records: Result<Vec<_>, _> = text.lines().map(serde_json::from_str).collect();
        records.map_err(|e| {
            Error::run(&path, format!("is not a list of scores as this version writes them: {e}"))
        })
    }

    /// The checkpoint to resume from.
    pub(crate) fn last(&self) -> PathBuf {
        self.checkpoints.last()
    }
}
