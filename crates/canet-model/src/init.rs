//! How parameters start: a pure function of the seed, the parameter's name and the index.
//!
//! Neither the order of definition nor other parameters matter, so that a network with an auxiliary
//! head starts from the same backbone as one without. Only integer arithmetic and one
//! multiplication are used, so every machine draws the same bits.

use canet_core::{GOLDEN_GAMMA, mix};

/// The distribution that a parameter is drawn from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Init {
    /// One value throughout.
    Constant(f32),
    /// Normal with deviation `sqrt(2 / fan_out)`, as residual networks are started
    /// (He et al. 2015).
    HeFanOut,
    /// Normal with deviation `sqrt(2 / fan_in)`; it suits depthwise convolutions, whose fan out
    /// by shape is far from what a value really reaches.
    HeFanIn,
    /// Uniform up to `sqrt(6 / (fan_in + fan_out))`, as Keras starts every layer.
    GlorotUniform,
    /// Normal with deviation 0.01: a classifier that starts undecided.
    Small,
}

impl Init {
    /// The values of the parameter `name` of `shape`, whose first axes are outputs and inputs.
    pub(crate) fn draw(self, seed: u64, name: &str, shape: &[usize]) -> Vec<f32> {
        let count = shape.iter().product();
        let field: usize = shape.iter().skip(2).product();
        let fan_out = (shape.first().unwrap_or(&1) * field) as f64;
        let fan_in = (shape.get(1).unwrap_or(&1) * field) as f64;
        let start = hash(name) ^ splitmix(seed);
        let normal =
            |deviation: f64| (0..count).map(|i| scaled(normal(start, i), deviation)).collect();
        match self {
            Self::Constant(value) => vec![value; count],
            Self::HeFanOut => normal((2.0 / fan_out).sqrt()),
            Self::HeFanIn => normal((2.0 / fan_in).sqrt()),
            Self::Small => normal(0.01),
            Self::GlorotUniform => {
                let limit = (6.0 / (fan_in + fan_out)).sqrt();
                (0..count).map(|i| scaled(uniform(start, i), limit)).collect()
            }
        }
    }
}

fn scaled(value: f64, factor: f64) -> f32 {
    (value * factor) as f32
}

/// FNV-1a.
fn hash(name: &str) -> u64 {
    let step = |h: u64, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// One step of splitmix64: a bijection in which every input bit reaches every output bit.
pub(crate) fn splitmix(value: u64) -> u64 {
    mix(value.wrapping_add(GOLDEN_GAMMA))
}

/// The `at`-th 64 bits of the stream that starts at `start`.
fn bits(start: u64, at: usize) -> u64 {
    splitmix(start.wrapping_add((at as u64).wrapping_mul(GOLDEN_GAMMA)))
}

/// Uniform in [-1, 1).
fn uniform(start: u64, index: usize) -> f64 {
    (bits(start, index) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Nearly standard normal: the sum of twelve uniform 16-bit numbers, less its mean. (A logarithm
/// and a cosine would do better in the tails, but differ in the last bit between machines.)
fn normal(start: u64, index: usize) -> f64 {
    let sum: u64 = (0..3)
        .map(|k| bits(start, 3 * index + k))
        .map(|b| (b & 0xffff) + (b >> 16 & 0xffff) + (b >> 32 & 0xffff) + (b >> 48))
        .sum();
    (sum as f64 - 6.0 * 65535.0) / 65536.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        (mean, (values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n).sqrt())
    }

    #[test]
    fn deviations_are_as_named() {
        let shape = [64, 32, 3, 3];
        for (init, expected) in [
            (Init::HeFanOut, (2.0_f64 / 576.0).sqrt()),
            (Init::HeFanIn, (2.0_f64 / 288.0).sqrt()),
            (Init::GlorotUniform, (2.0_f64 / 864.0).sqrt()),
            (Init::Small, 0.01),
        ] {
            let (mean, deviation) = moments(&init.draw(7, "a.weight", &shape));
            assert!(mean.abs() < 0.03 * expected, "{init:?}: mean {mean}");
            assert!((deviation / expected - 1.0).abs() < 0.02, "{init:?}: deviation {deviation}");
        }
    }

    #[test]
    fn draws_depend_on_seed_and_name_and_on_nothing_else() {
        let draw = |seed, name| Init::Small.draw(seed, name, &[8, 8]);
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
        assert_eq!(draw(1, "a")[..16], Init::Small.draw(1, "a", &[2, 8])[..]);
    }
}
