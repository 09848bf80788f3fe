//! The training loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use canet_data::augment::Augmenter;
use canet_data::dataset::Dataset;
use canet_model::{CheckpointMeta, Network, Segmenter, weight_hash};

use crate::evaluate::evaluate;
use crate::gallery::Gallery;
use crate::job::Job;
use crate::metrics::Scores;
use crate::record::EpochRecord;
use crate::run_folder::RunFolder;
use crate::setup::{self, Setup};
use crate::state::{self, BestScores, Cursor, EpochScore, TrainingState};
use crate::step::Stepper;
use crate::watch::{Seen, Watcher};
use crate::{Error, Result, memory};

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// After the last epoch.
    Finished {
        /// The last validation.
        scores: Box<Scores>,
        /// The best mIoU, and its epoch (from 1): that of `best.safetensors`.
        best: (f64, u32),
        /// What the last weights are called: see [`canet_model::weight_hash`].
        weights: String,
    },
    /// The user stopped it; the last checkpoint holds every step that was done.
    Interrupted,
}

/// Trains. `stop` is looked at after every step; set, it ends the run with a checkpoint saved.
pub fn train(job: &Job, stop: &AtomicBool) -> Result<Outcome> {
    train_watched(job, stop, Vec::new())
}

/// As [`train`], with `more` watchers beside those that write the run's folder.
pub(crate) fn train_watched(
    job: &Job,
    stop: &AtomicBool,
    more: Vec<Box<dyn Watcher>>,
) -> Result<Outcome> {
    let mut run = Run::new(job)?;
    run.watchers.extend(more);
    // Before the first step: a run that is killed in its first epoch is gone on from here.
    run.save_last()?;
    let mut scores = None;
    while run.state.cursor.epoch < job.config.epochs {
        if !run.epoch(stop)? {
            run.save_last()?;
            return Ok(Outcome::Interrupted);
        }
        let epoch = run.state.cursor.epoch + 1;
        let validates =
            epoch == job.config.epochs || epoch.is_multiple_of(job.config.validate_every);
        if validates {
            scores = run.validate(epoch, stop)?;
            if scores.is_none() {
                // Stopped while validating: the epoch is resumed at its end, and validated again.
                run.save_last()?;
                return Ok(Outcome::Interrupted);
            }
        }
        let step = run.state.cursor.step;
        run.state.cursor = Cursor { epoch, step, ..Cursor::default() };
        if validates || epoch.is_multiple_of(job.config.save_every_epochs) {
            run.save_last()?;
        }
    }
    let scores = match scores {
        Some(scores) => Some(scores),
        // A finished run that is resumed has nothing left to train; its scores are taken anew.
        None => run.score(&run.stepper.network, stop, |_, _, _| {})?,
    };
    let Some(scores) = scores else { return Ok(Outcome::Interrupted) };
    let best = run.state.best.unwrap_or((scores.miou, job.config.epochs));
    let weights = weight_hash(&run.stepper.params.tensors())?;
    Ok(Outcome::Finished { scores: Box::new(scores), best, weights })
}

/// A run under way.
struct Run<'a> {
    job: &'a Job,
    folder: RunFolder,
    train: Arc<Dataset>,
    val: Arc<Dataset>,
    meta: CheckpointMeta,
    stepper: Stepper<'a>,
    state: TrainingState,
    steps_per_epoch: u64,
    augmenter: Augmenter,
    watchers: Vec<Box<dyn Watcher>>,
    /// Seconds a step took in the last epoch, if this process made any.
    seconds_a_step: Option<f64>,
    /// Where the last checkpoint stands, and when it was written or read.
    saved: (Option<Cursor>, Instant),
}

impl<'a> Run<'a> {
    fn new(job: &'a Job) -> Result<Self> {
        let Setup { folder, train, val, meta, stepper, state, saved, augmenter, watchers } =
            setup::open(job)?;
        let (steps_per_epoch, saved) = (state.steps_per_epoch, (saved, Instant::now()));
        Ok(Self {
            job,
            folder,
            train,
            val,
            meta,
            stepper,
            state,
            steps_per_epoch,
            augmenter,
            watchers,
            seconds_a_step: None,
            saved,
        })
    }

    /// Scores `network` on the validation split, `visit`ing frames and predictions. `None` if
    /// stopped.
    fn score(
        &self,
        network: &Network,
        stop: &AtomicBool,
        mut visit: impl FnMut(usize, &canet_data::dataset::Frame, &canet_core::Mask),
    ) -> Result<Option<Scores>> {
        let segmenter = Segmenter::from_parts(network.clone(), self.meta.clone())?;
        let scores = evaluate(&segmenter, &self.val, self.job.threads, |index, frame, mask| {
            visit(index, frame, mask);
            !stop.load(Ordering::Relaxed)
        });
        match scores {
            // It is this training that made them useless, not a file.
            Err(Error::Model(canet_model::Error::NotFinite)) => Err(Error::Diverged {
                step: self.state.cursor.step,
                what: "the network's scores are not finite".into(),
                frames: "of validation".into(),
                then: "nothing was saved since the last checkpoint".into(),
            }),
            scores => scores,
        }
    }

    /// Validates, tells the watchers, and keeps the best checkpoint.
    fn validate(&mut self, epoch: u32, stop: &AtomicBool) -> Result<Option<Scores>> {
        let start = Instant::now();
        let classes = self.meta.classes.clone();
        let mut gallery = Gallery::new(self.val.len());
        let visit = |index: usize, frame: &_, mask: &_| gallery.visit(index, frame, mask, &classes);
        let network = &self.stepper.network;
        let Some(scores) = self.score(network, stop, visit)? else { return Ok(None) };
        let (step, loss) = (self.state.cursor.step, self.state.cursor.loss());
        tracing::info!("epoch {epoch}: loss {loss:.4}, validation:\n{scores}");
        let mut ema = None;
        if let Some(average) = &self.stepper.average {
            ema = self.score(&average.network, stop, |_, _, _| {})?;
            let Some(scores) = &ema else { return Ok(None) };
            tracing::info!("the average of the weights: mIoU {:.4}", scores.miou);
        }
        let record = EpochRecord {
            epoch,
            step,
            loss,
            rate: self.state.cursor.rate,
            scores: scores.clone(),
            ema,
            seconds_per_step: self.seconds_a_step,
            validation_seconds: start.elapsed().as_secs_f64(),
            peak_memory_mib: memory::peak_mib(),
        };
        let sheet = gallery.sheet(&classes);
        let (params, sheet) = (&self.stepper.params, sheet.as_ref());
        let seen = Seen { classes: &classes, params, sheet };
        self.watchers.iter_mut().try_for_each(|watcher| watcher.epoch(&record, &seen))?;
        let score = EpochScore { epoch, step, loss, miou: scores.miou };
        // A run that was stopped here validates again.
        self.state.history.retain(|old| old.epoch < epoch);
        self.state.history.push(score);
        self.keep_best(&record)?;
        Ok(Some(scores))
    }

    /// Saves the weights or their average, whichever scored better, if nothing did before.
    fn keep_best(&mut self, record: &EpochRecord) -> Result<()> {
        let (raw, ema) = (record.scores.miou, record.ema.as_ref().map(|scores| scores.miou));
        let averaged = ema.is_some_and(|ema| ema > raw);
        let miou = ema.filter(|_| averaged).unwrap_or(raw);
        if !self.state.best.is_none_or(|(best, _)| miou > best) {
            return Ok(());
        }
        self.state.best = Some((miou, record.epoch));
        let scores = record.ema.as_ref().filter(|_| averaged).unwrap_or(&record.scores);
        self.state.best_scores = Some(BestScores::of(scores));
        let state = TrainingState { averaged, ..self.state.clone() };
        let params = match &self.stepper.average {
            Some(average) if averaged => &average.params,
            _ => &self.stepper.params,
        };
        let bytes = state::to_bytes(params, &self.meta, &state, &[])?;
        self.folder.checkpoints.save_best(&bytes)
    }

    /// Whether a checkpoint is to be written behind so many steps.
    fn saves_at(&self, step: u64) -> bool {
        let every = self.job.config.save_every_steps;
        every > 0 && step.is_multiple_of(every) || self.job.config.save_every_minutes <= 0.0
    }

    fn save_is_due(&self) -> bool {
        let config = &self.job.config;
        self.saves_at(self.state.cursor.step)
            || self.saved.1.elapsed().as_secs_f64() >= 60.0 * config.save_every_minutes
    }

    /// Saves where the run stands, unless that is what was saved last: `previous.safetensors` should
    /// be older.
    fn save_last(&mut self) -> Result<()> {
        if self.saved.0 != Some(self.state.cursor) {
            let (params, memory) = (&self.stepper.params, self.stepper.memory());
            let bytes = state::to_bytes(params, &self.meta, &self.state, &memory)?;
            self.folder.checkpoints.save_last(&bytes)?;
            self.saved.0 = Some(self.state.cursor);
        }
        self.saved.1 = Instant::now();
        Ok(())
    }
}

mod epoch;
#[cfg(test)]
mod tests;
