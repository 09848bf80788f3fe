//! Doing something over and over, and what the times say.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

/// The fewest repetitions that a percentile is taken of.
const LEAST: usize = 5;

/// Seconds of the first time, and of each later one.
pub(crate) struct Measured {
    pub(crate) first: f64,
    pub(crate) later: Vec<f64>,
}

/// Does `work` once, and then again until `time` is over, at least [`LEAST`] times.
pub(crate) fn measure(time: Duration, mut work: impl FnMut() -> Result<()>) -> Result<Measured> {
    let mut once = || -> Result<f64> {
        let start = Instant::now();
        work()?;
        Ok(start.elapsed().as_secs_f64())
    };
    let first = once()?;
    let (start, mut later) = (Instant::now(), Vec::new());
    while later.len() < LEAST || start.elapsed() < time {
        later.push(once()?);
    }
    Ok(Measured { first, later })
}

/// What is told of them.
#[derive(Serialize)]
pub(crate) struct Times {
    /// How often it was done, but for the first time.
    pub(crate) runs: usize,
    pub(crate) median_ms: f64,
    /// The time that 95 % of the runs did not exceed.
    pub(crate) p95_ms: f64,
    pub(crate) min_ms: f64,
    /// At the median.
    pub(crate) per_second: f64,
}

impl Times {
    pub(crate) fn of(measured: &Measured) -> Self {
        let mut times: Vec<f64> = measured.later.iter().map(|seconds| seconds * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let median_ms = quantile(&times, 0.5);
        Self {
            runs: times.len(),
            median_ms,
            p95_ms: quantile(&times, 0.95),
            min_ms: quantile(&times, 0.0),
            per_second: 1e3 / median_ms,
        }
    }
}

/// The nearest rank: the least of sorted `times` that a share `p` of them does not exceed.
fn quantile(times: &[f64], p: f64) -> f64 {
    let rank = (p * times.len() as f64).ceil() as usize;
    times.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_nearest_rank() {
        let times: Vec<f64> = (1..=20).map(f64::from).collect();
        let measured =
            Measured { first: 9.0, later: times.iter().rev().map(|t| t / 1e3).collect() };
        let times = Times::of(&measured);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert_eq!(times.runs, 20);
        assert!(near(times.median_ms, 10.0) && near(times.p95_ms, 19.0) && near(times.min_ms, 1.0));
        assert!(near(times.per_second, 100.0));
        assert!(near(quantile(&[7.0], 0.95), 7.0));
    }

    #[test]
    fn there_are_enough_runs_and_errors_end_them() {
        let mut count = 0;
        let counted = || {
            count += 1;
            Ok(())
        };
        let measured = measure(Duration::ZERO, counted).unwrap();
        assert_eq!((count, measured.later.len()), (1 + LEAST, LEAST));
        assert!(measure(Duration::ZERO, || anyhow::bail!("no")).is_err());
    }
}
