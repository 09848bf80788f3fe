//! The two float types kernels are generic over.

use std::cell::Cell;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Sub, SubAssign};
use std::thread::LocalKey;

use candle_core::WithDType;

use crate::array::AnyBits;
use crate::conv::tile::{self, Sums, TileShape, Used, Views};
use crate::simd::{Isa, Narrow, Vector, Wide};

/// `f32` for work, `f64` for finite differences.
pub(crate) trait Real:
    WithDType
    + AnyBits
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + MulAssign
    + SubAssign
    + Sum
{
    const ZERO: Self;
    const LOWEST: Self;
    /// Whether Winograd's method may be used: `f64` is for exactness, not for speed.
    const WINOGRAD: bool;

    /// `self * a + b` with one rounding.
    fn fma(self, a: Self, b: Self) -> Self;
    /// The larger of both; NaN if `self` is, so that it is not hidden.
    fn larger(self, other: Self) -> Self;
    fn is_nan(self) -> bool;
    fn as_f64(self) -> f64;
    fn of_f64(value: f64) -> Self;
    /// Its vectors of 16, for AVX-512.
    type Wide: Vector<Self>;
    /// Its vectors of 8, for AVX2 and NEON.
    type Narrow: Vector<Self>;

    /// The tile that suits this type and processor.
    fn tile_shape(isa: Isa) -> TileShape;
    /// See [`tile::product`].
    fn product<const FRESH: bool>(band: &[Self], panel: &[Self], used: Used, sums: &mut Sums<Self>);
    /// See [`tile::product_of_views`].
    fn product_of_views(band: &[Self], views: Views<Self>, used: Used, sums: &mut Sums<Self>);
    /// The values themselves, if they are `f32`.
    fn singles(values: &[Self]) -> Option<&[f32]>;
    fn of_singles(values: Vec<f32>) -> Vec<Self>;
    /// A buffer of this thread, see [`crate::scratch`].
    fn scratch() -> &'static LocalKey<Cell<Vec<Self>>>;
}

macro_rules! real {
    ($t:ty, $shape:expr, $($product:ident)::+, $of_views:expr, $wide:ty, $narrow:ty, $singles:expr, $of_singles:expr) => {
        impl Real for $t {
            type Wide = $wide;
            type Narrow = $narrow;
            const ZERO: Self = 0.0;
            const LOWEST: Self = <$t>::NEG_INFINITY;
            const WINOGRAD: bool = size_of::<$t>() == size_of::<f32>();

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
            fn tile_shape(isa: Isa) -> TileShape {
                ($shape)(isa)
            }
            #[inline(always)]
            fn product<const FRESH: bool>(
                band: &[Self],
                panel: &[Self],
                used: Used,
                sums: &mut Sums<Self>,
            ) {
                $($product)::+::<FRESH>(band, panel, used, sums);
            }
            #[inline(always)]
            fn product_of_views(
                band: &[Self],
                views: Views<Self>,
                used: Used,
                sums: &mut Sums<Self>,
            ) {
                $of_views(band, views, used, sums);
            }
            #[inline(always)]
            fn singles(values: &[Self]) -> Option<&[f32]> {
                ($singles)(values)
            }
            fn of_singles(values: Vec<f32>) -> Vec<Self> {
                ($of_singles)(values)
            }
            fn scratch() -> &'static LocalKey<Cell<Vec<Self>>> {
                thread_local!(static SCRATCH: Cell<Vec<$t>> = const { Cell::new(Vec::new()) });
                &SCRATCH
            }
        }
    };
}

real!(f32, tile::shape, tile::product, tile::product_of_views, Wide, Narrow, Some, |values| values);
real!(
    f64,
    |_| tile::PORTABLE,
    tile::product_f64,
    tile::views_portable,
    [f64; 8],
    [f64; 8],
    |_| None,
    |values: Vec<f32>| values.into_iter().map(f64::from).collect()
);
