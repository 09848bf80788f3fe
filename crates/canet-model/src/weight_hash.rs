//! A name for a set of weights: equal weights have equal names, whatever else their files hold.

use std::collections::BTreeMap;

use candle_core::Tensor;
use sha2::{Digest as _, Sha256};

use crate::Result;
use crate::container::append;
use crate::seal::hex;

/// SHA-256, in hex, of tensors in the order of their names: of each its name, type and sides, as a
/// line of text, and its values, little-endian. It does not depend on threads, nor on how the tensors
/// lie in a file.
pub fn weight_hash(tensors: &BTreeMap<String, Tensor>) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut values = Vec::new();
    for (name, tensor) in tensors {
        values.clear();
        let kind = append(tensor, &mut values)?;
        hasher.update(format!("{name} {kind} {:?}\n", tensor.dims()));
        hasher.update(&values);
    }
    Ok(hex(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn names_sides_and_every_bit_count() {
        let hash = |name: &str, values: &[f32], sides: &[usize]| {
            let tensor = Tensor::from_slice(values, sides, &Device::Cpu).unwrap();
            weight_hash(&BTreeMap::from([(name.to_owned(), tensor)])).unwrap()
        };
        // printf 'w F32 [2]\n\0\0\200\77\0\0\0\200' | sha256sum
        let first = hash("w", &[1.0, -0.0], &[2]);
        assert_eq!(first, "260b1fafe0ad7f3ac3da4e4257b74ebd65c343404f3d5c8899ab55bad5770aba");
        let others = [
            hash("v", &[1.0, -0.0], &[2]),
            hash("w", &[1.0, 0.0], &[2]),
            hash("w", &[1.0, -0.0], &[1, 2]),
            hash("w", &[f32::from_bits(1.0_f32.to_bits() + 1), -0.0], &[2]),
        ];
        assert!(others.iter().all(|other| *other != first), "{others:?}");
    }
}
