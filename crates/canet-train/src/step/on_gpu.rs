//! Steps on a GPU, which decides by itself whether one counts ([`Judge`]): the host hears of a step when the next one
//! is queued behind it.

use canet_data::dataset::Dataset;
use canet_model::Tensor;
use canet_ops::Judge;
use canet_ops::cuda::{self, Told};

use super::in_flight::{InFlight, Steps};
use super::{Begun, Step, StepReport, Stepper, not_finite_loss, not_finite_norm};
use crate::Result;
use crate::guard::Statistics;
use crate::optim::Gradients;

pub(crate) mod replay;

/// What a stepper keeps for a GPU.
#[derive(Default)]
pub(crate) struct GpuSteps {
    in_flight: InFlight<Waiting>,
    judge: Option<Judge>,
    pub(super) replay: replay::Replay,
}

/// A step that is queued.
pub(super) struct Waiting {
    told: Told,
    /// Of each batch.
    losses: Vec<Tensor>,
}

/// What a GPU says of a step.
pub(super) struct Heard {
    of_all: cuda::Verdict,
    /// Of each batch, where one alone is not finite.
    losses: Vec<f64>,
}

impl Stepper<'_> {
    /// Begins a step, if one is given, and ends the oldest, if none is or enough are on their way.
    pub(super) fn go_on_on_gpu(
        &mut self,
        begun: Option<Begun>,
        dataset: &Dataset,
    ) -> Result<Option<Step>> {
        let mut in_flight = std::mem::take(&mut self.gpu.in_flight);
        let ended = match begun {
            Some(begun) => in_flight.begin(begun, self),
            None => in_flight.settle(self),
        };
        self.gpu.in_flight = in_flight;
        Ok(ended?.map(|(begun, heard)| self.ended(&begun, &heard, dataset)))
    }

    fn ended(&self, begun: &Begun, heard: &Heard, dataset: &Dataset) -> Step {
        let Heard { of_all: cuda::Verdict { loss, norm, is_refused }, ref losses } = *heard;
        if !is_refused {
            let rate = self.rates(begun.number).1;
            return Step::Done(StepReport { loss, rate, gradient_norm: norm });
        }
        // As the CPU does, which looks at each loss before the next.
        let seen = losses.iter().position(|loss| !loss.is_finite());
        let what = seen.map_or_else(|| not_finite_norm(norm), |at| not_finite_loss(losses[at]));
        let seen = seen.map_or(losses.len(), |at| at + 1);
        Step::Refused(self.refused(begun, what, &losses[..seen], dataset))
    }
}

impl Steps for Stepper<'_> {
    type Told = Waiting;
    type Verdict = Heard;

    fn queue(&mut self, step: &Begun) -> Result<Waiting> {
        let number = step.number;
        let before = Statistics::of(&self.params)?;
        let mut gradients = Gradients::default();
        let mut losses = Vec::new();
        for (i, batch) in step.batches.iter().enumerate() {
            let draw = self.draw(i, number);
            losses.push(self.pass(batch, draw, &mut gradients)?);
        }
        let mut judge = match self.gpu.judge.take() {
            Some(judge) => judge,
            None => Judge::new(self.network.device())?,
        };
        let told = gradients.judge(&mut judge, &losses, self.config.optimizer.clip_norm)?;
        before.restore_if_refused(&self.params, &judge)?;
        self.follow(&gradients, number, Some(&judge))?;
        self.gpu.judge = Some(judge);
        Ok(Waiting { told, losses })
    }

    fn hear(&mut self, waiting: Waiting) -> Result<(Heard, bool)> {
        let Some(judge) = &self.gpu.judge else {
            return Err(candle_core::Error::Msg("internal: nobody has judged".into()).into());
        };
        let of_all = judge.hear(waiting.told)?;
        // The next replay overwrites the loss of a recorded pass, which is the mean then.
        let losses = match &waiting.losses[..] {
            [_] => vec![of_all.loss],
            _ if !of_all.is_refused => Vec::new(),
            all => {
                let read = |loss: &Tensor| Ok(f64::from(loss.to_scalar::<f32>()?));
                all.iter().map(read).collect::<Result<_>>()?
            }
        };
        let is_refused = of_all.is_refused;
        Ok((Heard { of_all, losses }, is_refused))
    }

    fn forgive(&mut self) -> Result<()> {
        if let Some(judge) = &self.gpu.judge {
            judge.forgive()?;
        }
        Ok(())
    }
}
