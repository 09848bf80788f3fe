//! Everything a run needs, read and checked before the first step, so that mistakes show at once.

use std::sync::Arc;

use canet_data::augment::Augmenter;
use canet_data::dataset::Dataset;
use canet_data::hash::sha256;
use canet_data::loader::batches_per_epoch;
use canet_data::split::Split;
use canet_model::{CheckpointMeta, FrozenNorms, Network, Params};

use crate::about::{About, Session};
use crate::average::Average;
use crate::checkpoints::Newest;
use crate::config::Config;
use crate::job::Job;
use crate::loss::Objective;
use crate::optim::Optimizer;
use crate::run_folder::RunFolder;
use crate::state::{Cursor, Saved, TrainingState};
use crate::step::Stepper;
use crate::watch::{self, Start, Watcher};
use crate::{Error, Result, start};

/// Everything a run starts from.
pub(crate) struct Setup<'a> {
    pub(crate) folder: RunFolder,
    pub(crate) train: Arc<Dataset>,
    pub(crate) val: Arc<Dataset>,
    pub(crate) meta: CheckpointMeta,
    pub(crate) stepper: Stepper<'a>,
    pub(crate) state: TrainingState,
    /// Where the checkpoint on the disk stands, if there is one that needs no rewriting.
    pub(crate) saved: Option<Cursor>,
    pub(crate) augmenter: Augmenter,
    pub(crate) watchers: Vec<Box<dyn Watcher>>,
}

/// What a run computes with, before anything of an earlier run is loaded.
pub(crate) struct Parts<'a> {
    pub(crate) train: Arc<Dataset>,
    pub(crate) val: Arc<Dataset>,
    pub(crate) meta: CheckpointMeta,
    pub(crate) stepper: Stepper<'a>,
    pub(crate) steps_per_epoch: u64,
    pub(crate) augmenter: Augmenter,
}

/// Opens the data and builds the network with its first weights. Writes nothing.
pub(crate) fn parts(job: &Job) -> Result<Parts<'_>> {
    let config = &job.config;
    let train = Arc::new(Dataset::open(&job.data, "train")?);
    let val = Arc::new(Dataset::open(&job.data, "val")?);
    check_data(config, &train)?;
    let classes = train.classes().clone();
    let statistics = train.manifest().statistics.get(&Split::Train);
    let objective = Objective::new(&config.loss, classes.len(), statistics)?;
    let augmenter = config.data.augment.resolve(&classes)?;
    let model = config.model.clone().with_classes(classes.len());
    let mut params =
        Params::new(config.seed, &job.device).with_frozen_norms(config.optimizer.freeze_norms);
    let network = Network::new(&model, &mut params)?
        .with_arithmetic(job.arithmetic)?
        .with_recompute(config.recompute.stages())?;
    let mut meta = CheckpointMeta::new(model, classes);
    meta.input = config.data.augment.base.map(|(w, h)| [w, h]);
    let optimizer = Optimizer::new(&config.optimizer);
    let average = average(job, &meta, &params)?;
    let batches = batches_per_epoch(train.len(), config.data.batch);
    let steps_per_epoch = batches.div_ceil(config.optimizer.accumulate) as u64;
    let total_steps = steps_per_epoch * u64::from(config.epochs);
    let normalisation = meta.normalisation;
    let stepper = Stepper {
        config,
        network,
        params,
        normalisation,
        objective,
        optimizer,
        average,
        total_steps,
        #[cfg(feature = "cuda")]
        gpu: crate::step::on_gpu::GpuSteps::default(),
    };
    Ok(Parts { train, val, meta, stepper, steps_per_epoch, augmenter })
}

/// The average of the weights that the configuration asks for, if any.
fn average(job: &Job, meta: &CheckpointMeta, params: &Params) -> Result<Option<Average>> {
    let average = Average::new(&job.config.ema, &meta.model, params)?;
    average.map(|average| average.with_arithmetic(job.arithmetic)).transpose()
}

/// Opens data, network and folder of a new run, or of one that goes on.
pub(crate) fn open(job: &Job) -> Result<Setup<'_>> {
    let config = &job.config;
    let Parts { train, val, meta, mut stepper, steps_per_epoch, augmenter } = parts(job)?;
    let fresh = first_state(config, &train, steps_per_epoch)?;
    let begun = if job.resume { Some(RunFolder::reopen(&job.out)?) } else { None };
    let (folder, (state, saved)) = match begun {
        Some(folder) if folder.checkpoints.any() => {
            let resumed = resume(job, &folder, &train, |saved| {
                let Stepper { params, optimizer, average, .. } = &mut stepper;
                saved.restore(params, optimizer, average.as_ref(), fresh)
            })?;
            (folder, resumed)
        }
        // New, or killed before its first checkpoint.
        begun => {
            start::load(config, &stepper.params, &meta)?;
            // The average begins where the weights do.
            stepper.average = average(job, &meta, &stepper.params)?;
            // Made last: a mistake leaves nothing behind.
            let folder = match begun {
                Some(folder) => folder,
                None => RunFolder::create(&job.out, config)?,
            };
            (folder, (fresh, None))
        }
    };
    tracing::info!(
        "{} parameters, {} training and {} validation frames of {}, {} epochs of {steps_per_epoch} steps",
        stepper.params.trainable_count(),
        train.len(),
        val.len(),
        state.dataset,
        config.epochs,
    );
    warn_of(config, &train, stepper.total_steps);
    let parameters = stepper.params.trainable_count();
    let about = about(job, &folder, &train, val.len(), parameters, &state)?;
    // A run that was stopped while it validated does so again: that step's record is not final.
    let validates = state.cursor.step > 0 && state.cursor.step_in_epoch == steps_per_epoch;
    let first_step = state.cursor.step + u64::from(!validates);
    let watchers = watch::open(&Start { folder: &folder, config, about: &about, first_step })?;
    Ok(Setup { folder, train, val, meta, stepper, state, saved, augmenter, watchers })
}

/// Goes on from the newest checkpoint that is whole, and says from where, and what is new.
fn resume(
    job: &Job,
    folder: &RunFolder,
    train: &Dataset,
    restore: impl FnOnce(Saved) -> Result<TrainingState>,
) -> Result<(TrainingState, Option<Cursor>)> {
    let Newest { saved, broken } = folder.checkpoints.newest()?;
    let changes = saved.check(&job.config, train, &job.allow)?;
    for change in &changes {
        tracing::warn!("going on with another {change}");
    }
    let (before, path, weights) = (saved.state.clone(), saved.path.clone(), saved.weight_hash()?);
    let state = restore(saved)?;
    if let Some((broken, why)) = broken {
        let aside = folder.checkpoints.set_aside(&broken)?;
        tracing::warn!(
            "{why}; it is now {}, and the run goes on from {}",
            aside.display(),
            path.display()
        );
    }
    if before.version != state.version {
        tracing::warn!(
            "{} is of version {}, this is {}: the bits may differ from a run in one version",
            path.display(),
            before.version,
            state.version
        );
    }
    if before.config != state.config {
        folder.store(&state.config)?;
    }
    tracing::info!(
        "going on from {} after step {} of {}, weights {weights}",
        path.display(),
        state.cursor.step,
        state.steps_per_epoch * u64::from(job.config.epochs),
    );
    let same = before == state && path == folder.last();
    let cursor = same.then_some(state.cursor);
    Ok((state, cursor))
}

/// Notes this process among those of the run.
fn about(
    job: &Job,
    folder: &RunFolder,
    train: &Dataset,
    val_frames: usize,
    parameters: usize,
    state: &TrainingState,
) -> Result<About> {
    let device = format!("{:?}, {}", job.device.location(), job.arithmetic).to_lowercase();
    let known = About::read(&folder.about())?;
    let mut about = About {
        dataset: state.dataset.clone(),
        data_hash: state.data_hash.clone(),
        label_map: train.classes().name.clone(),
        train_frames: train.len(),
        val_frames,
        parameters,
        sessions: known.map(|known| known.sessions).unwrap_or_default(),
    };
    about.sessions.push(Session::here(device, job.threads, state.cursor.step));
    about.write(&folder.about())?;
    Ok(about)
}

fn first_state(config: &Config, train: &Dataset, steps_per_epoch: u64) -> Result<TrainingState> {
    Ok(TrainingState {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config: config.clone(),
        config_hash: sha256(config.text()?.as_bytes()),
        dataset: train.manifest().dataset.clone(),
        data_hash: train.manifest().hash.clone(),
        steps_per_epoch,
        cursor: Cursor::default(),
        best: None,
        best_scores: None,
        averaged: false,
        skipped: 0,
        history: Vec::new(),
    })
}

/// Refuses what cannot work on this data.
fn check_data(config: &Config, train: &Dataset) -> Result<()> {
    let augment = &config.data.augment;
    let first = train.entry(0);
    let other = (1..train.len())
        .map(|i| train.entry(i))
        .find(|entry| (entry.width, entry.height) != (first.width, first.height));
    if let Some(other) = other
        && config.data.batch > 1
        && augment.base.is_none()
        && augment.crop.is_none()
    {
        return Err(Error::config(
            "data.augment",
            format!(
                "the frames of a batch must have one size, but {} is {}x{} and {} is {}x{}; set crop or base",
                first.image, first.width, first.height, other.image, other.width, other.height
            ),
        ));
    }
    Ok(())
}

/// Says what is allowed but hardly meant.
fn warn_of(config: &Config, train: &Dataset, total_steps: u64) {
    let warmup = config.optimizer.warmup_steps;
    if warmup >= total_steps {
        tracing::warn!(
            "optimizer.warmup_steps is {warmup}, but the run has {total_steps} steps: the full rate is never reached"
        );
    }
    let published = config.backbone.is_some() || config.init.is_some();
    if config.optimizer.freeze_norms != FrozenNorms::None && !published {
        tracing::warn!(
            "optimizer.freeze_norms keeps batch norms as they start; without published weights they normalise nothing"
        );
    }
    if config.data.batch > train.len() {
        tracing::warn!(
            "data.batch is {}, but there are {} frames: they repeat within a batch",
            config.data.batch,
            train.len()
        );
    }
}
