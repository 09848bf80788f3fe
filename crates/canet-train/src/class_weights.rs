//! Weights of classes from how often they occur in the training split.
//!
//! With `pixels(c)` the pixels of a class and `frames(c)` the frames that have at least one, both as
//! the manifest counts them, before any augmentation:
//!
//! * median frequency (Eigen and Fergus 2015, `SegNet`): `freq(c)` is the class's share of the
//!   pixels of the frames in which it occurs, and its weight `median(freq) / freq(c)`. The manifest
//!   does not have the pixels of those frames, so all frames are taken to be of one size: `freq(c)` =
//!   `pixels(c) / frames(c)`, since a size that all share drops out of the weight. If frames differ in
//!   size, this is the mean number of pixels instead of the mean share.
//! * inverse frequency: `pixels of all classes / (number of classes * pixels(c))`, so that all
//!   classes together weigh the same.
//!
//! The median and the number of classes are over the classes that have pixels; the median of an even
//! number is the mean of the middle two. A class without pixels has weight 1: no pixel of the
//! training split asks for it. No weight is larger than [`LARGEST`], or a class of a few
//! pixels would decide where all steps go.

use canet_data::manifest::{ClassStatistics, SplitStatistics};

use crate::config::Frequency;

/// The largest weight that comes from frequencies.
pub const LARGEST: f64 = 20.0;

/// A weight for each class of the statistics, in their order.
pub fn class_weights(statistics: &SplitStatistics, frequency: Frequency) -> Vec<f32> {
    let classes = &statistics.classes;
    let weigh = |weight: &dyn Fn(&ClassStatistics) -> f64| {
        let of = |class| if occurs(class) { weight(class).min(LARGEST) as f32 } else { 1.0 };
        classes.iter().map(of).collect()
    };
    match frequency {
        Frequency::MedianFrequency => {
            let frequency = |class: &ClassStatistics| class.pixels as f64 / class.frames as f64;
            let median = median(classes.iter().filter(|c| occurs(c)).map(frequency).collect());
            weigh(&|class| median / frequency(class))
        }
        Frequency::InverseFrequency => {
            let all: u64 = classes.iter().map(|class| class.pixels).sum();
            let count = classes.iter().filter(|class| occurs(class)).count();
            weigh(&|class| all as f64 / (count as f64 * class.pixels as f64))
        }
    }
}

fn occurs(class: &ClassStatistics) -> bool {
    class.pixels > 0 && class.frames > 0
}

/// Of no numbers it is 0.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n => f64::midpoint(values[(n - 1) / 2], values[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(classes: &[(u64, u64)]) -> SplitStatistics {
        let of = |&(pixels, frames): &(u64, u64)| ClassStatistics {
            class: String::new(),
            pixels,
            frames,
        };
        SplitStatistics { classes: classes.iter().map(of).collect(), ..Default::default() }
    }

    #[test]
    fn weights_follow_their_formulas() {
        use Frequency::{InverseFrequency, MedianFrequency};
        for (classes, frequency, expected) in [
            // Pixels a frame: 100, 50, 10; the median is 50.
            (&[(1000, 10), (100, 2), (10, 1)][..], MedianFrequency, &[0.5, 1.0, 5.0][..]),
            // 100, 10: between them.
            (&[(1000, 10), (0, 0), (10, 1)], MedianFrequency, &[0.55, 1.0, 5.5]),
            (
                &[(600, 1), (300, 1), (0, 0), (100, 1)],
                InverseFrequency,
                &[1000.0 / 1800.0, 1000.0 / 900.0, 1.0, 1000.0 / 300.0],
            ),
            (&[(1_000_000, 1), (1, 1)], InverseFrequency, &[0.500_000_5, 20.0]),
            (&[(1_000_000, 1), (1_000_000, 1), (1, 1)], MedianFrequency, &[1.0, 1.0, 20.0]),
            (&[(0, 0), (0, 0)], MedianFrequency, &[1.0, 1.0]),
            (&[(0, 0), (0, 0)], InverseFrequency, &[1.0, 1.0]),
        ] {
            let weights = class_weights(&statistics(classes), frequency);
            assert_eq!(weights.len(), expected.len());
            for (weight, expected) in weights.iter().zip(expected) {
                let off = (f64::from(*weight) - expected).abs();
                assert!(off < 1e-6, "{classes:?} {frequency:?}: {weights:?}");
            }
        }
    }
}
