//! The bytes of tar files, as GNU tar and all others read them.

use super::Range;

/// Tar works in blocks of this many bytes.
const BLOCK: u64 = 512;

/// Two empty blocks end a tar file.
pub(crate) const END: u64 = 2 * BLOCK;

/// The longest name that a header holds as it is.
const NAME: usize = 100;

/// How many bytes stand before a file's content.
pub(super) fn head_bytes(name: &str) -> u64 {
    match name.len() {
        ..=NAME => BLOCK,
        longer => 2 * BLOCK + (longer as u64 + 1).next_multiple_of(BLOCK),
    }
}

/// What stands before a file's content. A name too long for a header precedes it in a file of its
/// own, as GNU tar does it.
pub(crate) fn head(name: &str, bytes: u64) -> Vec<u8> {
    let mut head = Vec::new();
    if name.len() > NAME {
        let long = name.len() as u64 + 1;
        head.extend(block(b"././@LongLink", long, b'L'));
        head.extend(name.as_bytes());
        head.push(0);
        head.extend(padding(long));
    }
    let cut = &name.as_bytes()[..name.len().min(NAME)];
    head.extend(block(cut, bytes, b'0'));
    head
}

/// The zeros behind a file's content.
pub(crate) fn padding(bytes: u64) -> Vec<u8> {
    vec![0; (bytes.next_multiple_of(BLOCK) - bytes) as usize]
}

/// A header of the format that GNU tar, Python and all others read: mode 644, owner 0, time 0.
fn block(name: &[u8], bytes: u64, kind: u8) -> [u8; BLOCK as usize] {
    let mut block = [0; BLOCK as usize];
    let mut put = |at: usize, value: &[u8]| block[at..at + value.len()].copy_from_slice(value);
    put(0, name);
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{bytes:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar  \0");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Where a file with its padding ends.
pub(super) fn end_of(range: Range) -> u64 {
    range.at + range.bytes.next_multiple_of(BLOCK)
}
