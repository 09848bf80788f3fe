//! What the labels are like as a whole: classes by drive, and how figures of frames spread.

use std::collections::BTreeMap;

use canet_core::{ClassId, ClassSet};
use serde::Serialize;

use super::report::Subject;
use crate::names::DriveId;
use crate::split::Split;

/// The classes by drive, over the frames that preparation takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// The names of the classes, by id.
    pub classes: Vec<String>,
    /// The drives, by split and name.
    pub drives: Vec<Drive>,
}

/// What a drive holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drive {
    /// The official split, if the data set has splits.
    pub split: Option<Split>,
    /// The drive.
    pub drive: DriveId,
    /// How many frames.
    pub frames: u64,
    /// Pixels by class.
    pub pixels: Vec<u64>,
    /// In how many frames each class is.
    pub frames_with: Vec<u64>,
    /// Pixels that are void.
    pub void_pixels: u64,
}

impl Drive {
    /// All pixels, void included.
    pub fn total(&self) -> u64 {
        self.pixels.iter().sum::<u64>() + self.void_pixels
    }

    fn add(&mut self, pixels: &[(ClassId, u64)]) {
        self.frames += 1;
        for &(id, count) in pixels {
            match self.pixels.get_mut(usize::from(id.0)) {
                Some(pixels) => {
                    *pixels += count;
                    self.frames_with[usize::from(id.0)] += 1;
                }
                None => self.void_pixels += count,
            }
        }
    }
}

impl Balance {
    /// Sums the frames up by drive.
    pub(super) fn of(subjects: &[Subject], classes: &ClassSet) -> Self {
        let mut drives: BTreeMap<_, Drive> = BTreeMap::new();
        for subject in subjects.iter().filter(|subject| !subject.pixels.is_empty()) {
            let Some(drive) = &subject.drive else { continue };
            let empty = || Drive {
                split: subject.split,
                drive: drive.clone(),
                frames: 0,
                pixels: vec![0; classes.len()],
                frames_with: vec![0; classes.len()],
                void_pixels: 0,
            };
            let key = (subject.split, drive.clone());
            drives.entry(key).or_insert_with(empty).add(&subject.pixels);
        }
        let classes = classes.classes.iter().map(|class| class.name.clone()).collect();
        Self { classes, drives: drives.into_values().collect() }
    }
}

/// How a figure of frames spreads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// A quarter of the frames have at most this.
    pub lower_quartile: f64,
    /// Half of the frames have at most this.
    pub median: f64,
    /// Three quarters of the frames have at most this.
    pub upper_quartile: f64,
    /// The largest.
    pub max: f64,
    /// How wide a bin of the histogram is; the first begins at 0.
    pub bin: f64,
    /// How many frames are in each bin.
    pub histogram: Vec<u64>,
}

impl Spread {
    /// The spread of some figures that are not negative, or `None` if there is none.
    pub(super) fn of(figures: impl Iterator<Item = f64>, bin: impl Fn(f64) -> f64) -> Option<Self> {
        let mut sorted: Vec<_> = figures.collect();
        sorted.sort_unstable_by(f64::total_cmp);
        // The nearest rank: a figure that is there, not one between two.
        let rank = |quarters: usize| sorted.get((sorted.len() * quarters).div_ceil(4).max(1) - 1);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let bin = bin(max);
        let mut histogram = vec![0; (max / bin) as usize + 1];
        for figure in &sorted {
            histogram[(figure / bin) as usize] += 1;
        }
        Some(Self {
            min,
            lower_quartile: *rank(1)?,
            median: *rank(2)?,
            upper_quartile: *rank(3)?,
            max,
            bin,
            histogram,
        })
    }

    /// The figure above which one is far out (Tukey's outer fence): three times the distance of the
    /// quartiles above the upper one. Where the quartiles nearly agree, it takes 2.5 times the upper
    /// one.
    pub(super) fn far_out(&self) -> f64 {
        let fence = self.upper_quartile + 3.0 * (self.upper_quartile - self.lower_quartile);
        fence.max(2.5 * self.upper_quartile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_figures_that_are_there() {
        for (figures, expected) in [
            (&[7.0][..], [7; 5]),
            (&[1.0, 2.0], [1, 1, 1, 2, 2]),
            (&[4.0, 3.0, 2.0, 1.0], [1, 1, 2, 3, 4]),
            (&[5.0, 9.0, 1.0, 1.0, 2.0, 3.0, 4.0, 0.0], [0, 1, 2, 4, 9]),
        ] {
            let s = Spread::of(figures.iter().copied(), |_| 2.0).unwrap();
            let got = [s.min, s.lower_quartile, s.median, s.upper_quartile, s.max];
            assert_eq!(got.map(|x| x as u32), expected, "{figures:?}");
            assert_eq!(s.histogram.iter().sum::<u64>(), figures.len() as u64);
        }
        assert_eq!(Spread::of(std::iter::empty(), |_| 1.0), None);
    }

    #[test]
    fn drives_are_summed_up() {
        let classes = canet_core::LabelMap::builtin("idd-lite-7").unwrap().classes().clone();
        let frame = |drive: &str, pixels: &[(u8, u64)]| Subject {
            drive: Some(DriveId::new(drive)),
            pixels: pixels.iter().map(|&(id, n)| (ClassId(id), n)).collect(),
            ..Subject::default()
        };
        let subjects = [
            frame("1", &[(0, 5), (255, 5)]),
            frame("1", &[(0, 10)]),
            frame("2", &[(6, 10)]),
            frame("3", &[]),
        ];
        let balance = Balance::of(&subjects, &classes);
        let rows: Vec<_> = balance
            .drives
            .iter()
            .map(|d| (d.frames, d.pixels[0], d.frames_with[0], d.void_pixels, d.total()))
            .collect();
        assert_eq!(rows, [(2, 15, 2, 5, 20), (1, 0, 0, 0, 10)]);
    }
}
