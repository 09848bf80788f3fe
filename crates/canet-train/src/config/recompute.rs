//! `recompute`: what of the backbone is computed twice instead of being kept.

use canet_model::{BackboneStage, ModelConfig};
use serde::{Deserialize, Serialize};

use super::Rule;

/// Stages of the backbone whose insides are computed again for their gradients. It changes what a step
/// takes, and not what comes out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "recompute is true, false, or a list of \"stem\", \"layer1\", \"layer2\", \"layer3\" and \"layer4\""
)]
pub enum Recompute {
    /// All stages, or none.
    All(bool),
    /// These.
    Stages(Vec<BackboneStage>),
}

impl Default for Recompute {
    fn default() -> Self {
        Self::All(false)
    }
}

impl Recompute {
    /// The stages that are meant.
    pub fn stages(&self) -> &[BackboneStage] {
        match self {
            Self::All(true) => &BackboneStage::ALL,
            Self::All(false) => &[],
            Self::Stages(stages) => stages,
        }
    }

    pub(super) fn rules(&self, model: &ModelConfig) -> Vec<Rule> {
        let stages = self.stages();
        let is_first = |(i, stage)| !stages[..i].contains(stage);
        vec![
            (
                stages.iter().enumerate().all(is_first),
                "recompute",
                "a list that has no stage twice",
            ),
            (
                stages.is_empty() || matches!(model, ModelConfig::Canet(_)),
                "recompute",
                "false but for network = \"canet\": the blocks of canet-assignment hold next to nothing",
            ),
        ]
    }
}
