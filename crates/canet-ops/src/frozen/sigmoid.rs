//! The logistic function as plain arithmetic, which becomes vector code.

/// `1 / (1 + exp(-x))`, within 2.5 units in the last place; NaN for NaN.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `exp(x)` for x up to 88, and as for 88 beyond: by then the sigmoid has long gone to its end.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const LIMIT: f32 = 88.0;
    // Adding it leaves an integer in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 as the sum of a number with few digits, whose multiples are exact, and the rest.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    // Comparisons, not `clamp`, keep NaN as vector code, too.
    let x = if x > LIMIT { LIMIT } else { x };
    let x = if x < -LIMIT { -LIMIT } else { x };
    // x = n ln 2 + r, so exp(x) = 2^n exp(r).
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = (-n).mul_add(LN_2[1], (-n).mul_add(LN_2[0], x));
    // The Taylor polynomial: |r| is at most 0.35, where the first term left out is below 1e-8.
    let coefficients = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let polynomial = coefficients.iter().fold(1.0 / 5040.0, |sum: f32, &c| sum.mul_add(r, c));
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    polynomial * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigmoid_is_exact_but_for_the_last_digits() {
        let mut worst = 0.0_f64;
        for i in -2_000_000..=2_000_000 {
            let x = i as f32 * 43e-6;
            let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
            let unit = f64::from((exact as f32).next_up()) - f64::from(exact as f32);
            worst = worst.max((f64::from(sigmoid(x)) - exact).abs() / unit);
        }
        assert!(worst < 2.5, "{worst} units");
    }

    #[test]
    fn the_ends_are_as_they_should_be() {
        for (x, y) in [(0.0, 0.5), (f32::INFINITY, 1.0), (1e30, 1.0)] {
            assert!((sigmoid(x) - y).abs() == 0.0, "{x}");
        }
        for x in [-1e30, f32::NEG_INFINITY] {
            assert!((0.0..1e-38).contains(&sigmoid(x)), "{x}");
        }
        assert!(sigmoid(f32::NAN).is_nan());
    }
}
