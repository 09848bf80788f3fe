//! Steps that were begun and have not ended: a GPU works on one, and the next is queued behind it.

use std::collections::VecDeque;

use super::Begun;
use crate::Result;

/// Steps that may be queued behind the one that is worked on. More would gain nothing.
const BEHIND: usize = 1;

/// What makes steps, in the order in which they are queued.
pub(super) trait Steps {
    /// Where the verdict on a step will be.
    type Told;
    /// What is known of a step at its end.
    type Verdict;

    /// Queues a step. It changes nothing if itself or one before it is refused, until that is forgiven.
    fn queue(&mut self, step: &Begun) -> Result<Self::Told>;

    /// Waits for the end of a step; the verdict, and whether it was refused.
    fn hear(&mut self, told: Self::Told) -> Result<(Self::Verdict, bool)>;

    /// Makes steps count again after a refusal.
    fn forgive(&mut self) -> Result<()>;
}

/// The steps on their way, the oldest first; those without a place for their verdict are to be queued again.
pub(super) struct InFlight<Told> {
    steps: VecDeque<(Begun, Option<Told>)>,
    /// Whether a refusal was heard, and nothing was queued since.
    holds: bool,
}

impl<Told> Default for InFlight<Told> {
    fn default() -> Self {
        Self { steps: VecDeque::new(), holds: false }
    }
}

/// A step that has ended.
type Ended<S> = Option<(Begun, <S as Steps>::Verdict)>;

impl<Told> InFlight<Told> {
    /// Queues a step, and ends the oldest if enough are on their way.
    pub(super) fn begin<S: Steps<Told = Told>>(
        &mut self,
        step: Begun,
        steps: &mut S,
    ) -> Result<Ended<S>> {
        self.go_on(steps)?;
        let told = steps.queue(&step)?;
        self.steps.push_back((step, Some(told)));
        if self.steps.len() > BEHIND { self.end(steps) } else { Ok(None) }
    }

    /// Ends the oldest step.
    pub(super) fn settle<S: Steps<Told = Told>>(&mut self, steps: &mut S) -> Result<Ended<S>> {
        self.go_on(steps)?;
        self.end(steps)
    }

    /// After a refusal: what was queued behind it has changed nothing, and is queued again. Not at once, since whoever
    /// hears of the refusal may want to end there, with everything as it was before.
    fn go_on<S: Steps<Told = Told>>(&mut self, steps: &mut S) -> Result<()> {
        if self.holds {
            steps.forgive()?;
            self.holds = false;
            for (step, told) in &mut self.steps {
                *told = Some(steps.queue(step)?);
            }
        }
        Ok(())
    }

    fn end<S: Steps<Told = Told>>(&mut self, steps: &mut S) -> Result<Ended<S>> {
        let Some((step, told)) = self.steps.pop_front() else { return Ok(None) };
        let Some(told) = told else {
            return Err(candle_core::Error::Msg("internal: a step without a verdict".into()).into());
        };
        let (verdict, is_refused) = steps.hear(told)?;
        if is_refused {
            self.holds = true;
            for told in self.steps.iter_mut().filter_map(|(_, told)| told.take()) {
                steps.hear(told)?;
            }
        }
        Ok(Some((step, verdict)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A GPU that notes the steps that count, and refuses some.
    #[derive(Default)]
    struct Notes {
        refuses: Vec<u64>,
        is_refused: bool,
        counted: Vec<u64>,
        /// What was queued, in order.
        queued: Vec<u64>,
        unheard: usize,
    }

    impl Steps for Notes {
        type Told = (u64, bool);
        type Verdict = bool;

        fn queue(&mut self, step: &Begun) -> Result<(u64, bool)> {
            self.queued.push(step.number);
            self.is_refused |= self.refuses.contains(&step.number);
            if !self.is_refused {
                self.counted.push(step.number);
            }
            self.unheard += 1;
            assert!(self.unheard <= 2, "as many places as a judge has");
            Ok((step.number, self.is_refused))
        }

        fn hear(&mut self, (_, is_refused): (u64, bool)) -> Result<(bool, bool)> {
            self.unheard -= 1;
            Ok((is_refused, is_refused))
        }

        fn forgive(&mut self) -> Result<()> {
            self.is_refused = false;
            Ok(())
        }
    }

    #[test]
    fn refused_steps_are_passed_over_and_nothing_else_is() {
        for refuses in [vec![], vec![0], vec![2], vec![2, 3], vec![5], vec![0, 1, 2, 3, 4, 5]] {
            let mut gpu = Notes { refuses: refuses.clone(), ..Notes::default() };
            let mut in_flight = InFlight::default();
            let mut ended = Vec::new();
            for number in 0..6 {
                let begun = Begun { number, batches: Vec::new() };
                ended.extend(in_flight.begin(begun, &mut gpu).unwrap());
                assert!(ended.len() as u64 == number, "one is on its way");
            }
            while let Some(end) = in_flight.settle(&mut gpu).unwrap() {
                ended.push(end);
            }
            let ended: Vec<_> =
                ended.iter().map(|(begun, refused)| (begun.number, *refused)).collect();
            let expected: Vec<_> =
                (0..6).map(|number| (number, refuses.contains(&number))).collect();
            assert_eq!(ended, expected);
            let others: Vec<u64> = (0..6).filter(|number| !refuses.contains(number)).collect();
            assert_eq!(gpu.counted, others, "{refuses:?}");
        }
    }

    #[test]
    fn nothing_has_changed_when_a_refusal_is_heard() {
        let mut gpu = Notes { refuses: vec![1], ..Notes::default() };
        let mut in_flight = InFlight::default();
        for number in 0..3 {
            in_flight.begin(Begun { number, batches: Vec::new() }, &mut gpu).unwrap();
        }
        assert_eq!((gpu.queued, gpu.counted, gpu.unheard), (vec![0, 1, 2], vec![0], 0));
    }
}
