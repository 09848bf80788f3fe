//! Dropout, of elements or of whole samples, whose mask is a function of a key, not of a hidden
//! generator.

use candle_core::Result;
use canet_core::{GOLDEN_GAMMA, mix};

use crate::array::by_dtype;
use crate::elementwise::edited;
#[cfg(feature = "cuda")]
use crate::fallback::on_cuda;
use crate::fallback::{by_reference, on_cpu};
use crate::graph::{Gradient, Value};
use crate::real::Real;
use crate::reference;

/// What the mask of a dropout is a function of.
#[derive(Debug, Clone, Copy)]
pub struct MaskKey {
    draw: u64,
    site: Option<u64>,
}

impl From<u64> for MaskKey {
    /// The key itself.
    fn from(key: u64) -> Self {
        Self { draw: key, site: None }
    }
}

impl MaskKey {
    /// The key of a place in a network, in a pass with this draw. (A GPU that replays a pass puts other
    /// draws in.)
    pub fn drawn(draw: u64, site: u64) -> Self {
        Self { draw, site: Some(site) }
    }

    /// Draw and site, if it has one, for kernels that make the key themselves.
    #[cfg(feature = "cuda")]
    pub(crate) fn parts(self) -> (u64, Option<u64>) {
        (self.draw, self.site)
    }

    fn bits(self) -> u64 {
        let splitmix = |value: u64| mix(value.wrapping_add(GOLDEN_GAMMA));
        self.site.map_or(self.draw, |site| splitmix(splitmix(self.draw) ^ site))
    }
}

/// Inverted dropout: each element is zeroed with probability `p`, the others scaled by `1 / (1 - p)`.
///
/// Element `i` is kept or dropped by a hash of `(key, i)`, so the same key gives the same mask on
/// any device and after a resume.
pub fn dropout(x: &Value, p: f64, key: impl Into<MaskKey>) -> Result<Value> {
    let key = key.into();
    check(p)?;
    if p == 0.0 {
        return Ok(x.clone());
    }
    #[cfg(feature = "cuda")]
    if on_cuda(&[x]) {
        return crate::cuda::drop(x, p, key, false);
    }
    if !on_cpu(&[x]) {
        return by_reference(&[x], |t| reference::dropout(&t[0], p, key.bits()));
    }
    by_dtype!(x.tensor().dtype(), T => kernel::<T>(x, p, key.bits()))
}

/// Stochastic depth (Huang et al., arXiv 1603.09382), for the branch of a residual block: each
/// sample of `x` `(N, ...)` is zeroed with probability `p`, the others are scaled by `1 / (1 - p)`
/// (torchvision's mode "row").
///
/// Sample `i` is kept or dropped by a hash of `(key, i)`, as elements are by [`dropout`].
pub fn drop_samples(x: &Value, p: f64, key: impl Into<MaskKey>) -> Result<Value> {
    let key = key.into();
    check(p)?;
    if p == 0.0 {
        return Ok(x.clone());
    }
    #[cfg(feature = "cuda")]
    if on_cuda(&[x]) {
        return crate::cuda::drop(x, p, key, true);
    }
    if !on_cpu(&[x]) {
        return by_reference(&[x], |t| reference::drop_samples(&t[0], p, key.bits()));
    }
    by_dtype!(x.tensor().dtype(), T => samples_kernel::<T>(x, p, key.bits()))
}

fn check(p: f64) -> Result<()> {
    if !(0.0..1.0).contains(&p) {
        candle_core::bail!("dropout probability {p} is not in [0, 1)");
    }
    Ok(())
}

fn samples_kernel<T: Real>(x: &Value, p: f64, key: u64) -> Result<Value> {
    let size = x.tensor().elem_count() / x.tensor().dim(0)?.max(1);
    let scale = T::of_f64(1.0 / (1.0 - p));
    let mask = move |at: usize, values: &mut [T]| {
        // A block may begin within a sample and end in another.
        let (mut at, mut rest) = (at, values);
        while !rest.is_empty() {
            let sample = at / size;
            let (part, after) = rest.split_at_mut(rest.len().min((sample + 1) * size - at));
            if is_dropped(key, sample as u64, p) {
                part.fill(T::ZERO);
            } else {
                for value in part.iter_mut() {
                    *value *= scale;
                }
            }
            at += part.len();
            rest = after;
        }
    };
    let y = edited(Gradient::Shared(x.tensor().contiguous()?), mask)?;
    Ok(Value::of(y, &[x], move |gy| Ok(vec![Some(Gradient::Own(edited(gy, mask)?))])))
}

/// The mask is drawn again for the gradient: it costs less than to keep it.
fn kernel<T: Real>(x: &Value, p: f64, key: u64) -> Result<Value> {
    let scale = T::of_f64(1.0 / (1.0 - p));
    let mask = move |at: usize, values: &mut [T]| {
        for (i, value) in (at as u64..).zip(values) {
            *value = if is_dropped(key, i, p) { T::ZERO } else { *value * scale };
        }
    };
    let y = edited(Gradient::Shared(x.tensor().contiguous()?), mask)?;
    Ok(Value::of(y, &[x], move |gy| Ok(vec![Some(Gradient::Own(edited(gy, mask)?))])))
}

/// Whether element `i` is dropped.
#[inline(always)]
pub(crate) fn is_dropped(key: u64, i: u64, p: f64) -> bool {
    let hash = mix(key.wrapping_add((i + 1).wrapping_mul(GOLDEN_GAMMA)));
    // The top 53 bits as a number in [0, 1).
    (hash >> 11) as f64 * 2f64.powi(-53) < p
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device, Tensor};

    #[test]
    fn drops_about_p_and_keeps_the_mean() {
        let x = Tensor::ones((1, 4, 100, 100), DType::F32, &Device::Cpu).unwrap();
        let x = Value::from(x);
        let values = |key| -> Vec<f32> {
            let y = dropout(&x, 0.4, key).unwrap().into_tensor();
            y.flatten_all().unwrap().to_vec1().unwrap()
        };
        let first = values(1);
        let dropped = first.iter().filter(|&&v| v == 0.0).count() as f64 / first.len() as f64;
        assert!((dropped - 0.4).abs() < 0.01, "{dropped}");
        let mean = first.iter().sum::<f32>() / first.len() as f32;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert_eq!(first, values(1));
        assert_ne!(first, values(2));
        assert!(dropout(&x, 1.0, 0).is_err());
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "kept values are one product, to the bit")]
    fn samples_are_dropped_whole() {
        let x = Tensor::ones((2000, 3, 5, 7), DType::F32, &Device::Cpu).unwrap();
        let x = Value::from(x);
        let rows = |key| -> Vec<Vec<f32>> {
            let y = drop_samples(&x, 0.25, key).unwrap().into_tensor();
            y.flatten_from(1).unwrap().to_vec2().unwrap()
        };
        let first = rows(1);
        assert!(first.iter().all(|row| row.iter().all(|&v| v == row[0])));
        assert!(first.iter().all(|row| row[0] == 0.0 || row[0] == (1.0_f64 / 0.75) as f32));
        let dropped = first.iter().filter(|row| row[0] == 0.0).count() as f64 / 2000.0;
        assert!((dropped - 0.25).abs() < 0.03, "{dropped}");
        assert_eq!(first, rows(1));
        assert_ne!(first, rows(2));
        assert!(drop_samples(&x, -0.1, 0).is_err());
    }
}
