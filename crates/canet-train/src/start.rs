//! What the weights of a new run start from: draws, a published backbone, or a trained network.

pub(crate) mod hub;

use canet_model::{CheckpointMeta, Params, fine_tune, load_backbone};

use self::hub::Hub;
use crate::Result;
use crate::config::{Backbone, Config};

/// Sets what the configuration wants set; all else stays as it was drawn.
pub(crate) fn load(config: &Config, params: &Params, meta: &CheckpointMeta) -> Result<()> {
    if let Some(backbone) = &config.backbone {
        let path = match backbone {
            Backbone::File(path) => path.clone(),
            Backbone::Hub(model) => Hub::of_environment()?.locate(model)?,
        };
        let report = load_backbone(params, &path)?;
        tracing::info!("the backbone starts from {backbone}: {report}");
    }
    if let Some(path) = &config.init {
        let report = fine_tune(params, meta, path)?;
        tracing::info!("the network starts from {}: {report}", path.display());
    }
    Ok(())
}
