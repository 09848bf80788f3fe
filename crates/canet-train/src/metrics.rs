//! Scores from one integer confusion matrix over a whole split.
//!
//! Pixels whose truth is void do not count. A class that is in neither truth nor prediction has no
//! IoU and does not enter the mean; a class that is predicted but never true has IoU 0 and does.

use canet_core::{ClassId, ClassSet, Mask};
use serde::{Deserialize, Serialize};

/// Counts of (true class, predicted class) pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

/// A class's line in the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// The class's name.
    pub class: String,
    /// Intersection over union; none if the class is in neither truth nor prediction.
    pub iou: Option<f64>,
    /// Share of the class's pixels that were found; none if it is not in the truth.
    pub recall: Option<f64>,
    /// Pixels that truly are of the class.
    pub pixels: u64,
}

/// The scores of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean IoU over the classes that have one.
    pub miou: f64,
    /// Share of all valid pixels whose class was found.
    pub pixel_accuracy: f64,
    /// How many frames were scored.
    pub frames: u64,
    /// All classes, by id.
    pub classes: Vec<ClassScore>,
}

impl Confusion {
    /// An empty matrix.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Adds a frame.
    ///
    /// # Panics
    /// If the masks differ in size, or have ids outside the classes.
    pub fn add(&mut self, truth: &Mask, prediction: &Mask) {
        assert_eq!(
            (truth.width(), truth.height()),
            (prediction.width(), prediction.height()),
            "masks of one frame have one size"
        );
        for (&truth, &prediction) in truth.ids().iter().zip(prediction.ids()) {
            if truth != ClassId::VOID.0 {
                self.counts[usize::from(truth) * self.classes + usize::from(prediction)] += 1;
            }
        }
    }

    /// The scores so far.
    pub fn scores(&self, classes: &ClassSet, frames: u64) -> Scores {
        let n = self.classes;
        let at = |truth: usize, prediction: usize| self.counts[truth * n + prediction];
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let lines: Vec<ClassScore> = (0..n)
            .map(|c| {
                let hits = at(c, c);
                let true_pixels: u64 = (0..n).map(|p| at(c, p)).sum();
                let predicted: u64 = (0..n).map(|t| at(t, c)).sum();
                ClassScore {
                    class: classes.class_name(ClassId(c as u8)).to_owned(),
                    iou: share(hits, true_pixels + predicted - hits),
                    recall: share(hits, true_pixels),
                    pixels: true_pixels,
                }
            })
            .collect();
        let ious: Vec<f64> = lines.iter().filter_map(|line| line.iou).collect();
        let hits: u64 = (0..n).map(|c| at(c, c)).sum();
        Scores {
            miou: ious.iter().sum::<f64>() / ious.len().max(1) as f64,
            pixel_accuracy: share(hits, self.counts.iter().sum()).unwrap_or(0.0),
            frames,
            classes: lines,
        }
    }
}

impl std::fmt::Display for Scores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent =
            |v: Option<f64>| v.map_or_else(|| "    -".to_owned(), |v| format!("{:5.1}", 100.0 * v));
        let total: u64 = self.classes.iter().map(|line| line.pixels).sum();
        writeln!(f, "{:<24} {:>5} {:>7} {:>7}", "class", "IoU", "recall", "share")?;
        for line in &self.classes {
            let share = (total > 0).then(|| line.pixels as f64 / total as f64);
            writeln!(
                f,
                "{:<24} {:>5} {:>7} {:>7}",
                line.class,
                percent(line.iou),
                percent(line.recall),
                percent(share)
            )?;
        }
        let scored = self.classes.iter().filter(|line| line.iou.is_some()).count();
        write!(
            f,
            "mIoU {:.4} over {scored} classes, pixel accuracy {:.4}, {} frames",
            self.miou, self.pixel_accuracy, self.frames
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canet_core::{Class, Rgb};

    fn set(n: u8) -> ClassSet {
        let class = |i: u8| Class { name: format!("c{i}"), color: Rgb([i; 3]) };
        ClassSet { name: "test".into(), classes: (0..n).map(class).collect() }
    }

    #[test]
    fn scores_by_hand() {
        let truth = Mask::from_ids(4, 2, vec![0, 0, 0, 1, 1, 255, 255, 0]);
        let prediction = Mask::from_ids(4, 2, vec![0, 0, 1, 1, 2, 0, 3, 0]);
        let mut confusion = Confusion::new(4);
        confusion.add(&truth, &prediction);
        let scores = confusion.scores(&set(4), 1);
        let ious: Vec<_> = scores.classes.iter().map(|line| line.iou).collect();
        // Class 2 is predicted and never true: 0. Class 3 is predicted on void only: none.
        assert_eq!(ious, [Some(0.75), Some(1.0 / 3.0), Some(0.0), None]);
        assert_eq!(scores.classes[2].recall, None);
        assert!((scores.miou - (0.75 + 1.0 / 3.0) / 3.0).abs() < 1e-12);
        assert!((scores.pixel_accuracy - 4.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_valid_gives_no_nan() {
        let mut confusion = Confusion::new(2);
        confusion.add(&Mask::filled(3, 3, ClassId::VOID), &Mask::filled(3, 3, ClassId(1)));
        let scores = confusion.scores(&set(2), 1);
        assert_eq!((scores.miou, scores.pixel_accuracy), (0.0, 0.0));
    }

    /// Against a loop that knows nothing of matrices.
    #[test]
    fn agrees_with_a_naive_count() {
        let mut pairs = 0;
        for seed in 0..50u64 {
            let mut draws = canet_data::draw::Draws::new(seed, 0, 0, "masks");
            let mut ids = |void: bool| -> Vec<u8> {
                let id = |i: usize| if void && i == 5 { 255 } else { i.min(4) as u8 };
                (0..63).map(|_| id(draws.below(6))).collect()
            };
            let (truth, prediction) = (ids(true), ids(false));
            let mut confusion = Confusion::new(5);
            confusion.add(
                &Mask::from_ids(9, 7, truth.clone()),
                &Mask::from_ids(9, 7, prediction.clone()),
            );
            for (c, line) in (0u8..).zip(&confusion.scores(&set(5), 1).classes) {
                let valid = truth.iter().zip(&prediction).filter(|(t, _)| **t != 255);
                let both = valid.clone().filter(|(t, p)| **t == c && **p == c).count();
                let either = valid.filter(|(t, p)| **t == c || **p == c).count();
                let expected = (either > 0).then(|| both as f64 / either as f64);
                assert_eq!(line.iou, expected);
                pairs += 1;
            }
        }
        assert_eq!(pairs, 250);
    }
}
