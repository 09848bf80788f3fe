//! Counts of (true class, predicted class) pairs, void included: all that IoU-like scores need.

use canet_core::Mask;

/// A matrix of whole numbers with a row a true class and a column a predicted one; the last row and
/// the last column are void. It grows frame by frame and never with the number of frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

/// What the scores of one class are made from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pixels that are of the class and were predicted so (TP).
    pub hits: u64,
    /// Pixels that truly are of the class, also where void was predicted (TP + FN).
    pub truth: u64,
    /// Pixels predicted as the class whose truth is not void (TP + FP).
    pub predicted: u64,
}

impl Counts {
    /// Intersection over union; none if the class is in neither truth nor prediction.
    pub fn iou(self) -> Option<f64> {
        share(self.hits, self.truth + self.predicted - self.hits)
    }

    /// Share of the class's pixels that were found, also called the class's accuracy; none if it is
    /// not in the truth.
    pub fn recall(self) -> Option<f64> {
        share(self.hits, self.truth)
    }

    /// Share of the pixels predicted as the class that are of it; none if it is not predicted.
    pub fn precision(self) -> Option<f64> {
        share(self.hits, self.predicted)
    }

    /// Dice's coefficient, which is the F1 score: 2 TP / (2 TP + FP + FN); none where IoU is none.
    pub fn dice(self) -> Option<f64> {
        share(2 * self.hits, self.truth + self.predicted)
    }
}

/// `part / whole`, none if there is nothing.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Confusion {
    /// An empty matrix for ids from 0 to `classes - 1`, and void.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; (classes + 1) * (classes + 1)] }
    }

    /// The number of classes, void not counted.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Adds a frame. In both masks an id that is no class counts as void: the official scorers do so,
    /// and [`ClassId::VOID`](canet_core::ClassId::VOID) is one.
    ///
    /// # Panics
    /// If the masks differ in size.
    pub fn add(&mut self, truth: &Mask, prediction: &Mask) {
        assert_eq!(
            (truth.width(), truth.height()),
            (prediction.width(), prediction.height()),
            "masks of one frame have one size"
        );
        let bin = |id: u8| usize::from(id).min(self.classes);
        for (&truth, &prediction) in truth.ids().iter().zip(prediction.ids()) {
            self.counts[bin(truth) * (self.classes + 1) + bin(prediction)] += 1;
        }
    }

    /// Adds the counts of `other`, `times` times.
    ///
    /// # Panics
    /// If the classes differ in number.
    pub fn merge(&mut self, other: &Self, times: u64) {
        assert_eq!(self.classes, other.classes, "matrices of the same classes");
        for (sum, &count) in self.counts.iter_mut().zip(&other.counts) {
            *sum += times * count;
        }
    }

    /// How many pixels of class `truth` were predicted as `prediction`; [`Self::classes`] is void.
    pub fn at(&self, truth: usize, prediction: usize) -> u64 {
        self.counts[truth * (self.classes + 1) + prediction]
    }

    /// All rows, by true class; void is last in and among them.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks_exact(self.classes + 1)
    }

    /// The counts of a class.
    pub fn class(&self, class: usize) -> Counts {
        Counts {
            hits: self.at(class, class),
            truth: (0..=self.classes).map(|p| self.at(class, p)).sum(),
            predicted: (0..self.classes).map(|t| self.at(t, class)).sum(),
        }
    }

    /// The IoU of every class.
    pub fn ious(&self) -> impl Iterator<Item = Option<f64>> {
        (0..self.classes).map(|c| self.class(c).iou())
    }

    /// The matrix of `groups` coarser classes, where class `c` is part of group `group[c]`, or of none:
    /// then its row and column are dropped. Void stays void.
    #[must_use]
    pub fn grouped(&self, group: &[Option<usize>], groups: usize) -> Self {
        let mut coarse = Self::new(groups);
        let to = |class: usize| {
            if class == self.classes { Some(groups) } else { group.get(class).copied().flatten() }
        };
        for (truth, row) in self.rows().enumerate() {
            for (prediction, &count) in row.iter().enumerate() {
                if let (Some(t), Some(p)) = (to(truth), to(prediction)) {
                    coarse.counts[t * (groups + 1) + p] += count;
                }
            }
        }
        coarse
    }

    /// The matrix as if no pixel had been void, in truth or prediction.
    #[must_use]
    pub fn without_void(&self) -> Self {
        let mut rest = self.clone();
        for class in 0..=self.classes {
            rest.counts[class * (self.classes + 1) + self.classes] = 0;
            rest.counts[self.classes * (self.classes + 1) + class] = 0;
        }
        rest
    }

    /// The matrix in which void is a class like the others, the last one.
    #[must_use]
    pub fn void_as_class(&self) -> Self {
        let mut wider = Self::new(self.classes + 1);
        for (truth, row) in self.rows().enumerate() {
            wider.counts[truth * (self.classes + 2)..][..row.len()].copy_from_slice(row);
        }
        wider
    }
}

#[cfg(test)]
mod tests {
    use canet_core::ClassId;

    use super::*;

    fn small() -> Confusion {
        let mut confusion = Confusion::new(3);
        let truth = Mask::from_ids(4, 2, vec![0, 0, 0, 1, 1, 255, 255, 0]);
        let prediction = Mask::from_ids(4, 2, vec![0, 0, 1, 1, 2, 0, 7, 255]);
        confusion.add(&truth, &prediction);
        confusion
    }

    #[test]
    fn predicted_void_is_a_miss_and_true_void_counts_for_nobody() {
        let confusion = small();
        let counts = |hits, truth, predicted| Counts { hits, truth, predicted };
        assert_eq!(confusion.class(0), counts(2, 4, 2));
        assert_eq!(confusion.class(1), counts(1, 2, 2));
        assert_eq!(confusion.class(2), counts(0, 0, 1));
        assert_eq!((confusion.at(0, 3), confusion.at(3, 0), confusion.at(3, 3)), (1, 1, 1));
        let lines: Vec<_> = (0..3).map(|c| confusion.class(c)).collect();
        assert_eq!(
            lines.iter().map(|c| c.iou()).collect::<Vec<_>>(),
            [Some(0.5), Some(1.0 / 3.0), Some(0.0)]
        );
        assert_eq!(lines[2].recall(), None);
        assert_eq!(lines[1].precision(), Some(0.5));
        assert_eq!(lines[0].dice(), Some(4.0 / 6.0));
        assert_eq!(Counts::default().iou(), None);
    }

    #[test]
    fn groups_swallow_what_is_confused_within_them() {
        let coarse = small().grouped(&[Some(0), Some(0), None], 1);
        let rows: Vec<_> = coarse.rows().map(<[u64]>::to_vec).collect();
        assert_eq!(rows, [[4, 1], [1, 1]]);
        assert_eq!(coarse.without_void().class(0), Counts { hits: 4, truth: 4, predicted: 4 });
        let wide = small().void_as_class();
        assert_eq!(wide.class(3), Counts { hits: 1, truth: 2, predicted: 2 });
        assert_eq!(wide.class(0), Counts { hits: 2, truth: 4, predicted: 3 });
    }

    #[test]
    fn merging_is_adding_frames() {
        let mut twice = small();
        twice.merge(&small(), 1);
        let mut other = Confusion::new(3);
        other.merge(&small(), 2);
        assert_eq!(twice, other);
        assert_ne!(twice, small());
    }

    #[test]
    #[should_panic(expected = "one size")]
    fn masks_of_other_sizes_are_refused() {
        let [a, b] = [(2, 3), (3, 2)].map(|(w, h)| Mask::filled(w, h, ClassId(0)));
        Confusion::new(1).add(&a, &b);
    }
}
