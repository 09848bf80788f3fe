//! A kernel beside its reference.

use candle_core::{DType, Result, Tensor};
use canet_ops::Value;

use super::{by_candle, by_kernel, flat, values, vars};

/// Compares results and gradients in both float types with those of the reference in `f64`: candle's
/// own sums lose digits in `f32`.
pub(crate) fn compare(
    name: &str,
    inputs: &[Tensor],
    kernel: impl Fn(&[Value]) -> Result<Value>,
    plain: impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    // Not around 0, where sums over many pixels would be nothing but rounding.
    let upstream = |y: &Tensor| (values(y.dims(), 3) + 0.5).unwrap().to_dtype(y.dtype()).unwrap();
    let (expected_y, expected) = by_candle(&vars(inputs, DType::F64), upstream, &plain).unwrap();
    for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-12)] {
        let inputs = vars(inputs, dtype);
        let (y, gradients) = by_kernel(&inputs, upstream, &kernel).unwrap();
        assert_eq!(y.dims(), expected_y.dims(), "{name}");
        let pairs = gradients.iter().zip(&expected).chain([(&y, &expected_y)]);
        for (i, (actual, expected)) in pairs.enumerate() {
            assert_eq!(actual.dims(), expected.dims(), "{name}: {i}");
            let (a, e) = (flat(actual), flat(expected));
            let largest = e.iter().fold(1e-2, |m: f64, v| m.max(v.abs()));
            let worst = a.iter().zip(&e).map(|(a, e)| (a - e).abs()).fold(0.0, f64::max);
            assert!(
                worst <= tolerance * largest,
                "{name} {dtype:?} {:?}: {i} is off by {worst:e} of {largest:e}",
                inputs[0].dims()
            );
        }
    }
}
