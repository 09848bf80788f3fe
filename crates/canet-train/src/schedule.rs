//! The learning rate over a run: a linear warm-up under a schedule. A pure function of the step.

use crate::config::{OptimizerConfig, ScheduleConfig};

/// The rate at optimiser step `step` of `total`, from 0, relative to the base rate.
pub(crate) fn relative_rate(step: u64, total: u64, config: &OptimizerConfig) -> f64 {
    let scheduled = scheduled(step, total, &config.schedule);
    let warmup = config.warmup_steps;
    if step >= warmup {
        return scheduled;
    }
    let factor = match config.warmup_start {
        Some(start) => start + (1.0 - start) * step as f64 / warmup as f64,
        None => return scheduled * (step + 1) as f64 / (warmup + 1) as f64,
    };
    scheduled * factor
}

/// The same without the warm-up.
fn scheduled(step: u64, total: u64, schedule: &ScheduleConfig) -> f64 {
    let left = (1.0 - step as f64 / total.max(1) as f64).max(0.0);
    match schedule {
        ScheduleConfig::Poly { power } => left.powf(*power),
        ScheduleConfig::Cosine { min } => {
            min + (1.0 - min) * 0.5 * (1.0 + (std::f64::consts::PI * (1.0 - left)).cos())
        }
        ScheduleConfig::Step { milestones, every, gamma } => {
            let passed = milestones.iter().filter(|&&milestone| step >= milestone).count() as u64;
            let times = passed + every.map_or(0, |every| step / every.max(1));
            gamma.powf(times as f64)
        }
        ScheduleConfig::Constant {} => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(schedule: ScheduleConfig, warmup_steps: u64) -> OptimizerConfig {
        OptimizerConfig { warmup_steps, schedule, ..OptimizerConfig::default() }
    }

    #[test]
    fn warms_up_and_descends_to_zero() {
        let config = with(ScheduleConfig::default(), 3);
        for (step, expected) in
            [(0, 0.25), (2, 0.98f64.powf(0.9) * 0.75), (50, 0.5f64.powf(0.9)), (100, 0.0)]
        {
            let rate = relative_rate(step, 100, &config);
            assert!((rate - expected).abs() < 1e-12, "step {step}: {rate}");
        }
        let rates: Vec<f64> = (3..100).map(|step| relative_rate(step, 100, &config)).collect();
        assert!(rates.windows(2).all(|w| w[0] > w[1]));
    }

    #[test]
    fn every_schedule_follows_its_formula() {
        let step = |milestones: &[u64], every| ScheduleConfig::Step {
            milestones: milestones.to_vec(),
            every,
            gamma: 0.5,
        };
        let cosine = ScheduleConfig::Cosine { min: 0.2 };
        for (schedule, points) in [
            (ScheduleConfig::Poly { power: 2.0 }, [(0, 1.0), (10, 0.81), (50, 0.25), (99, 1e-4)]),
            (cosine, [(0, 1.0), (50, 0.6), (75, 0.2 + 0.4 * (1.0 - 0.5f64.sqrt())), (100, 0.2)]),
            (step(&[10, 60], None), [(9, 1.0), (10, 0.5), (59, 0.5), (60, 0.25)]),
            (step(&[], Some(25)), [(24, 1.0), (25, 0.5), (74, 0.25), (99, 0.125)]),
            (ScheduleConfig::Constant {}, [(0, 1.0), (1, 1.0), (50, 1.0), (100, 1.0)]),
        ] {
            let config = with(schedule, 0);
            for (step, expected) in points {
                let rate = relative_rate(step, 100, &config);
                assert!((rate - expected).abs() < 1e-12, "{config:?} step {step}: {rate}");
            }
        }
    }

    /// The warm-up multiplies what the schedule says, from the factor it starts with to 1.
    #[test]
    fn warm_ups_start_where_they_are_told() {
        for schedule in [ScheduleConfig::Constant {}, ScheduleConfig::Cosine { min: 0.0 }] {
            let plain = with(schedule.clone(), 0);
            let mut config = with(schedule, 4);
            for (start, factors) in
                [(None, [0.2, 0.4, 0.6, 0.8, 1.0]), (Some(0.1), [0.1, 0.325, 0.55, 0.775, 1.0])]
            {
                config.warmup_start = start;
                for (step, factor) in (0..).zip(factors) {
                    let expected = factor * relative_rate(step, 50, &plain);
                    let rate = relative_rate(step, 50, &config);
                    assert!((rate - expected).abs() < 1e-12, "{start:?} step {step}: {rate}");
                }
            }
        }
    }
}
