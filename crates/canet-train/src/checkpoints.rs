//! The checkpoints of a run. Whenever it is killed, one of them can be gone on from.
//!
//! | file | what |
//! |---|---|
//! | `last.safetensors` | the newest state |
//! | `previous.safetensors` | the one before it |
//! | `best.safetensors` | the weights with the best validation score, without the optimiser's state |
//! | `broken-last.safetensors` | a `last` that could not be read, set aside so that it does not take `previous`' place |
//!
//! [`atomic::write_keeping`] says why there is a whole one at every moment.

use std::path::{Path, PathBuf};

use canet_core::atomic;
use canet_core::disk::{Disk, System};

use crate::state::Saved;
use crate::{Error, Result};

/// The folder of a run's checkpoints.
pub(crate) struct Checkpoints<D = System> {
    folder: PathBuf,
    disk: D,
}

/// The newest checkpoint that can be read.
pub(crate) struct Newest {
    pub(crate) saved: Saved,
    /// A newer one that cannot: which, and why.
    pub(crate) broken: Option<(PathBuf, Error)>,
}

impl Checkpoints {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, disk: System }
    }
}

impl<D: Disk> Checkpoints<D> {
    /// The newest state.
    pub(crate) fn last(&self) -> PathBuf {
        self.folder.join("last.safetensors")
    }

    /// The state before [`Checkpoints::last`].
    pub(crate) fn previous(&self) -> PathBuf {
        self.folder.join("previous.safetensors")
    }

    /// The weights with the best validation score.
    pub(crate) fn best(&self) -> PathBuf {
        self.folder.join("best.safetensors")
    }

    /// Whether there is one to go on from, be it broken.
    pub(crate) fn any(&self) -> bool {
        self.last().exists() || self.previous().exists()
    }

    /// Makes `bytes` the newest state, and the newest the previous.
    pub(crate) fn save_last(&self, bytes: &[u8]) -> Result<()> {
        Ok(atomic::write_keeping(&self.disk, &self.last(), &self.previous(), bytes)?)
    }

    /// Makes `bytes` the best.
    pub(crate) fn save_best(&self, bytes: &[u8]) -> Result<()> {
        Ok(atomic::write_on(&self.disk, &self.best(), bytes)?)
    }

    /// The newest checkpoint that is whole. If none is, the error is that of the newest. One that is
    /// whole and of another version of this program is an error, too: what came before it is no better.
    pub(crate) fn newest(&self) -> Result<Newest> {
        let (last, previous) = (self.last(), self.previous());
        // A rotation without hard links that was killed half-way leaves no `last`.
        if !last.exists() && previous.exists() {
            return Ok(Newest { saved: Saved::read(&previous)?, broken: None });
        }
        let error = match Saved::read(&last) {
            Ok(saved) => return Ok(Newest { saved, broken: None }),
            Err(error @ Error::Run { .. }) => return Err(error),
            Err(error) => error,
        };
        match Saved::read(&previous) {
            Ok(saved) => Ok(Newest { saved, broken: Some((last, error)) }),
            Err(_) => Err(error),
        }
    }

    /// Moves a broken newest state out of the way of the next rotation, and says where it is.
    pub(crate) fn set_aside(&self, broken: &Path) -> Result<PathBuf> {
        let aside = self.folder.join("broken-last.safetensors");
        self.disk
            .rename(broken, &aside)
            .map_err(canet_core::Error::io("rename into place", &aside))?;
        Ok(aside)
    }
}

#[cfg(test)]
mod tests;
