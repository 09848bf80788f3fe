//! The scores of a split under the policy `strict`, which training and reports go by.

use std::fmt;

use canet_core::{ClassId, ClassSet};
use serde::{Deserialize, Serialize};

use super::boundary::Boundary;
use super::confusion::{Confusion, share};

/// A class's line in the table. Shares are from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// The class's name.
    pub class: String,
    /// Intersection over union; none if the class is in neither truth nor prediction.
    pub iou: Option<f64>,
    /// Share of the class's pixels that were found; none if it is not in the truth.
    pub recall: Option<f64>,
    /// Share of the pixels predicted as the class that are of it; none if it is not predicted.
    #[serde(default)]
    pub precision: Option<f64>,
    /// Dice's coefficient, the F1 score; none where `iou` is.
    #[serde(default)]
    pub dice: Option<f64>,
    /// IoU near outlines ([`Boundary`]); none if it was not measured, or the class is in neither.
    #[serde(default)]
    pub boundary_iou: Option<f64>,
    /// Pixels that truly are of the class.
    pub pixels: u64,
}

/// A frame on which the network does badly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorstFrame {
    /// The frame's name.
    pub frame: String,
    /// The drive in which it was taken.
    pub drive: String,
    /// Mean IoU over the classes in the frame's truth.
    pub miou: f64,
}

/// The scores of a split: policy `strict`. Fields that older versions did not write have defaults.
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
    /// Mean of the classes' IoU, each weighted by its share of the true pixels.
    #[serde(default)]
    pub frequency_weighted_iou: f64,
    /// Mean of the classes' Dice coefficients, over the classes that have one.
    #[serde(default)]
    pub mean_dice: f64,
    /// Mean of the classes' boundary IoU; none if it was not measured.
    #[serde(default)]
    pub mean_boundary_iou: Option<f64>,
    /// The 95 % interval of `miou`, bootstrapped over drives: low, high. None with fewer than two drives.
    #[serde(default)]
    pub interval: Option<[f64; 2]>,
    /// Pixels by true class (row) and predicted class (column), by id, without void.
    #[serde(default)]
    pub confusion: Vec<Vec<u64>>,
    /// The worst frames, the worst first.
    #[serde(default)]
    pub worst: Vec<WorstFrame>,
}

impl Scores {
    /// The scores of a matrix; [`Scores::interval`] and [`Scores::worst`], which a matrix cannot
    /// tell, are left empty.
    pub fn of(
        confusion: &Confusion,
        boundary: Option<&Boundary>,
        classes: &ClassSet,
        frames: u64,
    ) -> Self {
        let n = confusion.classes();
        let line = |c: usize| {
            let counts = confusion.class(c);
            ClassScore {
                class: classes.class_name(ClassId(c as u8)).to_owned(),
                iou: counts.iou(),
                recall: counts.recall(),
                precision: counts.precision(),
                dice: counts.dice(),
                boundary_iou: boundary.and_then(|boundary| boundary.class(c).iou()),
                pixels: counts.truth,
            }
        };
        let lines: Vec<ClassScore> = (0..n).map(line).collect();
        let total: u64 = lines.iter().map(|line| line.pixels).sum();
        let hits: u64 = (0..n).map(|c| confusion.at(c, c)).sum();
        let weighted = |line: &ClassScore| line.iou.unwrap_or(0.0) * line.pixels as f64;
        Self {
            miou: mean(lines.iter().filter_map(|line| line.iou)).unwrap_or(0.0),
            pixel_accuracy: share(hits, total).unwrap_or(0.0),
            frames,
            frequency_weighted_iou: lines.iter().map(weighted).sum::<f64>() / total.max(1) as f64,
            mean_dice: mean(lines.iter().filter_map(|line| line.dice)).unwrap_or(0.0),
            mean_boundary_iou: mean(lines.iter().filter_map(|line| line.boundary_iou)),
            interval: None,
            confusion: confusion.rows().take(n).map(|row| row[..n].to_vec()).collect(),
            worst: Vec::new(),
            classes: lines,
        }
    }
}

/// The mean of what there is, summed in order; none of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// A share in per cent, five characters wide.
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "    -".to_owned(), |share| format!("{:5.1}", 100.0 * share))
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: u64 = self.classes.iter().map(|line| line.pixels).sum();
        let columns = ["IoU", "recall", "precision", "Dice", "boundary", "share"];
        write!(f, "{:<24}", "class")?;
        columns.iter().try_for_each(|name| write!(f, " {name:>9}"))?;
        writeln!(f)?;
        for line in &self.classes {
            write!(f, "{:<24}", line.class)?;
            let pixels = share(line.pixels, total);
            [line.iou, line.recall, line.precision, line.dice, line.boundary_iou, pixels]
                .iter()
                .try_for_each(|&value| write!(f, " {:>9}", percent(value)))?;
            writeln!(f)?;
        }
        let scored = self.classes.iter().filter(|line| line.iou.is_some()).count();
        write!(f, "mIoU {:.4}", self.miou)?;
        if let Some([low, high]) = self.interval {
            write!(f, " ({low:.4} to {high:.4})")?;
        }
        write!(
            f,
            " over {scored} classes, pixel accuracy {:.4}, frequency-weighted IoU {:.4}, Dice {:.4}",
            self.pixel_accuracy, self.frequency_weighted_iou, self.mean_dice
        )?;
        if let Some(boundary) = self.mean_boundary_iou {
            write!(f, ", boundary IoU {boundary:.4}")?;
        }
        write!(f, ", {} frames", self.frames)
    }
}

#[cfg(test)]
mod tests {
    use canet_core::{Class, Mask, Rgb};

    use super::*;

    fn set(n: u8) -> ClassSet {
        let class = |i: u8| Class { name: format!("c{i}"), color: Rgb([i; 3]) };
        ClassSet { name: "test".into(), classes: (0..n).map(class).collect() }
    }

    fn scores(truth: &[u8], prediction: &[u8], classes: u8) -> Scores {
        let row = |ids: &[u8]| Mask::from_ids(ids.len() as u32, 1, ids.to_vec());
        let mut confusion = Confusion::new(usize::from(classes));
        confusion.add(&row(truth), &row(prediction));
        Scores::of(&confusion, None, &set(classes), 1)
    }

    /// The definition by which training chooses its best checkpoint: it must not change.
    #[test]
    fn scores_by_hand() {
        let scores = scores(&[0, 0, 0, 1, 1, 255, 255, 0], &[0, 0, 1, 1, 2, 0, 3, 0], 4);
        let ious: Vec<_> = scores.classes.iter().map(|line| line.iou).collect();
        // Class 2 is predicted and never true: 0. Class 3 is predicted on void only: none.
        assert_eq!(ious, [Some(0.75), Some(1.0 / 3.0), Some(0.0), None]);
        assert_eq!(scores.classes[2].recall, None);
        assert_eq!(scores.classes[2].precision, Some(0.0));
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(scores.miou, (0.75 + 1.0 / 3.0) / 3.0);
        near(scores.pixel_accuracy, 4.0 / 6.0);
        near(scores.frequency_weighted_iou, (4.0 * 0.75 + 2.0 / 3.0) / 6.0);
        near(scores.mean_dice, (6.0 / 7.0 + 0.5) / 3.0);
        assert_eq!(scores.confusion, [[3, 1, 0, 0], [0, 1, 1, 0], [0; 4], [0; 4]]);
        let table = scores.to_string();
        assert!(table.contains("mIoU 0.3611 over 3 classes"), "{table}");
    }

    #[test]
    fn nothing_valid_gives_no_nan() {
        let scores = scores(&[255; 3], &[1; 3], 2);
        assert_eq!((scores.miou, scores.pixel_accuracy, scores.mean_dice), (0.0, 0.0, 0.0));
        assert_eq!((scores.frequency_weighted_iou, scores.mean_boundary_iou), (0.0, None));
    }

    /// Lines of `metrics.jsonl` that older versions wrote.
    #[test]
    fn scores_are_read_back_and_so_are_older_ones() {
        let scores = scores(&[0, 1, 1], &[0, 1, 0], 2);
        let json = serde_json::to_string(&scores).unwrap();
        assert_eq!(serde_json::from_str::<Scores>(&json).unwrap(), scores);
        let old = r#"{"miou":0.5,"pixel_accuracy":0.6,"frames":3,"classes":[{"class":"road","iou":null,"recall":0.5,"pixels":7}]}"#;
        let old: Scores = serde_json::from_str(old).unwrap();
        assert_eq!((old.classes[0].pixels, old.interval, old.confusion.len()), (7, None, 0));
    }
}
