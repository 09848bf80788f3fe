//! A network on another device than the CPU.

#[cfg(feature = "cuda")]
use std::sync::Arc;

use candle_core::Device;
use canet_ops::Value;
use image::RgbImage;

#[cfg(feature = "cuda")]
use super::on_gpu::OnGpu;
#[cfg(feature = "cuda")]
use crate::FrozenGpu;
use crate::{Network, Normalisation, Pass, Result};

/// A network that is not on the CPU.
#[derive(Debug, Clone)]
pub(super) enum Elsewhere {
    /// Where there are no kernels of our own: the network of the training, as it is.
    Network(Network),
    /// On a GPU, frozen.
    #[cfg(feature = "cuda")]
    Gpu(Arc<OnGpu>),
}

impl Elsewhere {
    #[cfg_attr(
        not(feature = "cuda"),
        expect(clippy::unnecessary_wraps, reason = "freezing can fail")
    )]
    pub(super) fn new(network: Network) -> Result<Self> {
        #[cfg(feature = "cuda")]
        if network.device().is_cuda() {
            let (lowered, device) = (network.lower()?, network.device());
            let frozen = FrozenGpu::new(lowered, network.activations(), device)?;
            return Ok(Self::Gpu(Arc::new(OnGpu::new(frozen))));
        }
        Ok(Self::Network(network))
    }

    pub(super) fn device(&self) -> &Device {
        match self {
            Self::Network(network) => network.device(),
            #[cfg(feature = "cuda")]
            Self::Gpu(gpu) => gpu.device(),
        }
    }

    /// The scores of a picture, at its size, in the type of the activations.
    pub(super) fn logits(
        &self,
        picture: &RgbImage,
        normalisation: &Normalisation,
    ) -> Result<Value> {
        match self {
            Self::Network(network) => {
                let (bytes, device) = (picture.as_raw(), self.device());
                let size = [picture.height(), picture.width()].map(|side| side as usize);
                let x = normalisation.batch(bytes, size, network.activations(), device)?;
                Ok(network.forward(&x, Pass::Eval)?.logits)
            }
            #[cfg(feature = "cuda")]
            Self::Gpu(gpu) => Ok(Value::from(gpu.logits(picture, normalisation)?)),
        }
    }
}
