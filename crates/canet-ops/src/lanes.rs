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

/// `sum of a b`, for some `b` at once, which share the loads of `a`.
#[inline(always)]
pub(crate) fn dots<T: Real, const N: usize>(a: &[T], b: [&[T]; N]) -> [T; N] {
    let mut lanes = [[T::ZERO; LANES]; N];
    let (blocks, rest) = a.as_chunks::<LANES>();
    for (at, a) in (0..).step_by(LANES).zip(blocks) {
        for (lanes, b) in lanes.iter_mut().zip(b) {
            let b = &b[at..at + LANES];
            for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
                *lane = a.fma(b, *lane);
            }
        }
    }
    let done = a.len() - rest.len();
    let mut sums = [T::ZERO; N];
    for ((sum, lanes), b) in sums.iter_mut().zip(lanes).zip(b) {
        for lane in lanes {
            *sum += lane;
        }
        for (&a, &b) in rest.iter().zip(&b[done..]) {
            *sum = a.fma(b, *sum);
        }
    }
    sums
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
