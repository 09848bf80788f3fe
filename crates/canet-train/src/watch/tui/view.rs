//! What the dashboard shows: plain values, from which a picture is drawn.

use std::time::Instant;

use canet_core::{ClassSet, Rgb};

use crate::metrics::Scores;
use crate::progress::Now;
use crate::record::{EpochRecord, StepRecord};

/// A curve has at most so many points; terminals have fewer columns.
const MOST_POINTS: usize = 512;

/// A run as it is shown.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) title: String,
    /// The loss by step.
    pub(super) loss: Curve,
    /// (step, mean loss) of each epoch.
    pub(super) epoch_loss: Vec<(f64, f64)>,
    /// (epoch, mIoU) of each validation.
    pub(super) miou: Vec<(f64, f64)>,
    /// Name, IoU and colour of each class at the last validation.
    pub(super) classes: Vec<(String, Option<f64>, Option<Rgb>)>,
    pub(super) last: Option<StepRecord>,
    /// The work that is being done.
    pub(super) now: Option<Now>,
    /// MiB: held now, and at most.
    pub(super) memory: (Option<u64>, Option<u64>),
    /// The user has asked for it.
    pub(super) stopping: bool,
    /// Seconds until the last step, as far as the steps of this process tell.
    pub(super) left: Option<f64>,
    /// When this process made its first step, and which.
    first: Option<(Instant, u64)>,
}

impl View {
    pub(super) const fn new() -> Self {
        Self {
            title: String::new(),
            loss: Curve::new(),
            epoch_loss: Vec::new(),
            miou: Vec::new(),
            classes: Vec::new(),
            last: None,
            now: None,
            memory: (None, None),
            stopping: false,
            left: None,
            first: None,
        }
    }

    /// A run of which `records` are known.
    pub(super) fn of(title: String, records: &[EpochRecord]) -> Self {
        let mut view = Self { title, ..Self::new() };
        for record in records {
            view.epoch(record, None);
        }
        view
    }

    pub(super) fn step(&mut self, step: &StepRecord) {
        self.loss.push(step.step as f64, step.loss);
        self.last = Some(*step);
        let (start, first) = *self.first.get_or_insert((Instant::now(), step.step));
        let done = step.step.saturating_sub(first);
        let left = step.total_steps.saturating_sub(step.step) as f64;
        self.left = (done > 0).then(|| start.elapsed().as_secs_f64() / done as f64 * left);
    }

    /// Takes a validation in; of later epochs, which a killed run may have left behind, nothing stays.
    pub(super) fn epoch(&mut self, record: &EpochRecord, classes: Option<&ClassSet>) {
        let epoch = f64::from(record.epoch);
        self.miou.retain(|&(old, _)| old < epoch);
        self.miou.push((epoch, record.scores.miou));
        self.epoch_loss.retain(|&(old, _)| old < record.step as f64);
        self.epoch_loss.push((record.step as f64, record.loss));
        self.scores(&record.scores, classes);
    }

    fn scores(&mut self, scores: &Scores, classes: Option<&ClassSet>) {
        let colors = classes.map(|set| set.classes.iter().map(|class| class.color));
        let colors: Vec<Rgb> = colors.map(Iterator::collect).unwrap_or_default();
        let lines = scores.classes.iter().enumerate();
        self.classes = lines
            .map(|(id, line)| (line.class.clone(), line.iou, colors.get(id).copied()))
            .collect();
    }

    /// The best mIoU so far and its epoch; of equals, the first.
    pub(super) fn best(&self) -> Option<(f64, f64)> {
        let better = |best: (f64, f64), one: (f64, f64)| if one.1 > best.1 { one } else { best };
        self.miou.iter().copied().reduce(better)
    }
}

/// A curve of any length in a bounded number of points, each the mean of equally many values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    pub(super) points: Vec<(f64, f64)>,
    /// Values that make a point.
    values: u32,
    /// The sum of those that do not make one yet, and how many these are.
    rest: (f64, u32),
}

impl Curve {
    const fn new() -> Self {
        Self { points: Vec::new(), values: 1, rest: (0.0, 0) }
    }

    fn push(&mut self, x: f64, y: f64) {
        self.rest = (self.rest.0 + y, self.rest.1 + 1);
        if self.rest.1 < self.values {
            return;
        }
        self.points.push((x, self.rest.0 / f64::from(self.rest.1)));
        self.rest = (0.0, 0);
        if self.points.len() >= MOST_POINTS {
            let pairs = self.points.chunks_exact(2);
            self.points =
                pairs.map(|pair| (pair[1].0, f64::midpoint(pair[0].1, pair[1].1))).collect();
            self.values *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_curves_keep_their_mean_and_their_end() {
        let mut curve = Curve::new();
        for step in 1..=10_000 {
            curve.push(f64::from(step), f64::from(step % 2));
        }
        assert!(curve.points.len() < MOST_POINTS, "{}", curve.points.len());
        assert!(curve.points.iter().all(|&(_, y)| (y - 0.5).abs() < 1e-12));
        let (end, _) = curve.points.last().copied().unwrap();
        assert!(end > 10_000.0 - f64::from(curve.values));
        let mut short = Curve::new();
        short.push(1.0, 3.0);
        assert_eq!(short.points, [(1.0, 3.0)]);
    }
}
