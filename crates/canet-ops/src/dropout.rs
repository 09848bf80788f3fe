//! Dropout whose mask is a function of a key, not of a hidden generator.

use candle_core::{Result, Tensor};
use canet_core::{GOLDEN_GAMMA, mix};

/// Inverted dropout: each element is zeroed with probability `p`, the others scaled by `1 / (1 - p)`.
///
/// Element `i` is kept or dropped by a hash of `(key, i)`, so the same key gives the same mask on
/// any device and after a resume.
pub fn dropout(x: &Tensor, p: f64, key: u64) -> Result<Tensor> {
    if !(0.0..1.0).contains(&p) {
        candle_core::bail!("dropout probability {p} is not in [0, 1)");
    }
    if p == 0.0 {
        return Ok(x.clone());
    }
    let keep = 1.0 / (1.0 - p);
    let hash = |i: u64| mix(key.wrapping_add((i + 1).wrapping_mul(GOLDEN_GAMMA)));
    // The top 53 bits of the hash as a number in [0, 1).
    let mask: Vec<f32> = (0..x.elem_count() as u64)
        .map(|i| if (hash(i) >> 11) as f64 * 2f64.powi(-53) < p { 0.0 } else { keep as f32 })
        .collect();
    x * Tensor::from_vec(mask, x.shape(), x.device())?.to_dtype(x.dtype())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn drops_about_p_and_keeps_the_mean() {
        let x = Tensor::ones((1, 4, 100, 100), DType::F32, &Device::Cpu).unwrap();
        let values =
            |key| dropout(&x, 0.4, key).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let first = values(1);
        let dropped = first.iter().filter(|&&v| v == 0.0).count() as f64 / first.len() as f64;
        assert!((dropped - 0.4).abs() < 0.01, "{dropped}");
        let mean = first.iter().sum::<f32>() / first.len() as f32;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert_eq!(first, values(1));
        assert_ne!(first, values(2));
        assert!(dropout(&x, 1.0, 0).is_err());
    }
}
