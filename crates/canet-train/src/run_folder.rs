//! The folder of a run: `runs/<name>/` with configuration, checkpoints, metrics and pictures.

use std::path::{Path, PathBuf};

use canet_core::atomic;

use crate::config::Config;
use crate::{Error, Result};

/// A run's folder.
pub(crate) struct RunFolder {
    root: PathBuf,
    /// The lines of `metrics.jsonl`.
    metrics: Vec<serde_json::Value>,
}

impl RunFolder {
    /// Makes the folder of a new run, with the whole configuration in it. A folder that holds a run,
    /// or what a killed one left, is never written over.
    pub(crate) fn create(root: &Path, config: &Config) -> Result<Self> {
        let folder = Self { root: root.to_owned(), metrics: Vec::new() };
        for old in [folder.last(), folder.best(), folder.metrics_path()] {
            if old.exists() {
                let advice = if folder.last().exists() { "go on with --resume, or " } else { "" };
                let reason = format!("is of an earlier run; {advice}choose another --out");
                return Err(Error::run(old, reason));
            }
        }
        let text = toml::to_string(config)
            .map_err(|e| Error::run(root, format!("cannot hold the configuration: {e}")))?;
        // Written now: a folder that cannot be written to should show before the first step.
        atomic::write(&root.join("config.toml"), text.as_bytes())?;
        Ok(folder)
    }

    /// Opens the folder of a run that goes on, and removes what a killed writer left there.
    pub(crate) fn reopen(root: &Path) -> Result<Self> {
        let mut folder = Self { root: root.to_owned(), metrics: Vec::new() };
        if !folder.last().exists() {
            return Err(Error::run(folder.last(), "is not there to resume from"));
        }
        for part in
            [folder.root.clone(), folder.root.join("checkpoints"), folder.root.join("pictures")]
        {
            if part.is_dir() {
                atomic::sweep(&part)?;
            }
        }
        let path = folder.metrics_path();
        if path.exists() {
            let text = std::fs::read_to_string(&path)
                .map_err(|e| Error::run(&path, format!("cannot be read: {e}")))?;
            let lines: Result<Vec<_>, _> = text.lines().map(serde_json::from_str).collect();
            folder.metrics =
                lines.map_err(|e| Error::run(&path, format!("is not a list of scores: {e}")))?;
        }
        Ok(folder)
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

    fn metrics_path(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// The checkpoint to resume from.
    pub(crate) fn last(&self) -> PathBuf {
        self.root.join("checkpoints/last.safetensors")
    }

    /// The checkpoint with the best validation score.
    pub(crate) fn best(&self) -> PathBuf {
        self.root.join("checkpoints/best.safetensors")
    }

    /// Writes an epoch's line into `metrics.jsonl`. Lines of this and later epochs, which a killed
    /// run may have left behind its last checkpoint, are replaced.
    pub(crate) fn add_metrics(&mut self, epoch: u32, line: serde_json::Value) -> Result<()> {
        self.metrics.retain(|line| line["epoch"].as_u64().is_some_and(|e| e < u64::from(epoch)));
        self.metrics.push(line);
        let lines: Vec<String> = self.metrics.iter().map(ToString::to_string).collect();
        Ok(atomic::write(&self.metrics_path(), (lines.join("\n") + "\n").as_bytes())?)
    }

    /// Writes an epoch's picture.
    pub(crate) fn add_picture(&self, epoch: u32, sheet: &image::RgbImage) -> Result<PathBuf> {
        let path = self.root.join(format!("pictures/epoch-{epoch:03}.png"));
        let mut bytes = std::io::Cursor::new(Vec::new());
        sheet
            .write_to(&mut bytes, image::ImageFormat::Png)
            .map_err(|e| Error::run(&path, format!("cannot be encoded: {e}")))?;
        atomic::write(&path, bytes.get_ref())?;
        Ok(path)
    }
}
