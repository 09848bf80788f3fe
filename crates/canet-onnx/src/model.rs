//! What is exported: a network and what its checkpoint says about it.

use canet_model::lowered::Lowered;
use canet_model::{
    Checkpoint, CheckpointMeta, Device, Error as ModelError, Network, Params, weight_hash,
};

use crate::Result;

/// A network that can be exported.
#[derive(Debug)]
pub struct Model {
    pub(crate) lowered: Lowered,
    pub(crate) meta: CheckpointMeta,
    /// See [`canet_model::weight_hash`].
    pub(crate) weight_hash: String,
}

impl Model {
    /// Takes a network as it is now, with its parameters.
    pub fn new(network: &Network, params: &Params, meta: CheckpointMeta) -> Result<Self> {
        meta.check()?;
        if *network.config() != meta.model {
            let reason = "the network is not the one of the description".into();
            return Err(ModelError::Config(reason).into());
        }
        let hash = weight_hash(&params.tensors())?;
        Self::of(network.lower()?, meta, hash)
    }

    /// Takes the network of a checkpoint. Its hash is that of the checkpoint, which counts an
    /// auxiliary head, too; such a head is left out.
    pub fn from_checkpoint(checkpoint: Checkpoint) -> Result<Self> {
        let hash = checkpoint.weight_hash()?;
        let checkpoint = checkpoint.without_aux();
        let (network, _) = checkpoint.network(&Device::Cpu)?;
        Self::of(network.lower()?, checkpoint.meta, hash)
    }

    fn of(lowered: Lowered, meta: CheckpointMeta, weight_hash: String) -> Result<Self> {
        if !lowered.is_finite() {
            return Err(ModelError::NotFinite.into());
        }
        Ok(Self { lowered, meta, weight_hash })
    }

    /// What the checkpoint says about the network.
    pub fn meta(&self) -> &CheckpointMeta {
        &self.meta
    }

    /// The network's operations.
    pub fn lowered(&self) -> &Lowered {
        &self.lowered
    }
}
