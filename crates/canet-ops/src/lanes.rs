//! Sums in lanes: vector code without reordering what was asked for, since the order is part of the
//! definition and the same on every machine.

use crate::real::Real;

/// Lanes of a sum: more than a vector, so that an addition need not wait for the one before.
pub(crate) const LANES: usize = 32;

/// `sum of f(v)`.
#[inline(always)]
pub(crate) fn sum<T: Real>(values: &[T], f: impl Fn(T) -> T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        (0..LANES).for_each(|i| lanes[i] += f(block[i]));
    }
    lanes.into_iter().sum::<T>() + rest.iter().map(|&v| f(v)).sum::<T>()
}

/// `sum of a b`.
#[inline(always)]
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        (0..LANES).for_each(|i| lanes[i] = a[i].fma(b[i], lanes[i]));
    }
    let rest = a_rest.iter().zip(b_rest).map(|(&a, &b)| a * b);
    lanes.into_iter().sum::<T>() + rest.sum::<T>()
}
