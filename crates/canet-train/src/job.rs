//! What a run is asked to do.

use std::path::PathBuf;

use canet_model::{Arithmetic, Device};

use crate::config::Config;

/// What to train, on what, where.
pub struct Job {
    /// What the run computes.
    pub config: Config,
    /// The prepared folder.
    pub data: PathBuf,
    /// The run's folder.
    pub out: PathBuf,
    /// Whether to go on from the folder's last checkpoint.
    pub resume: bool,
    /// Keys that may be others than they were when the run goes on; see [`crate::config::Change`].
    pub allow: Vec<String>,
    /// Where to compute.
    pub device: Device,
    /// How exactly.
    pub arithmetic: Arithmetic,
    /// Threads that load and augment.
    pub threads: usize,
}
