//! Whole numbers of any length, in units of 2^-1074, for oracles: every finite number is one.

use std::cmp::Ordering;

use crate::Exact;

/// A signed whole number; limbs of 32 bits, the lowest first, without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Big {
    negative: bool,
    limbs: Vec<u32>,
}

impl Big {
    pub(crate) fn of(value: f64) -> Self {
        assert!(value.is_finite());
        let bits = value.to_bits();
        let (exponent, fraction) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
        let whole = if exponent == 0 { fraction } else { fraction | (1 << 52) };
        let shift = exponent.max(1) as usize - 1;
        let mut limbs = vec![0; shift / 32];
        let shifted = u128::from(whole) << (shift % 32);
        limbs.extend((0..3).map(|limb| (shifted >> (32 * limb)) as u32));
        Self::new(value < 0.0, limbs)
    }

    fn new(negative: bool, mut limbs: Vec<u32>) -> Self {
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        Self { negative: negative && !limbs.is_empty(), limbs }
    }

    fn larger(&self, other: &Self) -> Ordering {
        let by_length = self.limbs.len().cmp(&other.limbs.len());
        by_length.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }

    /// Limb by limb with a carry; `sign` is 1 or -1, and -1 needs the larger number first.
    fn combine(large: &[u32], small: &[u32], sign: i64) -> Vec<u32> {
        let mut carry = 0;
        let mut limbs: Vec<u32> = Vec::with_capacity(large.len() + 1);
        for (at, &limb) in large.iter().enumerate() {
            let sum = i64::from(limb) + sign * i64::from(*small.get(at).unwrap_or(&0)) + carry;
            limbs.push(sum as u32);
            carry = sum >> 32;
        }
        limbs.push(carry as u32);
        limbs
    }
}

impl PartialOrd for Big {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.larger(other),
            (true, true) => other.larger(self),
        })
    }
}

impl Exact for Big {
    fn minus(&self, other: &Self) -> Self {
        let ordered = self.larger(other).is_ge();
        let (large, small) = if ordered { (self, other) } else { (other, self) };
        let sign = if self.negative == other.negative { -1 } else { 1 };
        let limbs = Self::combine(&large.limbs, &small.limbs, sign);
        Self::new(if ordered { self.negative } else { !other.negative }, limbs)
    }

    fn times(&self, other: &Self) -> Self {
        let mut limbs = vec![0u32; self.limbs.len() + other.limbs.len()];
        for (at, &a) in self.limbs.iter().enumerate() {
            let mut carry = 0u64;
            for (b, limb) in other.limbs.iter().zip(&mut limbs[at..]) {
                let sum = u64::from(a) * u64::from(*b) + u64::from(*limb) + carry;
                *limb = sum as u32;
                carry = sum >> 32;
            }
            limbs[at + other.limbs.len()] = carry as u32;
        }
        Self::new(self.negative != other.negative, limbs)
    }
}
