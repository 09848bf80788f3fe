//! `[data]`: what batches are made of.

use canet_data::augment::Augment;
use serde::{Deserialize, Serialize};

use super::Rule;

/// What batches are made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Frames in a batch.
    pub batch: usize,
    /// What is done to each frame. `augment.base` is also the size at which the network sees frames
    /// in validation and inference; without it they keep their own.
    pub augment: Augment,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { batch: 4, augment: Augment::default() }
    }
}

impl DataConfig {
    pub(super) fn rules(&self) -> Vec<Rule> {
        vec![(self.batch > 0, "data.batch", "at least 1")]
    }
}
