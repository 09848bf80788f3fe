//! Those who look at a run while it goes on, and write down what they see.
//!
//! A watcher changes nothing that is computed. One that fails (a full disk) ends the run as any other
//! failure does.

use canet_core::ClassSet;
use canet_model::Params;
use image::RgbImage;

use crate::Result;
use crate::about::About;
use crate::config::Config;
use crate::record::{EpochRecord, StepRecord};
use crate::run_folder::RunFolder;

mod files;
mod report;
mod sheet;
mod tensorboard;
#[cfg(feature = "tui")]
pub(crate) mod tui;

/// What a run, new or resumed, starts from.
pub(crate) struct Start<'a> {
    pub(crate) folder: &'a RunFolder,
    pub(crate) config: &'a Config,
    pub(crate) about: &'a About,
    /// The first optimiser step, from 1, whose record is new; what is known of it and of later ones is
    /// of a process that was killed behind its last checkpoint.
    pub(crate) first_step: u64,
}

/// Who is told of each step and each validation.
pub(crate) trait Watcher {
    /// After an optimiser step.
    fn step(&mut self, _step: &StepRecord) -> Result<()> {
        Ok(())
    }

    /// After a validation, which `seen` shows.
    fn epoch(&mut self, epoch: &EpochRecord, seen: &Seen) -> Result<()>;
}

/// What there is to see after a validation.
pub(crate) struct Seen<'a> {
    /// The classes of scores and pictures.
    pub(crate) classes: &'a ClassSet,
    /// The network's parameters as they are now.
    pub(crate) params: &'a Params,
    /// Strips of frame | truth | prediction of some validation frames, with a legend.
    pub(crate) sheet: Option<&'a RgbImage>,
}

/// All watchers of a run, new or resumed.
pub(crate) fn open(start: &Start) -> Result<Vec<Box<dyn Watcher>>> {
    Ok(vec![
        Box::new(files::Files::open(start.folder)?),
        Box::new(tensorboard::TensorBoard::open(start)?),
        Box::new(report::Report::open(start)?),
    ])
}
