//! Archives written byte by byte, so that they may say what no honest writer says.

use std::io::Write;

use canet_data::draw::Draws;
use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, Crc};

/// One entry of a zip, with everything that its headers claim.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) method: u16,
    pub(crate) crc: u32,
    pub(crate) packed: u32,
    pub(crate) size: u32,
    /// The Unix mode; 0 says none.
    pub(crate) mode: u32,
    pub(crate) flags: u16,
    pub(crate) extra: Vec<u8>,
    /// The name in front of the body, if it is another than that of the directory.
    pub(crate) local_name: Option<Vec<u8>>,
    /// Where the directory says that the entry lies, if not where it does.
    pub(crate) offset: Option<u32>,
}

/// An entry as it is.
pub(crate) fn stored(name: impl AsRef<[u8]>, bytes: &[u8]) -> Entry {
    let mut crc = Crc::new();
    crc.update(bytes);
    Entry {
        name: name.as_ref().to_vec(),
        body: bytes.to_vec(),
        method: 0,
        crc: crc.sum(),
        packed: bytes.len() as u32,
        size: bytes.len() as u32,
        mode: 0o100_644,
        flags: 0,
        extra: Vec::new(),
        local_name: None,
        offset: None,
    }
}

/// An entry packed by deflate.
pub(crate) fn packed(name: impl AsRef<[u8]>, bytes: &[u8]) -> Entry {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    let body = encoder.finish().unwrap();
    Entry { method: 8, packed: body.len() as u32, body, ..stored(name, bytes) }
}

/// A field of a zip's extra data.
pub(crate) fn extra(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes(), &(data.len() as u16).to_le_bytes(), data].concat()
}

fn shorts(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn longs(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// The end of a zip's directory.
pub(crate) fn end(entries: u16, length: usize, start: usize, comment: &[u8]) -> Vec<u8> {
    let lengths = longs(&[length as u32, start as u32]);
    let counts = shorts(&[0, 0, entries, entries]);
    let end = shorts(&[comment.len() as u16]);
    [b"PK\x05\x06", &counts[..], &lengths, &end, comment].concat()
}

/// The ends of a directory with more entries, or longer ones, than old readers can count.
pub(crate) fn end64(entries: u64, length: u64, start: u64, at: u64) -> Vec<u8> {
    let mut bytes = b"PK\x06\x06".to_vec();
    bytes.extend(44_u64.to_le_bytes());
    bytes.extend(shorts(&[45, 45]));
    bytes.extend(longs(&[0, 0]));
    bytes.extend([entries, entries, length, start].iter().flat_map(|v| v.to_le_bytes()));
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(at.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    let counts = [&shorts(&[0, 0, u16::MAX, u16::MAX])[..], &[0xFF; 8], &[0, 0]].concat();
    bytes.extend([b"PK\x05\x06", &counts[..]].concat());
    bytes
}

/// The bodies and the directory of a zip: what comes before its end.
pub(crate) fn pieces(entries: &[Entry]) -> (Vec<u8>, Vec<u8>) {
    let (mut bodies, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let at = entry.offset.unwrap_or(bodies.len() as u32);
        let name = entry.local_name.as_ref().unwrap_or(&entry.name);
        let about = |name: &[u8]| {
            let first = shorts(&[20, entry.flags, entry.method, 0, 0x21]);
            let sizes = longs(&[entry.crc, entry.packed, entry.size]);
            [first, sizes, shorts(&[name.len() as u16, entry.extra.len() as u16])].concat()
        };
        bodies.extend([b"PK\x03\x04", &about(name)[..], name, &entry.extra, &entry.body].concat());
        let made_by = shorts(&[if entry.mode == 0 { 0x14 } else { 0x314 }]);
        let place = [shorts(&[0, 0, 0]), longs(&[entry.mode << 16, at])].concat();
        directory.extend([b"PK\x01\x02", &made_by[..], &about(&entry.name), &place].concat());
        directory.extend([&entry.name[..], &entry.extra].concat());
    }
    (bodies, directory)
}

/// A zip of these entries.
pub(crate) fn zip(entries: &[Entry]) -> Vec<u8> {
    let (bodies, directory) = pieces(entries);
    let end = end(entries.len() as u16, directory.len(), bodies.len(), b"");
    [bodies, directory, end].concat()
}

/// A tar header of the POSIX kind, padded name and all.
pub(crate) fn header(kind: u8, name: &[u8], size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_size(size);
    header.set_mode(0o644);
    if matches!(kind, b'1' | b'2') {
        header.set_link_name("../../outside.txt").unwrap();
    }
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// A tar entry: header and padded body.
pub(crate) fn member(kind: u8, name: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = header(kind, name, body.len() as u64);
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// A tar of these entries, with its end.
pub(crate) fn tar(members: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = members.concat();
    bytes.extend([0; 1024]);
    bytes
}

/// A record of a POSIX extended header, which counts itself.
pub(crate) fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let digits = |n: usize| n.to_string().len();
    let mut length = rest.len() + digits(rest.len());
    length = rest.len() + digits(length);
    format!("{length}{rest}").into_bytes()
}

pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that do not compress.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    let mut draws = Draws::new(1, 0, 0, "noise");
    (0..count).map(|_| draws.bits() as u8).collect()
}
