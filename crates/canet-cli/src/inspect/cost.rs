//! What a prediction costs.

use anyhow::Result;
use canet_model::{Checkpoint, Device, Frozen, Network, Params, Sizes};
use serde::Serialize;

use crate::size::Size;

/// The cost of one picture, without the auxiliary head.
#[derive(Serialize)]
pub(crate) struct Cost {
    /// Height and width of the picture as the network sees it.
    pub(crate) size: [usize; 2],
    /// Multiply-adds of direct convolution.
    pub(crate) macs: u64,
    /// Bytes that a prediction works in on the CPU, beside the weights.
    pub(crate) memory: usize,
}

impl Cost {
    /// Of a picture of `size`, else of the model's input, else of 512x512.
    pub(crate) fn of(checkpoint: &Checkpoint, size: Option<Size>) -> Result<Self> {
        let input = checkpoint.meta.input.map(|[w, h]| [h as usize, w as usize]);
        let size = size.map(|Size(size)| size).or(input).unwrap_or([512; 2]);
        // Neither depends on the weights.
        let network = Network::new(&checkpoint.meta.model, &mut Params::blank(&Device::Cpu))?;
        let frozen = Frozen::new(&network)?;
        Ok(Self { size, macs: frozen.macs(size)?, memory: frozen.memory(Sizes::same(size))? })
    }
}
