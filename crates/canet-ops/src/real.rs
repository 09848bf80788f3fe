//! The two float types kernels are generic over.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Sub};

use candle_core::WithDType;

/// `f32` for work, `f64` for finite differences.
pub(crate) trait Real:
    WithDType
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + MulAssign
    + Sum
{
    const ZERO: Self;
    const LOWEST: Self;

    /// `self * a + b` with one rounding.
    fn fma(self, a: Self, b: Self) -> Self;
    /// The larger of both; NaN if `self` is, so that it is not hidden.
    fn larger(self, other: Self) -> Self;
    fn is_nan(self) -> bool;
    fn as_f64(self) -> f64;
    fn of_f64(value: f64) -> Self;
}

macro_rules! real {
    ($t:ty) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const LOWEST: Self = <$t>::NEG_INFINITY;

            #[inline(always)]
            fn fma(self, a: Self, b: Self) -> Self {
                self.mul_add(a, b)
            }
            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                if self < other { other } else { self }
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                <$t>::is_nan(self)
            }
            #[inline(always)]
            fn as_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn of_f64(value: f64) -> Self {
                value as $t
            }
        }
    };
}
real!(f32);
real!(f64);
