//! Everything that is counted while a split is scored, frame by frame.

use canet_core::{ClassSet, Mask};
use canet_data::manifest::Entry;

use super::boundary::Boundary;
use super::confusion::Confusion;
use super::drives::Drives;
use super::policy::strict_miou;
use super::scores::Scores;
use super::worst::Worst;

/// The counts of a split so far. Its size depends on classes and drives, not on frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    drives: Drives,
    boundary: Boundary,
    worst: Worst,
    frames: u64,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(classes: usize) -> Self {
        Self {
            drives: Drives::new(classes),
            boundary: Boundary::new(classes),
            worst: Worst::default(),
            frames: 0,
        }
    }

    /// Adds frame `index` of a split.
    ///
    /// # Panics
    /// If the masks differ in size.
    pub fn add(&mut self, index: usize, entry: &Entry, truth: &Mask, prediction: &Mask) {
        let mut frame = Confusion::new(self.drives.classes());
        frame.add(truth, prediction);
        self.worst.add(index, entry, &frame);
        self.drives.merge(&entry.drive, &frame);
        self.boundary.add(truth, prediction);
        self.frames += 1;
    }

    /// The scores so far.
    pub fn scores(&self, classes: &ClassSet) -> Scores {
        let total = self.drives.total();
        let mut scores = Scores::of(&total, Some(&self.boundary), classes, self.frames);
        scores.interval = self.drives.interval(strict_miou);
        scores.worst = self.worst.frames().iter().map(|scored| scored.frame.clone()).collect();
        scores
    }

    /// The matrices by drive.
    pub fn drives(&self) -> &Drives {
        &self.drives
    }

    /// The worst frames so far.
    pub fn worst(&self) -> &Worst {
        &self.worst
    }
}
