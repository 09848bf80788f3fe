//! Segmenting: normalised pictures to label maps.

use anyhow::Result;
use canet_model::{Checkpoint, Device, Frozen, Sizes};

use crate::{Arguments, Work};

/// A frozen network, pictures, and room for their label maps.
pub(crate) struct Segment {
    network: Frozen,
    size: [usize; 2],
    pictures: Vec<f32>,
    labels: Vec<u8>,
}

impl Segment {
    pub(crate) fn new(arguments: &Arguments) -> Result<Self> {
        let network = {
            let checkpoint = Checkpoint::read(arguments.model()?)?.without_aux();
            let (network, _) = checkpoint.network(&Device::Cpu)?;
            drop(checkpoint);
            Frozen::new(&network)?
        };
        let pictures = arguments.pictures()?;
        let labels = vec![0; pictures.len() / 3];
        Ok(Self { network, size: arguments.size(), pictures, labels })
    }
}

impl Work for Segment {
    fn run(&mut self) -> Result<()> {
        let pixels = self.size[0] * self.size[1];
        let pictures = self.pictures.chunks_exact(3 * pixels);
        for (picture, labels) in pictures.zip(self.labels.chunks_exact_mut(pixels)) {
            let fill = |planes: &mut [f32]| planes.copy_from_slice(picture);
            self.network.mask(Sizes::same(self.size), fill, labels)?;
        }
        Ok(())
    }

    fn labels(&self) -> Result<&[u8]> {
        Ok(&self.labels)
    }
}
