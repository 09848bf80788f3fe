//! The folder of a run: `runs/<name>/` with checkpoints, metrics and pictures.

use std::path::{Path, PathBuf};

use canet_core::atomic;

use crate::{Error, Result};

/// A run's folder.
pub(crate) struct RunFolder {
    root: PathBuf,
    /// The lines of `metrics.jsonl`.
    metrics: Vec<String>,
}

impl RunFolder {
    /// Opens a folder for a new run, or to resume. A folder that holds a run is never written over.
    pub(crate) fn open(root: &Path, resume: bool) -> Result<Self> {
        let mut folder = Self { root: root.to_owned(), metrics: Vec::new() };
        let last = folder.last();
        match (resume, last.exists()) {
            (false, true) => Err(Error::run(
                root,
                "holds a run already; go on with --resume, or choose another --out",
            )),
            (true, false) => {
                Err(Error::run(root, "holds no checkpoints/last.safetensors to resume from"))
            }
            (false, false) => Ok(folder),
            (true, true) => {
                for part in
                    [folder.root.clone(), folder.checkpoints(), folder.root.join("pictures")]
                {
                    if part.is_dir() {
                        atomic::sweep(&part)?;
                    }
                }
                if let Ok(text) = std::fs::read_to_string(folder.root.join("metrics.jsonl")) {
                    folder.metrics = text.lines().map(str::to_owned).collect();
                }
                Ok(folder)
            }
        }
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

    fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The checkpoint to resume from.
    pub(crate) fn last(&self) -> PathBuf {
        self.checkpoints().join("last.safetensors")
    }

    /// The checkpoint with the best validation score.
    pub(crate) fn best(&self) -> PathBuf {
        self.checkpoints().join("best.safetensors")
    }

    /// Writes an epoch's line into `metrics.jsonl`. Lines of this and later epochs, which a killed
    /// run may have left behind its last checkpoint, are replaced.
    pub(crate) fn add_metrics(&mut self, epoch: u32, line: &serde_json::Value) -> Result<()> {
        self.metrics.truncate(epoch as usize - 1);
        self.metrics.push(line.to_string());
        let text = self.metrics.join("\n") + "\n";
        Ok(atomic::write(&self.root.join("metrics.jsonl"), text.as_bytes())?)
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
