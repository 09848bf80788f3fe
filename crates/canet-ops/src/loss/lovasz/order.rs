//! Errors with their pixels as whole numbers, which sort faster than pairs of a float and a place.

use crate::math::Math;

/// A float type whose numbers from 0 can be sorted with the place they come from.
pub(super) trait Ordered: Math {
    /// Smaller for larger numbers, and for smaller places if the numbers are equal.
    type Key: Ord + Copy + Send;

    /// The key of a number that is not negative, or NaN, which comes first.
    fn key(self, place: u32) -> Self::Key;
    /// The number and the place.
    fn of_key(key: Self::Key) -> (Self, usize);
}

macro_rules! ordered {
    ($t:ty, $bits:ty, $key:ty) => {
        impl Ordered for $t {
            type Key = $key;

            // Of floats from 0, the order is that of their bits.
            #[inline(always)]
            fn key(self, place: u32) -> $key {
                <$key>::from(!self.to_bits()) << 32 | <$key>::from(place)
            }

            #[inline(always)]
            fn of_key(key: $key) -> (Self, usize) {
                (<$t>::from_bits(!((key >> 32) as $bits)), key as u32 as usize)
            }
        }
    };
}

ordered!(f32, u32, u64);
ordered!(f64, u64, u128);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_comes_first_and_of_equal_ones_the_first() {
        let errors = [0.25f32, 0.0, 1.0, 0.25, 1e-30, 0.5, 0.0, f32::from_bits(1)];
        let expected = [2, 5, 0, 3, 4, 7, 1, 6];
        let mut keys: Vec<u64> =
            errors.iter().zip(0..).map(|(&e, place)| Ordered::key(e, place)).collect();
        keys.sort_unstable();
        let sorted: Vec<(f32, usize)> = keys.into_iter().map(f32::of_key).collect();
        assert_eq!(sorted.iter().map(|&(_, place)| place).collect::<Vec<_>>(), expected);
        assert!(sorted.iter().all(|&(e, place)| e.to_bits() == errors[place].to_bits()));
        let mut keys: Vec<u128> =
            errors.iter().zip(0..).map(|(&e, place)| f64::from(e).key(place)).collect();
        keys.sort_unstable();
        assert_eq!(keys.into_iter().map(|k| f64::of_key(k).1).collect::<Vec<_>>(), expected);
    }
}
