//! The pass of a training step on a GPU, recorded once and replayed: the host's time for its thousand
//! kernels, which small networks and pictures would wait for, is saved.
//!
//! Only where every step is alike: one batch a step, of one size, and a loss that needs no help of the
//! host. All else is queued kernel by kernel, with the same result.

use canet_data::loader::Batch;
use canet_model::{Pass, Tensor};
use canet_ops::CrossEntropy;
use canet_ops::cuda::{Fill, Pictures, Recorded, Targets, Uploads, turn};

use crate::Result;
use crate::loss::{Truth, loss};
use crate::optim::Gradients;
use crate::step::Stepper;

/// Passes that are queued kernel by kernel first: algorithms are looked for, memory is taken.
const FIRST: usize = 2;

/// What is known of the passes of a run.
#[derive(Default)]
pub(crate) struct Replay {
    /// Passes of the size of the last one, and that size: pictures, height, width.
    seen: (usize, [usize; 3]),
    recorded: Option<RecordedPass>,
}

/// A recorded pass, and where its inputs and results lie.
struct RecordedPass {
    size: [usize; 3],
    pass: Recorded,
    inputs: Inputs,
    uploads: Uploads,
    loss: Tensor,
    gradients: Gradients,
}

/// All that changes from one pass to the next.
struct Inputs {
    pictures: Pictures,
    targets: Targets,
    /// 8 bytes.
    draw: Tensor,
}

impl Inputs {
    /// What is sent for a batch.
    fn fills<'a>(&'a self, batch: &'a Batch, draw: u64) -> Result<[Fill<'a>; 4]> {
        let pictures = self.pictures.fills(&batch.images)?;
        let [ids, weights] = self.targets.fills(&batch.masks)?;
        Ok([pictures, ids, weights, Fill::new(&self.draw, draw.to_ne_bytes().to_vec())?])
    }
}

impl Stepper<'_> {
    /// Replays the pass for a batch, if it can be; the loss and the gradients, which the next replay
    /// overwrites.
    pub(in crate::step) fn replayed(
        &mut self,
        batch: &Batch,
        draw: u64,
    ) -> Result<Option<(Tensor, Gradients)>> {
        let Some(options) = self.objective.recorded().cloned() else { return Ok(None) };
        let is_alike = self.config.optimizer.accumulate == 1;
        if !is_alike || !self.network.device().is_cuda() {
            return Ok(None);
        }
        let size = [batch.indices.len(), batch.height as usize, batch.width as usize];
        let seen = &mut self.gpu.replay.seen;
        *seen = if seen.1 == size { (seen.0 + 1, size) } else { (1, size) };
        let is_recorded = self.gpu.replay.recorded.as_ref().is_some_and(|pass| pass.size == size);
        if !is_recorded {
            // The odd batch at the end of an epoch is not worth it.
            if self.gpu.replay.seen.0 <= FIRST || self.gpu.replay.recorded.is_some() {
                return Ok(None);
            }
            self.gpu.replay.recorded = Some(self.record(batch, size, &options)?);
        }
        let Some(recorded) = &mut self.gpu.replay.recorded else { return Ok(None) };
        recorded.uploads.send(&recorded.inputs.fills(batch, draw)?)?;
        recorded.pass.replay()?;
        Ok(Some((recorded.loss.clone(), recorded.gradients.clone())))
    }

    fn record(
        &self,
        batch: &Batch,
        size: [usize; 3],
        options: &CrossEntropy,
    ) -> Result<RecordedPass> {
        let (network, params) = (&self.network, &self.params);
        let (device, [n, h, w]) = (network.device(), size);
        let _turn = turn();
        let pictures = self.normalisation.buffer(size, device)?;
        let targets = Targets::new(n * h * w, network.config().classes(), options, device)?;
        let draw = Tensor::zeros(8, canet_model::DType::U8, device)?;
        let run = || -> Result<(Tensor, Gradients)> {
            let x = pictures.normalised(network.activations())?;
            // What is drawn comes from `draw`, whatever stands here.
            let output = network.forward(&x, Pass::Train { draw: 0 })?;
            let loss = loss(output, Truth::Gpu(&targets), &self.objective)?;
            let value = loss.tensor().clone();
            let mut gradients = Gradients::default();
            gradients.add(params, loss.backward()?)?;
            Ok((value, gradients))
        };
        let run = || run().map_err(candle_core::Error::wrap);
        let (pass, (loss, gradients)) = Recorded::new(device, &draw, run)?;
        let inputs = Inputs { pictures, targets, draw };
        let uploads = Uploads::new(&inputs.fills(batch, 0)?, device)?;
        Ok(RecordedPass { size, pass, inputs, uploads, loss, gradients })
    }
}
