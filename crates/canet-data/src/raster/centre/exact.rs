//! On which side of a line a point lies, without any rounding.
//!
//! The sign of an orientation is that of a sum of six products of coordinates. A finite number is a
//! whole number of 53 bits times a power of two, so a product is a whole number of 106 bits times a
//! power of two, and the sum's sign can be found from the largest power downward: as soon as what is
//! summed outweighs all that can follow, it is decided.

use super::Point;

/// Whether the side from `upper` down to `lower` crosses the height of `point`, which it must reach,
/// left of it or at it.
pub(super) fn crosses_left_of(upper: Point, lower: Point, point: Point) -> bool {
    let [a, b, p] =
        [upper, lower, point].map(|corner| (Dyadic::of(corner.x), Dyadic::of(corner.y)));
    // (b - a) x (p - a), multiplied out; a.x * a.y cancels.
    let mut products = [
        p.0.times(b.1),
        b.0.times(a.1),
        a.0.times(p.1),
        b.0.times(p.1).negated(),
        p.0.times(a.1).negated(),
        a.0.times(b.1).negated(),
    ];
    sign_of_sum(&mut products) >= 0
}

/// `whole * 2^power`, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dyadic {
    whole: i128,
    power: i32,
}

impl Dyadic {
    /// The value of a number; what is not finite has none that could be kept, and none that matters.
    fn of(value: f64) -> Self {
        let bits = value.to_bits();
        let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
        let whole = i128::from(if exponent == 0 { fraction } else { fraction | 1 << 52 });
        Self { whole: if value < 0.0 { -whole } else { whole }, power: exponent.max(1) - 1075 }
    }

    fn times(self, other: Self) -> Self {
        Self { whole: self.whole * other.whole, power: self.power + other.power }
    }

    fn negated(self) -> Self {
        Self { whole: -self.whole, ..self }
    }
}

/// The sign of a sum of at most eight products of two numbers, as -1, 0 or 1.
fn sign_of_sum(products: &mut [Dyadic]) -> i128 {
    products.sort_unstable_by_key(|product| std::cmp::Reverse(product.power));
    let (mut sum, mut power) = (0i128, 0);
    for product in products {
        let shift = if sum == 0 { 0 } else { power - product.power };
        // Eight products of 106 bits are below 2^109.
        if shift >= 110 || sum.unsigned_abs() >= 1 << (110 - shift) {
            break;
        }
        sum = (sum << shift) + product.whole;
        power = product.power;
    }
    sum.signum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_apart_exactly() {
        for (value, whole, power) in [
            (0.0, 0, -1074),
            (-1.5, -3 << 51, -52),
            (5e-324, 1, -1074),
            (f64::MAX, (1 << 53) - 1, 971),
        ] {
            assert_eq!(Dyadic::of(value), Dyadic { whole, power }, "{value}");
        }
    }

    #[test]
    fn the_smallest_difference_decides() {
        let at = |x, y| Point { x, y };
        let (tiny, huge) = (5e-324, f64::MAX);
        for (name, upper, lower, point, left) in [
            ("on a diagonal", at(0.0, 0.0), at(8.0, 8.0), at(2.5, 2.5), true),
            ("left of it", at(0.0, 0.0), at(8.0, 8.0), at(2.5 - 4e-16, 2.5), false),
            ("a tiny shift to the right", at(0.5 + 2e-16, 0.0), at(0.5, 8.0), at(0.5, 2.5), false),
            ("a tiny shift to the left", at(0.5 - 1e-16, 0.0), at(0.5, 8.0), at(0.5, 2.5), true),
            ("huge, through it", at(-huge, -huge), at(huge, huge), at(2.5, 2.5), true),
            ("huge, beside it", at(-huge, -huge), at(huge, huge), at(1.5, 2.5), false),
            ("tiny, not flat", at(0.5, 2.5), at(9.0, 2.5 + 5e-16), at(0.5, 2.5), true),
            ("tiny beside huge", at(tiny, -huge), at(tiny, huge), at(0.0, 0.5), false),
            ("tiny beside huge", at(-tiny, -huge), at(-tiny, huge), at(0.0, 0.5), true),
        ] {
            assert_eq!(crosses_left_of(upper, lower, point), left, "{name}");
        }
    }
}
