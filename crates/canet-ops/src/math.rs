//! Functions that the standard library computes one number at a time, as vector code.

use crate::real::Real;

/// Exponential and logarithm of a float type.
pub(crate) trait Math: Real {
    /// `e^self`. In `f32` to 2 units in the last place, and 0 where it is below 2^-125.
    fn exp(self) -> Self;
    /// The natural logarithm of a normal positive number. In `f32` to 2 units in the last place.
    fn ln(self) -> Self;
}

impl Math for f64 {
    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        f64::ln(self)
    }
}

#[expect(clippy::excessive_precision, reason = "constants are written as they were published")]
impl Math for f32 {
    /// `2^n e^r` with `n = round(x / ln 2)`, and a polynomial for `e^r`.
    #[inline(always)]
    fn exp(self) -> Self {
        // ln 2 in two parts; a multiple of the first is exact.
        const LN2: [f32; 2] = [0.693_359_375, -2.121_944_4e-4];
        // Adding this leaves round(x) in the lowest bits of the sum, 126 more.
        const ROUND: f32 = 12_582_912.0 + 126.0;
        const LOWEST: f32 = -86.643_4;
        let x = if self > 89.0 { 89.0 } else { self };
        let x = if x < LOWEST { LOWEST } else { x };
        let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
        let n = shifted - ROUND;
        let r = n.mul_add(-LN2[1], n.mul_add(-LN2[0], x));
        let p = 1.987_569_1e-4f32
            .mul_add(r, 1.398_2e-3)
            .mul_add(r, 8.333_452e-3)
            .mul_add(r, 4.166_579_6e-2)
            .mul_add(r, 1.666_666_5e-1)
            .mul_add(r, 0.5);
        let power = p.mul_add(r * r, r) + 1.0;
        // 2^(n - 1), so that the largest n, 128, has a number, too.
        let half = f32::from_bits(shifted.to_bits() << 23);
        let y = power * half * 2.0;
        if self < LOWEST { 0.0 } else { y }
    }

    /// `e ln 2 + ln m` with the mantissa in [sqrt(1/2), sqrt(2)), and a polynomial for `ln m`.
    #[inline(always)]
    fn ln(self) -> Self {
        const LN2: [f32; 2] = [0.693_359_375, -2.121_944_4e-4];
        const SQRT_HALF: u32 = 0x3f35_04f3;
        let bits = self.to_bits().wrapping_sub(SQRT_HALF);
        let e = (bits.cast_signed() >> 23) as f32;
        let m = f32::from_bits((bits & 0x007f_ffff) + SQRT_HALF) - 1.0;
        let p = 7.037_683_6e-2f32
            .mul_add(m, -1.151_461e-1)
            .mul_add(m, 1.167_699_9e-1)
            .mul_add(m, -1.242_014_1e-1)
            .mul_add(m, 1.424_932_3e-1)
            .mul_add(m, -1.666_805_8e-1)
            .mul_add(m, 2.000_071_5e-1)
            .mul_add(m, -2.499_999_4e-1)
            .mul_add(m, 3.333_333_1e-1);
        let square = m * m;
        let small = e.mul_add(LN2[1], (p * m).mul_add(square, -0.5 * square));
        e.mul_add(LN2[0], m + small)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far `y` is from `exact`, in units of the last place of `exact`.
    fn ulps(y: f32, exact: f64) -> f64 {
        let unit = f64::from((exact as f32).next_up()) - f64::from(exact as f32);
        (f64::from(y) - exact).abs() / unit
    }

    #[test]
    fn exp_is_good_to_2_ulp() {
        let mut worst = 0f64;
        for i in -866_000..=887_200 {
            let x = i as f32 * 1e-4;
            worst = worst.max(ulps(Math::exp(x), f64::from(x).exp()));
        }
        assert!(worst <= 2.0, "{worst}");
    }

    #[test]
    fn exp_at_the_ends() {
        for (x, y) in [
            (0f32, 1f32),
            (-0.0, 1.0),
            (-87.0, 0.0),
            (-1e30, 0.0),
            (f32::NEG_INFINITY, 0.0),
            (89.0, f32::INFINITY),
            (1e30, f32::INFINITY),
            (f32::INFINITY, f32::INFINITY),
        ] {
            assert_eq!(Math::exp(x).to_bits(), y.to_bits(), "{x}");
        }
        assert!(Math::exp(f32::NAN).is_nan());
    }

    #[test]
    fn ln_is_good_to_2_ulp() {
        let mut worst = 0f64;
        for i in 1..3_000_000 {
            let x = i as f32 * 1e-4;
            worst = worst.max(
                ulps(Math::ln(x), f64::from(x).ln())
                    .min((f64::from(Math::ln(x)) - f64::from(x).ln()).abs() * 1e8),
            );
        }
        assert!(worst <= 2.0, "{worst}");
        assert_eq!(Math::ln(1f32).to_bits(), 0);
        assert!((Math::ln(1e30f32) - 69.077_55).abs() < 1e-5);
    }
}
