//! The metric that the students of the assignment report: `IOUScore` of the Keras library
//! `segmentation_models`. It is no mIoU.
//!
//! It looks at probabilities (the softmax of the logits), not at the best class. For each class
//! `(I + 1e-5) / (U + 1e-5)`, `I = sum(truth * p)`, `U = sum(truth + p) - I`, with `p` made 0 or 1 at
//! the threshold 0.5 or left as it is ("soft"); then the mean over all classes. Sums run over one image or
//! over a batch, and the results are averaged.
//!
//! With the threshold, a class that is in neither truth nor prediction scores 1. So a network that predicts nothing
//! gets about `(n - k) / n` where `k` of `n` classes are in the truth: the floor, given beside each
//! score, with the mean over the classes in the truth, which has no floor. The metric knows no void;
//! pixels of true void are left out.

use std::fmt;

use canet_core::{ClassId, Mask};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::scores::mean;

/// A probability above it is a prediction.
const THRESHOLD: f32 = 0.5;
const SMOOTH: f64 = 1e-5;
/// Pixels of a task; sums are added task by task, whoever computed them.
const TASK: usize = 1 << 13;

/// The student metric on a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IouScores {
    /// A probability above this counts as predicted.
    pub threshold: f64,
    /// Images of a batch; the last batch may have fewer.
    pub batch: usize,
    /// How many images there were.
    pub images: u64,
    /// With the threshold, sums over one image.
    pub per_image: IouScore,
    /// With the threshold, sums over a batch.
    pub per_batch: IouScore,
    /// Without a threshold, sums over one image.
    pub soft_per_image: IouScore,
    /// Without a threshold, sums over a batch.
    pub soft_per_batch: IouScore,
}

/// One form of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct IouScore {
    /// What `segmentation_models` gives: the mean over all classes.
    pub score: f64,
    /// What it gives to a network that predicts nothing.
    pub floor: f64,
    /// The mean over the classes in the truth of an image or batch: no floor.
    pub present: f64,
}

/// `I`, the truth's pixels and the prediction's, of a class.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    both: f64,
    truth: f64,
    predicted: f64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.both += other.both;
        self.truth += other.truth;
        self.predicted += other.predicted;
    }

    fn score(self) -> f64 {
        (self.both + SMOOTH) / (self.truth + self.predicted - self.both + SMOOTH)
    }
}

/// Scores summed over images, or over batches.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    score: f64,
    floor: f64,
    present: f64,
    /// Of images or batches.
    all: u32,
    /// Of those with any class in the truth.
    with_truth: u32,
}

impl Sum {
    fn add(&mut self, classes: &[Sums]) {
        let of = |score: fn(Sums) -> f64| mean(classes.iter().map(|&c| score(c))).unwrap_or(0.0);
        self.score += of(Sums::score);
        self.floor += of(|class| Sums { truth: class.truth, ..Sums::default() }.score());
        self.all += 1;
        let present = classes.iter().filter(|class| class.truth > 0.0).map(|class| class.score());
        if let Some(present) = mean(present) {
            self.present += present;
            self.with_truth += 1;
        }
    }

    fn mean(self) -> IouScore {
        let all = f64::from(self.all.max(1));
        IouScore {
            score: self.score / all,
            floor: self.floor / all,
            present: self.present / f64::from(self.with_truth.max(1)),
        }
    }
}

/// One form of the metric while images come in.
#[derive(Debug, Clone)]
struct Form {
    images: Sum,
    batches: Sum,
    /// The sums of the batch that is not full yet.
    open: Vec<Sums>,
}

impl Form {
    fn new(classes: usize) -> Self {
        let open = vec![Sums::default(); classes];
        Self { images: Sum::default(), batches: Sum::default(), open }
    }

    fn add(&mut self, image: &[Sums], batch_is_full: bool) {
        self.images.add(image);
        self.open.iter_mut().zip(image).for_each(|(open, &class)| open.add(class));
        if batch_is_full {
            self.batches.add(&self.open);
            self.open.fill(Sums::default());
        }
    }

    /// Per image, per batch; a batch that is not full is one nevertheless, as in Keras.
    fn scores(&self, open: bool) -> [IouScore; 2] {
        let mut batches = self.batches;
        if open {
            batches.add(&self.open);
        }
        [self.images.mean(), batches.mean()]
    }
}

/// Collects the metric image by image.
#[derive(Debug, Clone)]
pub struct IouTally {
    classes: usize,
    batch: usize,
    images: u64,
    hard: Form,
    soft: Form,
}

impl IouTally {
    /// Nothing collected yet. A batch has at least one image.
    pub fn new(classes: usize, batch: usize) -> Self {
        let form = Form::new(classes);
        Self { classes, batch: batch.max(1), images: 0, hard: form.clone(), soft: form }
    }

    /// Adds an image by its logits `(classes, H, W)`.
    ///
    /// # Panics
    /// If the logits are not as many as classes times pixels of the mask.
    pub fn add(&mut self, truth: &Mask, logits: &[f32]) {
        assert_eq!(logits.len(), self.classes * truth.ids().len(), "a logit a class and pixel");
        let tasks: Vec<_> = truth
            .ids()
            .par_chunks(TASK)
            .enumerate()
            .map(|(task, ids)| sum_of(ids, logits, task * TASK, truth.ids().len(), self.classes))
            .collect();
        let mut image = vec![[Sums::default(); 2]; self.classes];
        for task in &tasks {
            for (sums, &[hard, soft]) in image.iter_mut().zip(task) {
                sums[0].add(hard);
                sums[1].add(soft);
            }
        }
        self.images += 1;
        let full = self.images.is_multiple_of(self.batch as u64);
        let [hard, soft] =
            [0, 1].map(|form| image.iter().map(|sums| sums[form]).collect::<Vec<_>>());
        self.hard.add(&hard, full);
        self.soft.add(&soft, full);
    }

    /// The scores so far.
    pub fn scores(&self) -> IouScores {
        let open = !self.images.is_multiple_of(self.batch as u64);
        let [per_image, per_batch] = self.hard.scores(open);
        let [soft_per_image, soft_per_batch] = self.soft.scores(open);
        IouScores {
            threshold: f64::from(THRESHOLD),
            batch: self.batch,
            images: self.images,
            per_image,
            per_batch,
            soft_per_image,
            soft_per_batch,
        }
    }
}

/// The sums of some pixels, with and without threshold, by class.
fn sum_of(
    ids: &[u8],
    logits: &[f32],
    first: usize,
    plane: usize,
    classes: usize,
) -> Vec<[Sums; 2]> {
    let mut sums = vec![[Sums::default(); 2]; classes];
    let mut p = vec![0.0f32; classes];
    for (at, &truth) in (first..).zip(ids).filter(|(_, id)| **id != ClassId::VOID.0) {
        softmax(&mut p, |class| logits[class * plane + at]);
        for (class, (sums, &p)) in sums.iter_mut().zip(&p).enumerate() {
            let truth = f64::from(u8::from(usize::from(truth) == class));
            for (sums, p) in sums.iter_mut().zip([f32::from(u8::from(p > THRESHOLD)), p]) {
                let p = f64::from(p);
                sums.add(Sums { both: truth * p, truth, predicted: p });
            }
        }
    }
    sums
}

fn softmax(p: &mut [f32], logit: impl Fn(usize) -> f32) {
    let max = (0..p.len()).map(&logit).fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for (class, p) in p.iter_mut().enumerate() {
        *p = (logit(class) - max).exp();
        total += *p;
    }
    for p in p {
        *p /= total;
    }
}

impl fmt::Display for IouScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threshold = self.threshold;
        write!(
            f,
            "IOUScore of segmentation_models, threshold {threshold} (no mIoU; the floor is what predicting nothing gets):"
        )?;
        let batch = format!("per batch of {}", self.batch);
        for (name, IouScore { score, floor, present }) in
            [("per image", self.per_image), (batch.as_str(), self.per_batch)]
        {
            write!(
                f,
                "\n  {name}: {score:.4}, floor {floor:.4}, over classes in the truth {present:.4}"
            )?;
        }
        for (name, soft) in [("per image", self.soft_per_image), (&batch, self.soft_per_batch)] {
            write!(
                f,
                "\n  soft, {name}: {:.4}, over classes in the truth {:.4}",
                soft.score, soft.present
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logits that make `class` nearly certain at each pixel.
    fn certain(ids: &[u8], classes: usize) -> Vec<f32> {
        (0..classes)
            .flat_map(|class| {
                ids.iter().map(move |&id| if usize::from(id) == class { 50.0 } else { -50.0 })
            })
            .collect()
    }

    #[test]
    fn predicting_nothing_gets_the_floor() {
        // 2 of 21 classes are there; at equal logits no class reaches 0.5.
        let truth = Mask::from_ids(4, 1, vec![0, 0, 3, 255]);
        let mut tally = IouTally::new(21, 8);
        tally.add(&truth, &[0.0; 84]);
        let scores = tally.scores();
        assert!((scores.per_image.score - 19.0 / 21.0).abs() < 1e-5, "{scores}");
        let form = scores.per_image;
        assert!((form.score - form.floor).abs() < 1e-12, "{scores}");
        assert!(scores.per_image.present < 1e-4);
        // Without a threshold absent classes are near 0, not near 1.
        assert!(scores.soft_per_image.score < 0.01, "{scores}");
    }

    #[test]
    fn certain_and_right_is_one_and_half_right_is_half() {
        let ids = vec![0, 0, 1, 1];
        let mut tally = IouTally::new(3, 2);
        tally.add(&Mask::from_ids(4, 1, ids.clone()), &certain(&ids, 3));
        for form in [tally.scores().per_image, tally.scores().soft_per_batch] {
            assert!((form.score - 1.0).abs() < 1e-5 && (form.present - 1.0).abs() < 1e-5);
        }
        // The second image is all class 0, half of it found, half taken for class 2.
        tally.add(&Mask::filled(4, 1, ClassId(0)), &certain(&[0, 0, 2, 2], 3));
        let scores = tally.scores();
        let second = (0.5 + 1.0 + 0.0) / 3.0;
        assert!((scores.per_image.score - f64::midpoint(1.0, second)).abs() < 1e-4, "{scores}");
        // Over both: class 0 has 4 of 6, class 1 all, class 2 none.
        assert!((scores.per_batch.score - (4.0 / 6.0 + 1.0) / 3.0).abs() < 1e-4, "{scores}");
        assert!((scores.per_batch.floor - 1.0 / 3.0).abs() < 1e-4, "{scores}");
        assert!((scores.per_batch.present - f64::midpoint(4.0 / 6.0, 1.0)).abs() < 1e-4);
    }

    #[test]
    fn nothing_gives_no_nan() {
        let scores = IouTally::new(3, 0).scores();
        assert_eq!(
            (scores.images, scores.per_image.score, scores.per_batch.present),
            (0, 0.0, 0.0)
        );
    }
}
