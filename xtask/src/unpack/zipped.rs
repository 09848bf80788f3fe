//! Zip archives.
//!
//! The directory at the end lists all entries, so all are judged before the first is written.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result};
use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};

use super::{Sink, refused};
use crate::fault;

/// The kinds of file that a Unix mode may say; 0 is none said.
const KIND: u32 = 0o170_000;
const REGULAR: [u32; 3] = [0, 0o100_000, 0o040_000];

pub(super) fn unpack(mut file: File, sink: &mut Sink) -> Result<()> {
    // The whole directory is held in memory, so its length is looked at first. Both readers take the
    // archive to begin where the file begins, or they might not see the same directory.
    let claimed = claimed_entries(&mut file).context("cannot read its end")?;
    if claimed > sink.limits.entries {
        return Err(sink.too_many());
    }
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut archive =
        ZipArchive::with_config(config, BufReader::new(file)).map_err(|e| broken(&e))?;
    if archive.has_duplicate_names() {
        return Err(fault::data("it has two entries of the same name"));
    }
    let wanted = judge(&archive, sink)?;
    // Entries that share their bytes make a small archive write much more than its ratio shows.
    if archive.has_overlapping_files().map_err(|e| broken(&e))? {
        return Err(fault::data("its entries overlap"));
    }
    let (mut done, total) = (0, wanted.iter().map(|(_, _, size)| size).sum());
    for (index, path, size) in wanted {
        let name = path.as_os_str().as_encoded_bytes().to_vec();
        let mut entry =
            archive.by_index(index).map_err(|e| refused(&name, format!("cannot be read: {e}")))?;
        sink.store(&path, size, &mut entry)?;
        done += size;
        sink.bar.set(done, total);
    }
    Ok(())
}

/// The most entries that a directory's end claims: there may be several ends, one of them in a
/// comment, and it is the reader who chooses.
fn claimed_entries(file: &mut File) -> std::io::Result<u64> {
    const END: usize = 22;
    const LONGEST_COMMENT: u64 = 1 << 16;
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(LONGEST_COMMENT + 64);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(LONGEST_COMMENT + 64).read_to_end(&mut tail)?;
    let mut most = 0;
    for (at, end) in tail.windows(END).enumerate().filter(|(_, end)| end.starts_with(b"PK\x05\x06"))
    {
        let short = u64::from(u16::from_le_bytes([end[10], end[11]]));
        most = most.max(match second_count(file, from + at as u64)? {
            // An archive of more entries says so here, and how many in its second end.
            Some(count) if short == u64::from(u16::MAX) => count,
            Some(count) => count.max(short),
            None => short,
        });
    }
    file.rewind()?;
    Ok(most)
}

/// The entries that the second, longer end claims to which a locator before the first one points.
fn second_count(file: &mut File, end: u64) -> std::io::Result<Option<u64>> {
    let at = |bytes: &[u8], place: usize| -> Option<u64> {
        Some(u64::from_le_bytes(bytes.get(place..place + 8)?.try_into().ok()?))
    };
    let Some(locator) = end.checked_sub(20) else { return Ok(None) };
    let locator = read_at::<20>(file, locator)?.filter(|b| b.starts_with(b"PK\x06\x07"));
    let Some(place) = locator.and_then(|bytes| at(&bytes, 8)) else { return Ok(None) };
    let second = read_at::<56>(file, place)?.filter(|b| b.starts_with(b"PK\x06\x06"));
    Ok(second.and_then(|bytes| at(&bytes, 32)))
}

/// The `N` bytes at a place, if there are as many.
fn read_at<const N: usize>(file: &mut File, at: u64) -> std::io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    if at > i64::MAX as u64 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(at))?;
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Judges all entries by what the directory says: (index, path, size) of those to write.
fn judge(
    archive: &ZipArchive<BufReader<File>>,
    sink: &mut Sink,
) -> Result<Vec<(usize, PathBuf, u64)>> {
    let mut wanted = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(|e| broken(&e))?;
        let (name, size, packed) = (entry.name_raw(), entry.size(), entry.compressed_size());
        let fail = |reason: &str| Err(refused(name, reason));
        if entry.is_symlink() {
            return fail("is a link");
        }
        if entry.unix_mode().is_some_and(|mode| !REGULAR.contains(&(mode & KIND))) {
            return fail("is a special file");
        }
        if entry.encrypted() {
            return fail("is encrypted; unpack the archive by hand and pass the folder with --dir");
        }
        if size > sink.limits.ratio_from && size / sink.limits.ratio > packed {
            let reason = format!("claims to grow from {packed} to {size} bytes");
            return Err(refused(name, reason));
        }
        if let Some(path) = sink.admit(name, size)? {
            wanted.push((index, path, size));
        }
    }
    Ok(wanted)
}

fn broken(error: &zip::result::ZipError) -> anyhow::Error {
    fault::data(format!("it is damaged, or no zip archive: {error}"))
}
