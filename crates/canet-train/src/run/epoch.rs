//! The steps of an epoch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use canet_data::loader::{Batch, Loader, LoaderOptions};

use super::Run;
use crate::guard::Refused;
use crate::progress::{Progress, duration};
use crate::record::StepRecord;
use crate::step::{Step, StepReport};
use crate::{Error, Result};

impl Run<'_> {
    /// Trains the rest of the current epoch. False if the user stopped it.
    pub(super) fn epoch(&mut self, stop: &AtomicBool) -> Result<bool> {
        let (config, first) = (&self.job.config, self.state.cursor);
        let accumulate = config.optimizer.accumulate;
        let mut batches = Loader::new(
            Arc::clone(&self.train),
            self.augmenter.clone(),
            LoaderOptions {
                batch: config.data.batch,
                seed: config.seed,
                epoch: first.epoch,
                first_batch: first.step_in_epoch as usize * accumulate,
                threads: self.job.threads,
                prefetch: 2,
            },
        );
        let title = format!("epoch {}/{} step", first.epoch + 1, config.epochs);
        let mut progress = Progress::new(&title, first.step_in_epoch, self.steps_per_epoch);
        let end = first.step + self.steps_per_epoch - first.step_in_epoch;
        // A GPU is one step ahead of the cursor, but not past a checkpoint or the end of the epoch.
        let mut next = first.step;
        while self.state.cursor.step < end {
            let is_ahead = next > self.state.cursor.step;
            let ended = if is_ahead && (next == end || self.saves_at(next)) {
                self.stepper.settle(&self.train)?
            } else {
                let group: Vec<Batch> =
                    batches.by_ref().take(accumulate).collect::<std::result::Result<_, _>>()?;
                next += 1;
                self.stepper.begin(next - 1, group, &self.train)?
            };
            let Some(ended) = ended else { continue };
            self.ended(ended, &mut progress)?;
            let (stops, saves) = (stop.load(Ordering::Relaxed), self.save_is_due());
            if stops || saves {
                self.settle(&mut progress)?;
            }
            if stops {
                return Ok(false);
            }
            if saves {
                self.save_last()?;
            }
        }
        let steps = self.steps_per_epoch - first.step_in_epoch;
        self.seconds_a_step = (steps > 0).then(|| progress.seconds() / steps as f64);
        Ok(true)
    }

    /// Ends all steps that were begun: the cursor is where the parameters are.
    fn settle(&mut self, progress: &mut Progress) -> Result<()> {
        while let Some(ended) = self.stepper.settle(&self.train)? {
            self.ended(ended, progress)?;
        }
        Ok(())
    }

    fn ended(&mut self, step: Step, progress: &mut Progress) -> Result<()> {
        match step {
            Step::Done(report) => self.stepped(report, progress),
            Step::Refused(refused) => self.refused(&refused),
        }
    }

    /// Moves the cursor behind a step, and tells of it.
    fn stepped(&mut self, report: StepReport, progress: &mut Progress) -> Result<()> {
        let config = &self.job.config;
        let cursor = &mut self.state.cursor;
        cursor.step += 1;
        cursor.step_in_epoch += 1;
        cursor.loss_sum += report.loss;
        cursor.rate = report.rate;
        let StepReport { loss, rate, gradient_norm } = report;
        let total_steps = self.stepper.total_steps;
        let left = (total_steps - cursor.step) as f64;
        let frames = (config.data.batch * config.optimizer.accumulate) as f64;
        let seconds = progress.at(cursor.step_in_epoch, |seconds| {
            let (speed, all) = (frames / seconds.max(1e-9), duration(seconds * left));
            format!("loss {loss:.4} rate {rate:.2e} {speed:.1} images/s, all epochs {all},")
        });
        let record = StepRecord {
            epoch: cursor.epoch + 1,
            step: cursor.step,
            total_steps,
            loss,
            rate,
            gradient_norm,
            frames_per_second: frames / seconds.max(1e-9),
        };
        tracing::debug!("step {}: loss {loss:.4}", record.step);
        self.watchers.iter_mut().try_for_each(|watcher| watcher.step(&record))
    }

    /// Describes a refused step, and passes it over if that is asked for; else the run ends.
    fn refused(&mut self, refused: &Refused) -> Result<()> {
        let Refused { step, what, .. } = refused;
        let limit = self.job.config.skip_bad;
        let ends = self.state.skipped >= limit;
        if ends {
            self.save_last()?;
        }
        let path = self.folder.refused(*step);
        let text = serde_json::to_string_pretty(refused)
            .map_err(|e| Error::run(&path, format!("cannot hold a refused step: {e}")))?;
        canet_core::atomic::write(&path, format!("{text}\n").as_bytes())?;
        let note = path.display();
        if ends {
            let (last, skipped) = (self.folder.last(), self.state.skipped);
            let then = format!(
                "the step was refused: {note} describes its batch, {} holds the state before it, \
                 {skipped} steps were passed over. --skip-bad {} passes one more over",
                last.display(),
                skipped + 1
            );
            let (step, what, frames) = (*step, what.clone(), refused.frames());
            return Err(Error::Diverged { step, what, frames, then });
        }
        self.state.skipped += 1;
        let cursor = &mut self.state.cursor;
        (cursor.step, cursor.step_in_epoch) = (cursor.step + 1, cursor.step_in_epoch + 1);
        cursor.skipped += 1;
        let skipped = self.state.skipped;
        tracing::warn!("step {step} is passed over, as {skipped} of {limit}: {what}; see {note}");
        Ok(())
    }
}
