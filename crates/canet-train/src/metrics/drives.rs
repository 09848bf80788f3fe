//! Matrices by drive, and intervals from them.
//!
//! The frames of a drive show the same street at the same hour. They are not independent, so the
//! interval is bootstrapped over drives, not frames (a cluster bootstrap): as many drives as there are
//! are drawn with replacement, their matrices added, the score taken, 2,000 times; the interval runs
//! from the 2.5th to the 97.5th percentile.

use std::collections::BTreeMap;

use canet_data::draw::Draws;
use canet_data::names::DriveId;
use rayon::prelude::*;

use super::confusion::Confusion;

/// How often drives are drawn.
pub const RESAMPLES: usize = 2_000;
/// Of the sorted scores, as many lie below the interval and as many above: 2.5 %.
const TAIL: usize = RESAMPLES / 40;
/// The draws do not depend on the run's seed: equal predictions have equal intervals.
const SEED: u64 = 0;

/// A matrix a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drives {
    classes: usize,
    drives: BTreeMap<DriveId, Confusion>,
}

impl Drives {
    /// No drives yet.
    pub fn new(classes: usize) -> Self {
        Self { classes, drives: BTreeMap::new() }
    }

    /// Adds a frame of a drive by its matrix.
    ///
    /// # Panics
    /// If the matrix is of another number of classes.
    pub fn merge(&mut self, drive: &DriveId, frame: &Confusion) {
        // The key is copied for a drive's first frame only.
        if let Some(confusion) = self.drives.get_mut(drive) {
            return confusion.merge(frame, 1);
        }
        let mut confusion = Confusion::new(self.classes);
        confusion.merge(frame, 1);
        self.drives.insert(drive.clone(), confusion);
    }

    /// The number of classes, void not counted.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many drives there are.
    pub fn len(&self) -> usize {
        self.drives.len()
    }

    /// Whether there is no frame yet.
    pub fn is_empty(&self) -> bool {
        self.drives.is_empty()
    }

    /// The matrix of all drives.
    pub fn total(&self) -> Confusion {
        let mut total = Confusion::new(self.classes);
        self.drives.values().for_each(|drive| total.merge(drive, 1));
        total
    }

    /// The 95 % interval of a score: low, high. None with fewer than two drives, or if the score of
    /// any draw is no number.
    pub fn interval(&self, score: impl Fn(&Confusion) -> f64 + Sync) -> Option<[f64; 2]> {
        let drives: Vec<&Confusion> = self.drives.values().collect();
        if drives.len() < 2 {
            return None;
        }
        let resample = |number: usize| {
            let mut draws = Draws::new(SEED, 0, number as u64, "bootstrap of drives");
            let mut times = vec![0; drives.len()];
            (0..drives.len()).for_each(|_| times[draws.below(drives.len())] += 1);
            let mut sum = Confusion::new(self.classes);
            for (drive, &times) in drives.iter().zip(&times).filter(|(_, times)| **times > 0) {
                sum.merge(drive, times);
            }
            score(&sum)
        };
        let mut scores: Vec<f64> = (0..RESAMPLES).into_par_iter().map(resample).collect();
        if scores.iter().any(|score| score.is_nan()) {
            return None;
        }
        scores.sort_by(f64::total_cmp);
        Some([scores[TAIL], scores[RESAMPLES - 1 - TAIL]])
    }
}

#[cfg(test)]
mod tests {
    use canet_core::{ClassId, Mask};

    use super::*;

    /// Two pixels a frame: `hits` of them are found.
    fn add(drives: &mut Drives, drive: &str, hits: usize) {
        let predicted = (0..2).map(|i| u8::from(i >= hits)).collect();
        let mut frame = Confusion::new(2);
        frame.add(&Mask::filled(2, 1, ClassId(0)), &Mask::from_ids(2, 1, predicted));
        drives.merge(&DriveId::new(drive), &frame);
    }

    fn recall(confusion: &Confusion) -> f64 {
        confusion.class(0).recall().unwrap_or(f64::NAN)
    }

    #[test]
    fn frames_of_one_drive_give_no_interval() {
        let mut drives = Drives::new(2);
        assert_eq!(drives.interval(recall), None);
        (0..50).for_each(|i| add(&mut drives, "a", i % 3));
        assert_eq!((drives.len(), drives.interval(recall)), (1, None));
        add(&mut drives, "b", 1);
        assert!(drives.interval(recall).is_some());
        assert_eq!(drives.interval(|_| f64::NAN), None);
    }

    #[test]
    fn equal_drives_have_an_interval_of_no_width() {
        let mut drives = Drives::new(2);
        for drive in ["a", "b", "c"] {
            add(&mut drives, drive, 1);
        }
        assert_eq!(drives.interval(recall), Some([0.5, 0.5]));
    }

    /// The recall of a resample is a mean of 30 fair coins: its standard deviation is 0.5 / sqrt(30),
    /// and the interval 1.96 of them to both sides.
    #[test]
    fn the_interval_is_as_wide_as_theory_says() {
        let mut drives = Drives::new(2);
        (0..30).for_each(|i| add(&mut drives, &i.to_string(), if i % 2 == 0 { 2 } else { 0 }));
        let [low, high] = drives.interval(recall).unwrap();
        let half = 1.96 * 0.5 / 30f64.sqrt();
        assert!(
            (low - (0.5 - half)).abs() < 0.04 && (high - (0.5 + half)).abs() < 0.04,
            "{low} {high}"
        );
        assert!((drives.total().class(0).recall().unwrap() - 0.5).abs() < 1e-12);
    }
}
