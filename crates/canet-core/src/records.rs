//! A binary file that grows record by record, in the framing of TensorFlow's `TFRecord`.
//!
//! What [`journal`](crate::journal) is for lines. A record is its length (u64), the masked CRC-32C of
//! the length (u32), the bytes, and the masked CRC-32C of the bytes (u32), all little endian. A writer that
//! is killed leaves at most one torn record, at the end: [`Records::open`] knows it by its length or its
//! sums and cuts it off. Records are not synced.
//!
//! The sums are masked because a CRC of bytes that hold their own CRC says little: they are turned
//! right by 15 bits, and a constant is added
//! (<https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/lib/hash/crc32c.h>).

use std::io::{self, Read};
use std::path::Path;

use crate::Error;
use crate::growing::Growing;

/// Longer records are taken for torn ones: the file is this program's own, and none is as long.
const LONGEST: u64 = 1 << 30;

/// An open file of records.
#[derive(Debug)]
pub struct Records(Growing);

impl Records {
    /// Opens a file, or begins an empty one, and gives every whole record to `record`.
    pub fn open(path: &Path, mut record: impl FnMut(&[u8])) -> Result<Self, Error> {
        let records = Growing::open(path, |reader| {
            let mut end = 0;
            while let Some(bytes) = next(reader)? {
                record(&bytes);
                end += bytes.len() as u64 + 16;
            }
            Ok(end)
        })?;
        Ok(Self(records))
    }

    /// Appends one record; a failure (a full disk) leaves none of it.
    pub fn append(&mut self, record: &[u8]) -> Result<(), Error> {
        self.0.append(&framed(record))
    }
}

/// The bytes of a record in its frame.
fn framed(record: &[u8]) -> Vec<u8> {
    let length = (record.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), record, &masked(record)].concat()
}

/// The next whole record; none at the end, or where a record is torn.
fn next(reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let (Some(length), Some(sum)) = (exactly::<8>(reader)?, exactly::<4>(reader)?) else {
        return Ok(None);
    };
    let size = u64::from_le_bytes(length);
    if sum != masked(&length) || size > LONGEST {
        return Ok(None);
    }
    let mut record = Vec::new();
    reader.take(size).read_to_end(&mut record)?;
    let whole = record.len() as u64 == size && exactly(reader)? == Some(masked(&record));
    Ok(whole.then_some(record))
}

/// The next `N` bytes; none if there are fewer.
fn exactly<const N: usize>(reader: &mut impl Read) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    match reader.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The masked sum of `bytes`, as it stands in the file.
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// CRC-32C (Castagnoli's polynomial, RFC 3720 appendix B.4).
pub fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

/// What a byte does to the sum: the reflected polynomial, bit by bit.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 3720, and the usual check value.
    #[test]
    fn the_sum_is_that_of_the_rfc() {
        let up: Vec<u8> = (0..32).collect();
        let down: Vec<u8> = (0..32).rev().collect();
        for (bytes, sum) in [
            (&[0; 32][..], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&up, 0x46dd_794e),
            (&down, 0x113f_db5c),
            (b"123456789", 0xe306_9283),
            (b"", 0),
        ] {
            assert_eq!(crc32c(bytes), sum, "{bytes:?}");
        }
    }

    fn records(path: &Path) -> (Records, Vec<Vec<u8>>) {
        let mut found = Vec::new();
        let records = Records::open(path, |record| found.push(record.to_owned())).unwrap();
        (records, found)
    }

    #[test]
    fn a_file_cut_anywhere_has_its_whole_records_and_goes_on() {
        let dir = std::env::temp_dir().join(format!("canet-records-{}", std::process::id()));
        let path = dir.join("deep/records");
        let (mut file, found) = records(&path);
        assert!(found.is_empty());
        let all: [&[u8]; 3] = [b"one", b"", b"three\n"];
        let ends = all.map(|record| {
            file.append(record).unwrap();
            std::fs::metadata(&path).unwrap().len() as usize
        });
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(ends, [19, 35, 57]);
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut file, found) = records(&path);
            let expected: Vec<_> =
                ends.iter().zip(all).filter(|(end, _)| **end <= cut).map(|(_, r)| r).collect();
            assert_eq!(found, expected, "{cut}");
            file.append(b"more").unwrap();
            assert_eq!(records(&path).1, [&expected[..], &[b"more"]].concat(), "{cut}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_changed_bit_ends_the_file_there() {
        let dir = std::env::temp_dir().join(format!("canet-bits-{}", std::process::id()));
        let path = dir.join("records");
        let whole = [framed(b"first"), framed(b"second")].concat();
        std::fs::create_dir_all(&dir).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, bytes).unwrap();
            let expected: &[&[u8]] = if bit / 8 < 21 { &[] } else { &[b"first"] };
            assert_eq!(records(&path).1, expected, "{bit}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
