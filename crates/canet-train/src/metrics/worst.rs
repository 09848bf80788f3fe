//! The frames on which the network does worst.

use std::cmp::Ordering;

use canet_data::manifest::Entry;

use super::confusion::Confusion;
use super::scores::{WorstFrame, mean};

/// How many are kept.
pub const WORST: usize = 20;

/// A frame with its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The frame's place in its split.
    pub index: usize,
    /// Its names and its mean IoU.
    pub frame: WorstFrame,
}

/// The worst frames so far, the worst first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Worst(Vec<Scored>);

impl Worst {
    /// Considers a frame by its own matrix. One without a valid pixel has no score and is passed over.
    pub fn add(&mut self, index: usize, entry: &Entry, confusion: &Confusion) {
        let Some(miou) = frame_miou(confusion) else { return };
        let (frame, drive) = (entry.frame.to_string(), entry.drive.to_string());
        let scored = Scored { index, frame: WorstFrame { frame, drive, miou } };
        let at = self.0.partition_point(|other| order(other, &scored) == Ordering::Less);
        self.0.insert(at, scored);
        self.0.truncate(WORST);
    }

    /// The frames, the worst first.
    pub fn frames(&self) -> &[Scored] {
        &self.0
    }
}

/// By score, then by name.
fn order(a: &Scored, b: &Scored) -> Ordering {
    let name = |scored: &Scored| (scored.frame.drive.clone(), scored.frame.frame.clone());
    a.frame.miou.total_cmp(&b.frame.miou).then_with(|| name(a).cmp(&name(b)))
}

/// The mean IoU of one frame over the classes in its truth; none if it has no valid pixel. A class
/// that is only predicted lowers the IoU of the classes it covers, and is not punished twice.
fn frame_miou(confusion: &Confusion) -> Option<f64> {
    let present = (0..confusion.classes()).map(|c| confusion.class(c)).filter(|c| c.truth > 0);
    mean(present.filter_map(super::confusion::Counts::iou))
}

#[cfg(test)]
mod tests {
    use canet_core::{ClassId, Mask};
    use canet_data::names::{DriveId, FrameId};

    use super::*;

    fn entry(drive: &str, frame: &str) -> Entry {
        let none = String::new;
        Entry {
            drive: DriveId::new(drive),
            frame: FrameId::new(frame),
            width: 10,
            height: 1,
            image: none(),
            mask: none(),
            image_sha256: none(),
            mask_sha256: none(),
            packed: None,
        }
    }

    /// Of ten pixels of class 0, `hits` are found, the others taken for class 1.
    fn matrix(hits: usize) -> Confusion {
        let mut confusion = Confusion::new(3);
        let predicted = (0..10).map(|i| u8::from(i >= hits)).collect();
        confusion.add(&Mask::filled(10, 1, ClassId(0)), &Mask::from_ids(10, 1, predicted));
        confusion
    }

    #[test]
    fn the_lowest_are_kept_and_ties_go_by_name() {
        let mut worst = Worst::default();
        for i in 0..100 {
            worst.add(i, &entry("b", &format!("{:03}", 99 - i)), &matrix(1 + i % 10));
        }
        worst.add(100, &entry("a", "999"), &matrix(2));
        let names: Vec<_> = worst.frames().iter().map(|s| s.frame.frame.as_str()).collect();
        let first =
            ["009", "019", "029", "039", "049", "059", "069", "079", "089", "099", "999", "008"];
        assert_eq!((names.len(), &names[..12]), (WORST, &first[..]));
        assert_eq!(worst.frames()[0].index, 90);
        assert!((worst.frames()[10].frame.miou - 0.2).abs() < 1e-12);
    }

    #[test]
    fn frames_without_truth_have_no_score() {
        let mut confusion = Confusion::new(3);
        confusion.add(&Mask::filled(3, 1, ClassId::VOID), &Mask::filled(3, 1, ClassId(0)));
        let mut worst = Worst::default();
        worst.add(0, &entry("a", "0"), &confusion);
        assert!(worst.frames().is_empty());
        assert_eq!(frame_miou(&matrix(10)), Some(1.0));
    }
}
