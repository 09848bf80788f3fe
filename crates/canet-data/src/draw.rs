//! Random draws without a hidden state: each is a function of (seed, epoch, sample, purpose).
//!
//! A stream is keyed by these four and then counts; nothing else enters. So a sample is augmented
//! the same way by any thread, in any order, before and after a resume, and adding a draw for one
//! purpose does not move the draws of another. Nothing here is for secrets.

use canet_core::{GOLDEN_GAMMA, mix};

/// A stream of draws for one purpose.
#[derive(Debug, Clone)]
pub struct Draws {
    key: u64,
    count: u64,
}

impl Draws {
    /// The stream of a purpose, such as `"crop"`, for one sample in one epoch.
    pub fn new(seed: u64, epoch: u32, sample: u64, purpose: &str) -> Self {
        let mut key = mix(seed ^ GOLDEN_GAMMA);
        for part in [u64::from(epoch), sample].into_iter().chain(purpose.bytes().map(u64::from)) {
            key = mix(key.wrapping_add(GOLDEN_GAMMA) ^ part.wrapping_mul(GOLDEN_GAMMA));
        }
        Self { key, count: 0 }
    }

    /// 64 uniform bits.
    pub fn bits(&mut self) -> u64 {
        self.count += 1;
        mix(self.key.wrapping_add(self.count.wrapping_mul(GOLDEN_GAMMA)))
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `[low, high)`; `low` if both are equal.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..n`, or 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        // The multiply-shift range reduction; its bias is below n / 2^64.
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// A normal draw of mean 0 and variance 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// A uniformly drawn order of `0..n` (Fisher and Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Streams must not move: a checkpoint of today is resumed by the program of tomorrow.
    #[test]
    fn streams_are_pinned() {
        let mut draws = Draws::new(1, 2, 3, "crop");
        let first = [draws.bits(), draws.bits()];
        assert_eq!(first, PINNED);
    }
    const PINNED: [u64; 2] = [776_055_776_502_135_981, 359_060_415_265_058_575];

    #[test]
    fn each_part_of_the_key_matters() {
        let first = |seed, epoch, sample, purpose| Draws::new(seed, epoch, sample, purpose).bits();
        let base = first(1, 2, 3, "crop");
        for other in [
            first(0, 2, 3, "crop"),
            first(1, 0, 3, "crop"),
            first(1, 2, 0, "crop"),
            first(1, 2, 3, "flip"),
            first(1, 3, 2, "crop"),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn draws_are_uniform_enough() {
        let mut draws = Draws::new(7, 0, 0, "test");
        let n = 100_000;
        let mean = (0..n).map(|_| draws.unit()).sum::<f64>() / f64::from(n);
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        let mut counts = [0; 6];
        (0..n).for_each(|_| counts[draws.below(6)] += 1);
        assert!(counts.iter().all(|&c| (16_000..17_500).contains(&c)), "{counts:?}");
        let square = (0..n).map(|_| draws.normal().powi(2)).sum::<f64>() / f64::from(n);
        assert!((square - 1.0).abs() < 0.02, "{square}");
    }

    #[test]
    fn permutations_are_complete() {
        for n in [0, 1, 2, 17] {
            let mut order = Draws::new(7, 0, 0, "order").permutation(n);
            order.sort_unstable();
            assert_eq!(order, (0..n).collect::<Vec<_>>());
        }
    }
}
