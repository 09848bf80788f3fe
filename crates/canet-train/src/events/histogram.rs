//! How the values of a layer are spread.

use super::message::Message;

/// How many buckets there are; TensorBoard shows as many.
const BUCKETS: usize = 30;

/// Counts of values in buckets of one width, from the least to the greatest value.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
    /// The sum of all values.
    pub sum: f64,
    /// The sum of their squares.
    pub sum_of_squares: f64,
    /// The upper end of each bucket.
    pub limits: Vec<f64>,
    /// Values in each bucket.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// The histogram of the finite ones of `values`; none if there is none.
    pub fn of(values: &[f32]) -> Option<Self> {
        let values = || values.iter().filter(|v| v.is_finite()).map(|&v| f64::from(v));
        let min = values().reduce(f64::min)?;
        let max = values().reduce(f64::max)?;
        let buckets = if max > min { BUCKETS } else { 1 };
        let width = (max - min) / buckets as f64;
        let mut histogram = Self {
            min,
            max,
            sum: values().sum(),
            sum_of_squares: values().map(|v| v * v).sum(),
            limits: (1..buckets).map(|i| min + i as f64 * width).chain([max]).collect(),
            counts: vec![0; buckets],
        };
        for value in values() {
            // A width of 0 makes NaN, which becomes bucket 0.
            let bucket = ((value - min) / width) as usize;
            histogram.counts[bucket.min(buckets - 1)] += 1;
        }
        Some(histogram)
    }

    /// As `HistogramProto`.
    pub(super) fn message(&self) -> Message {
        let counts: Vec<f64> = self.counts.iter().map(|&count| count as f64).collect();
        Message::default()
            .double(1, self.min)
            .double(2, self.max)
            .double(3, counts.iter().sum())
            .double(4, self.sum)
            .double(5, self.sum_of_squares)
            .doubles(6, &self.limits)
            .doubles(7, &counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_their_buckets() {
        let values: Vec<f32> =
            (0..=60).map(|i| i as f32).chain([f32::NAN, f32::INFINITY]).collect();
        let histogram = Histogram::of(&values).unwrap();
        assert_eq!((histogram.min, histogram.max, histogram.sum), (0.0, 60.0, 1830.0));
        assert_eq!(histogram.counts.len(), BUCKETS);
        assert_eq!(histogram.counts.iter().sum::<u64>(), 61);
        // Two in each bucket, and the greatest value in the last one.
        assert_eq!((histogram.counts[0], histogram.counts[BUCKETS - 1]), (2, 3));
        assert_eq!((histogram.limits[0], histogram.limits[BUCKETS - 1]), (2.0, 60.0));
    }

    #[test]
    fn one_value_and_none() {
        let one = Histogram::of(&[0.5; 7]).unwrap();
        assert_eq!((one.counts, one.limits), (vec![7], vec![0.5]));
        assert_eq!(Histogram::of(&[]), None);
        assert_eq!(Histogram::of(&[f32::NAN]), None);
    }
}
