//! The checksum of a file.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// The SHA-256 of a file, in lower-case hex.
pub fn sha256_of(path: &Path) -> Result<String> {
    let fail = canet_core::Error::io;
    let mut file = File::open(path).map_err(fail("read", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(fail("read", path))? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

/// Compares a file with a SHA-256 in hex. `advice` says what becomes of a wrong one.
pub(crate) fn check(path: &Path, expected: &str, advice: &'static str) -> Result<()> {
    let actual = sha256_of(path)?;
    if actual.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let (path, expected) = (path.to_owned(), expected.to_owned());
    Err(Error::WrongFile { path, actual, expected, advice })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_their_published_checksums() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_of(&path).unwrap(), expected);
        check(&path, &expected.to_uppercase(), "").unwrap();
        let error = check(&path, &"0".repeat(64), "remove it").unwrap_err().to_string();
        assert!(error.contains(expected) && error.ends_with("remove it"), "{error}");
        assert!(sha256_of(&dir.path().join("absent")).is_err());
    }
}
