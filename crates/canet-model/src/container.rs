//! The safetensors container, written canonically: equal content gives equal bytes.
//!
//! (The `safetensors` crate keeps metadata in a hash map and writes it in that map's random order.)
//! A file is its header's length (8 bytes, little-endian), the header (JSON, padded with spaces)
//! and the tensors' bytes. Here the header has `__metadata__` first, sorted by key, then the
//! tensors, wide types first and each type by name, which is also the order of their bytes.
//!
//! A file that is written has its own hash in its header (see [`seal`]). Files without one are read,
//! too: another program may have written them.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::{SafeTensors, tensor::TensorView};
use serde_json::{Map, Value, json};

use crate::seal::{self, HASH, HASH_DIGITS};
use crate::{Error, Result};

/// What a safetensors file holds.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) tensors: BTreeMap<String, Tensor>,
}

impl Container {
    /// Reads and checks a whole file; the tensors are on the CPU. Unknown kinds of numbers are
    /// refused. `path` names the file in errors.
    pub(crate) fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        let fail = |reason: String| Error::checkpoint(path, reason);
        let file = SafeTensors::deserialize(bytes).map_err(|e| fail(why_unreadable(bytes, &e)))?;
        let (_, header) =
            SafeTensors::read_metadata(bytes).map_err(|e| fail(why_unreadable(bytes, &e)))?;
        let metadata: BTreeMap<_, _> =
            header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        if !seal::holds(&metadata, bytes) {
            return Err(fail(
                "is damaged: its content is not what its hash says; copy it again, or fall back to \
                 another checkpoint"
                    .into(),
            ));
        }
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let tensor = to_tensor(&view).map_err(|e| fail(format!("tensor {name}: {e}")))?;
            tensors.insert(name, tensor);
        }
        Ok(Self { metadata, tensors })
    }

    /// The file's bytes.
    pub(crate) fn to_bytes(&self) -> candle_core::Result<Vec<u8>> {
        let mut order: Vec<_> = self.tensors.iter().collect();
        order.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.dtype().size_in_bytes()));
        let mut metadata: Map<String, Value> =
            self.metadata.iter().map(|(k, v)| (k.clone(), v.clone().into())).collect();
        metadata.insert(HASH.into(), "0".repeat(HASH_DIGITS).into());
        metadata.sort_keys();
        let mut header = Map::new();
        header.insert("__metadata__".into(), metadata.into());
        let mut data = Vec::new();
        for (name, tensor) in order {
            let start = data.len();
            let kind = append(tensor, &mut data)?;
            let offsets = [start, data.len()];
            header.insert(
                name.clone(),
                json!({ "dtype": kind, "shape": tensor.dims(), "data_offsets": offsets }),
            );
        }
        let mut header = Value::from(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.append(&mut header);
        bytes.append(&mut data);
        seal::seal(&mut bytes);
        Ok(bytes)
    }
}

/// The kinds of numbers that checkpoints and published weights use.
fn to_tensor(view: &TensorView) -> Result<Tensor, String> {
    let dtype = match view.dtype() {
        safetensors::Dtype::U8 => DType::U8,
        safetensors::Dtype::U32 => DType::U32,
        safetensors::Dtype::I64 => DType::I64,
        safetensors::Dtype::BF16 => DType::BF16,
        safetensors::Dtype::F16 => DType::F16,
        safetensors::Dtype::F32 => DType::F32,
        safetensors::Dtype::F64 => DType::F64,
        other => return Err(format!("numbers of type {other} are not supported")),
    };
    // Strides are products of the sides: one that is absurd overflows them even if another is 0.
    let strides = view.shape().iter().try_fold(1_usize, |n, &side| n.checked_mul(side.max(1)));
    if strides.is_none() {
        return Err(format!("its shape {:?} is impossible", view.shape()));
    }
    Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)
        .map_err(|e| e.to_string())
}

/// Appends a tensor's values, little-endian, and returns the name of their type.
pub(crate) fn append(tensor: &Tensor, bytes: &mut Vec<u8>) -> candle_core::Result<&'static str> {
    macro_rules! append_as {
        ($number:ty, $name:literal) => {{
            let values = tensor.flatten_all()?.to_vec1::<$number>()?;
            bytes.reserve(size_of_val(values.as_slice()));
            for value in values {
                bytes.extend_from_slice(&value.to_le_bytes());
            }
            Ok($name)
        }};
    }
    match tensor.dtype() {
        DType::U8 => append_as!(u8, "U8"),
        DType::U32 => append_as!(u32, "U32"),
        DType::F16 => append_as!(half::f16, "F16"),
        DType::I64 => append_as!(i64, "I64"),
        DType::F32 => append_as!(f32, "F32"),
        DType::F64 => append_as!(f64, "F64"),
        other => candle_core::bail!("tensors of type {other:?} are not written to checkpoints"),
    }
}

/// Tells a file that is cut short from one that never was a safetensors file.
fn why_unreadable(bytes: &[u8], error: &safetensors::SafeTensorError) -> String {
    let length = bytes.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let plausible = length.is_some_and(|n| n < 100_000_000) && bytes.get(8) == Some(&b'{');
    if plausible {
        format!("is cut short or damaged ({error}); copy it again, or fall back to another one")
    } else if bytes.len() < 9 {
        "is empty or cut short; copy it again, or fall back to another one".into()
    } else {
        "is not a safetensors file (convert .pth and .h5 weights first)".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Container {
        let tensor = |values: &[f32]| Tensor::new(values, &Device::Cpu).unwrap();
        let counter = Tensor::new(&[1_i64 << 40], &Device::Cpu).unwrap();
        Container {
            metadata: [("b", "\"canet.sha256\":\"0"), ("a", "é")]
                .map(|(k, v)| (k.into(), v.into()))
                .into(),
            tensors: [
                ("z".into(), counter),
                ("a".into(), tensor(&[1.0, -0.0, f32::NAN])),
                ("b".into(), tensor(&[])),
            ]
            .into(),
        }
    }

    #[test]
    fn content_survives_and_bytes_are_canonical() {
        let bytes = sample().to_bytes().unwrap();
        assert_eq!(bytes, sample().to_bytes().unwrap());
        let back = Container::from_bytes(&bytes, Path::new("x")).unwrap();
        assert_eq!(back.metadata["a"], "é");
        assert_eq!(back.tensors.len(), 3);
        assert_eq!(back.tensors["z"].to_vec1::<i64>().unwrap(), [1 << 40]);
        let bits: Vec<_> = back.tensors["a"].to_vec1::<f32>().unwrap();
        assert_eq!(bits[1].to_bits(), (-0.0_f32).to_bits());
        assert!(bits[2].is_nan());
        assert_eq!(back.to_bytes().unwrap(), bytes);
    }

    #[test]
    fn every_flipped_bit_is_noticed_or_harmless() {
        let bytes = sample().to_bytes().unwrap();
        let mut noticed = 0;
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match Container::from_bytes(&flipped, Path::new("x")) {
                Err(_) => noticed += 1,
                // Only the name of the hash itself can change without an error.
                Ok(read) => {
                    assert!(!read.metadata.contains_key(HASH), "bit {bit}");
                    assert_eq!(read.metadata["a"], "é");
                    assert_eq!(read.tensors["z"].to_vec1::<i64>().unwrap(), [1 << 40]);
                }
            }
        }
        assert!(noticed > 7 * bytes.len(), "{noticed} of {}", 8 * bytes.len());
    }

    #[test]
    fn foreign_files_are_named_as_such() {
        for (bytes, needle) in [
            (&b""[..], "empty or cut short"),
            (b"PK\x03\x04 a zip archive, as .pth files are", "not a safetensors file"),
            (&sample().to_bytes().unwrap()[..200], "cut short or damaged"),
        ] {
            let error = Container::from_bytes(bytes, Path::new("x")).unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
