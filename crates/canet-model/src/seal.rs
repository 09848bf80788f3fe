//! The hash of a file within the file.
//!
//! The key [`HASH`] holds the SHA-256 of the whole file, taken with the hash's own digits as zeros.
//! Files of format 1 have [`CHECKSUM`] instead, 64 bits that this program still checks but no longer
//! writes.

use std::collections::BTreeMap;

use canet_core::GOLDEN_GAMMA;
use sha2::{Digest as _, Sha256};

use crate::init::splitmix;

/// The metadata key of the SHA-256.
pub(crate) const HASH: &str = "canet.sha256";
/// How many hex digits it has.
pub(crate) const HASH_DIGITS: usize = 64;
/// The metadata key of format 1's checksum.
pub(crate) const CHECKSUM: &str = "canet.checksum";
const CHECKSUM_DIGITS: usize = 16;

/// Puts the hash into a file whose header has the key with zeros.
pub(crate) fn seal(bytes: &mut [u8]) {
    let hash = hash(bytes);
    if let (Some(at), Some(hash)) = (digits(bytes, HASH, HASH_DIGITS), hash) {
        bytes[at..at + HASH_DIGITS].copy_from_slice(hash.as_bytes());
    }
}

/// Whether a file is what it was when it was written; true if its metadata has no hash at all.
pub(crate) fn holds(metadata: &BTreeMap<String, String>, bytes: &[u8]) -> bool {
    let is = |key: &str, of: fn(&[u8]) -> Option<String>| {
        metadata.get(key).is_none_or(|written| Some(written) == of(bytes).as_ref())
    };
    is(HASH, hash) && is(CHECKSUM, checksum)
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Where the digits of a key are, if the file has it. Within other values the quotes of the
/// pattern would be escaped.
fn digits(bytes: &[u8], key: &str, count: usize) -> Option<usize> {
    let length = usize::try_from(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?)).ok()?;
    let header = bytes.get(8..length.checked_add(8)?)?;
    let pattern = format!("\"{key}\":\"");
    let at = header.windows(pattern.len()).position(|window| window == pattern.as_bytes())?;
    let digits = 8 + at + pattern.len();
    (digits + count <= bytes.len()).then_some(digits)
}

fn hash(bytes: &[u8]) -> Option<String> {
    let at = digits(bytes, HASH, HASH_DIGITS)?;
    let mut hasher = Sha256::new();
    hasher.update(&bytes[..at]);
    hasher.update([b'0'; HASH_DIGITS]);
    hasher.update(&bytes[at + HASH_DIGITS..]);
    Some(hex(&hasher.finalize()))
}

/// Format 1's checksum. Each step is a bijection of the state, so that no change within one word can
/// go unseen.
fn checksum(bytes: &[u8]) -> Option<String> {
    let digits = digits(bytes, CHECKSUM, CHECKSUM_DIGITS)?;
    let mut state = splitmix(bytes.len() as u64);
    let mut eat = |bytes: &[u8]| {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            state = (state ^ u64::from_le_bytes(word)).wrapping_mul(GOLDEN_GAMMA);
            state ^= state >> 32;
        }
    };
    eat(&bytes[..digits]);
    eat(&bytes[digits + CHECKSUM_DIGITS..]);
    Some(format!("{:016x}", splitmix(state)))
}
