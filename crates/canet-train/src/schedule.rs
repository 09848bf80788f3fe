//! The learning rate over a run: a linear warm-up, then a polynomial descent to 0.

/// The rate at optimiser step `step` of `total`, relative to the base rate.
///
/// After the warm-up it is `(1 - step / total)^power`; power 0.9 is the authors' (and
/// DeepLab's) choice.
pub(crate) fn relative_rate(step: u64, total: u64, warmup: u64, power: f64) -> f64 {
    let descent = (1.0 - step as f64 / total.max(1) as f64).max(0.0).powf(power);
    if step < warmup { descent * (step + 1) as f64 / (warmup + 1) as f64 } else { descent }
}

#[cfg(test)]
mod tests {
    use super::relative_rate;

    #[test]
    fn warms_up_and_descends_to_zero() {
        for (step, expected) in
            [(0, 0.25), (2, 0.98f64.powf(0.9) * 0.75), (50, 0.5f64.powf(0.9)), (100, 0.0)]
        {
            let rate = relative_rate(step, 100, 3, 0.9);
            assert!((rate - expected).abs() < 1e-12, "step {step}: {rate}");
        }
        let rates: Vec<f64> = (3..100).map(|step| relative_rate(step, 100, 3, 0.9)).collect();
        assert!(rates.windows(2).all(|w| w[0] > w[1]));
    }
}
