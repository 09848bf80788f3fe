//! The training loop.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use canet_data::dataset::Dataset;
use canet_data::loader::{Batch, Loader, LoaderOptions, batches_per_epoch};
use canet_model::{CheckpointMeta, Device, Network, Params, Segmenter, load_backbone};

use crate::Result;
use crate::config::Config;
use crate::evaluate::evaluate;
use crate::gallery::Gallery;
use crate::metrics::Scores;
use crate::optim::Optimizer;
use crate::progress::EpochProgress;
use crate::run_folder::RunFolder;
use crate::state::{self, Cursor, TrainingState};
use crate::step::Stepper;

/// What to train, on what, where.
pub struct Job {
    /// What the run computes.
    pub config: Config,
    /// The prepared folder.
    pub data: PathBuf,
    /// The run's folder.
    pub out: PathBuf,
    /// Whether to go on from the folder's last checkpoint.
    pub resume: bool,
    /// Where to compute.
    pub device: Device,
    /// Threads that load and augment.
    pub threads: usize,
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// After the last epoch, with the scores of the last validation.
    Finished(Box<Scores>),
    /// The user stopped it; the last checkpoint holds every step that was done.
    Interrupted,
}

/// Trains. `stop` is looked at after every step; set, it ends the run with a checkpoint saved.
pub fn train(job: &Job, stop: &AtomicBool) -> Result<Outcome> {
    let mut run = Run::open(job)?;
    let mut scores = None;
    while run.state.cursor.epoch < job.config.epochs {
        if !run.epoch(stop)? {
            run.save_last()?;
            return Ok(Outcome::Interrupted);
        }
        let epoch = run.state.cursor.epoch + 1;
        let mean_loss = run.state.cursor.loss_sum / run.steps_per_epoch as f64;
        let last = epoch == job.config.epochs;
        if last || epoch.is_multiple_of(job.config.validate_every) {
            scores = run.validate(epoch, mean_loss, stop)?;
            if scores.is_none() {
                // Stopped while validating: the epoch is resumed at its end, and validated again.
                run.save_last()?;
                return Ok(Outcome::Interrupted);
            }
        }
        let step = run.state.cursor.step;
        run.state.cursor = Cursor { epoch, step, ..Cursor::default() };
        run.save_last()?;
    }
    let scores = match scores {
        Some(scores) => scores,
        // A finished run that is resumed has nothing left to train; its scores are taken anew.
        None => match run.score(stop, |_, _, _| {})? {
            Some(scores) => scores,
            None => return Ok(Outcome::Interrupted),
        },
    };
    Ok(Outcome::Finished(Box::new(scores)))
}

struct Run<'a> {
    job: &'a Job,
    folder: RunFolder,
    train: Arc<Dataset>,
    val: Arc<Dataset>,
    meta: CheckpointMeta,
    stepper: Stepper<'a>,
    state: TrainingState,
    steps_per_epoch: u64,
    /// Seconds a step took, and the frames in it, since the last validation.
    seconds_a_step: f64,
}

impl<'a> Run<'a> {
    /// Reads all that is needed, so that mistakes show before the first step.
    fn open(job: &'a Job) -> Result<Self> {
        let config = &job.config;
        let train = Arc::new(Dataset::open(&job.data, "train")?);
        let val = Arc::new(Dataset::open(&job.data, "val")?);
        let classes = train.classes().clone();
        let model = config.model.clone().with_classes(classes.len());
        let mut params = Params::new(config.seed, &job.device);
        let network = Network::new(&model, &mut params)?;
        let folder = RunFolder::open(&job.out, job.resume)?;
        let mut meta = CheckpointMeta::new(model, classes);
        meta.input = config.data.augment.base.map(|(w, h)| [w, h]);
        let data_hash = train.manifest().hash.clone();
        let mut optimizer = Optimizer::new(&config.optimizer);
        let state = if job.resume {
            state::resume(&folder.last(), &params, &mut optimizer, config, &data_hash)?
        } else {
            if let Some(path) = &config.backbone {
                load_backbone(&params, path)?;
            }
            TrainingState {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                config: config.clone(),
                dataset: train.manifest().dataset.clone(),
                data_hash,
                cursor: Cursor::default(),
                best: None,
            }
        };
        let batches = batches_per_epoch(train.len(), config.data.batch);
        let steps_per_epoch = batches.div_ceil(config.optimizer.accumulate) as u64;
        tracing::info!(
            "{} parameters, {} training and {} validation frames of {}, {} epochs of {steps_per_epoch} steps",
            params.trainable_count(),
            train.len(),
            val.len(),
            state.dataset,
            config.epochs,
        );
        let stepper = Stepper {
            config,
            network,
            params,
            normalisation: meta.normalisation,
            optimizer,
            total_steps: steps_per_epoch * u64::from(config.epochs),
        };
        Ok(Self {
            job,
            folder,
            train,
            val,
            meta,
            stepper,
            state,
            steps_per_epoch,
            seconds_a_step: 0.0,
        })
    }

    /// Trains the rest of the current epoch. False if the user stopped it.
    fn epoch(&mut self, stop: &AtomicBool) -> Result<bool> {
        let (config, cursor) = (&self.job.config, self.state.cursor);
        let accumulate = config.optimizer.accumulate;
        let mut batches = Loader::new(
            Arc::clone(&self.train),
            config.data.augment.clone(),
            LoaderOptions {
                batch: config.data.batch,
                seed: config.seed,
                epoch: cursor.epoch,
                first_batch: cursor.step_in_epoch as usize * accumulate,
                threads: self.job.threads,
                prefetch: 2,
            },
        );
        let title = format!("epoch {}/{}", cursor.epoch + 1, config.epochs);
        let frames = config.data.batch * accumulate;
        let mut progress =
            EpochProgress::new(title, cursor.step_in_epoch, self.steps_per_epoch, frames);
        while self.state.cursor.step_in_epoch < self.steps_per_epoch {
            let group: Vec<Batch> =
                batches.by_ref().take(accumulate).collect::<std::result::Result<_, _>>()?;
            let report = self.stepper.step(self.state.cursor.step, &group, &self.train)?;
            let cursor = &mut self.state.cursor;
            cursor.step += 1;
            cursor.step_in_epoch += 1;
            cursor.loss_sum += report.loss;
            progress.step(cursor.step_in_epoch, &report);
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
        }
        let steps = self.steps_per_epoch - cursor.step_in_epoch;
        self.seconds_a_step = progress.seconds() / steps.max(1) as f64;
        Ok(true)
    }

    /// Scores the validation split, `visit`ing frames and predictions. `None` if stopped.
    fn score(
        &self,
        stop: &AtomicBool,
        mut visit: impl FnMut(usize, &canet_data::dataset::Frame, &canet_core::Mask),
    ) -> Result<Option<Scores>> {
        let segmenter = Segmenter::from_parts(self.stepper.network.clone(), self.meta.clone())?;
        evaluate(&segmenter, &self.val, self.job.threads, |index, frame, mask| {
            visit(index, frame, mask);
            !stop.load(Ordering::Relaxed)
        })
    }

    /// Validates, and writes what there is to see: table, metrics, pictures, the best checkpoint.
    fn validate(&mut self, epoch: u32, loss: f64, stop: &AtomicBool) -> Result<Option<Scores>> {
        let start = Instant::now();
        let classes = self.meta.classes.clone();
        let mut gallery = Gallery::new(self.val.len());
        let visit = |index: usize, frame: &_, mask: &_| gallery.visit(index, frame, mask, &classes);
        let Some(scores) = self.score(stop, visit)? else { return Ok(None) };
        tracing::info!("epoch {epoch}: loss {loss:.4}, validation:\n{scores}");
        let line = serde_json::json!({
            "epoch": epoch,
            "step": self.state.cursor.step,
            "loss": loss,
            "miou": scores.miou,
            "pixel_accuracy": scores.pixel_accuracy,
            "classes": scores.classes,
            "seconds_per_step": self.seconds_a_step,
            "validation_seconds": start.elapsed().as_secs_f64(),
            "peak_memory_mib": peak_memory_mib(),
        });
        self.folder.add_metrics(epoch, &line)?;
        if let Some(sheet) = gallery.sheet(&classes) {
            self.folder.add_picture(epoch, &sheet)?;
        }
        if self.state.best.is_none_or(|(best, _)| scores.miou > best) {
            self.state.best = Some((scores.miou, epoch));
            let path = self.folder.best();
            state::save(&path, &self.stepper.params, &self.meta, &self.state, None)?;
        }
        Ok(Some(scores))
    }

    fn save_last(&self) -> Result<()> {
        let optimizer = Some(&self.stepper.optimizer);
        let path = self.folder.last();
        state::save(&path, &self.stepper.params, &self.meta, &self.state, optimizer)?;
        tracing::debug!("saved {}", self.folder.root().display());
        Ok(())
    }
}

/// The most memory this process has held, where the system tells (Linux).
fn peak_memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}
