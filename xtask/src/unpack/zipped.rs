//! Zip archives.
//!
//! The directory at the end lists all entries, so all are judged before the first is written.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use anyhow::Result;
use zip::ZipArchive;

use super::{Sink, refused};
use crate::fault;

/// The kinds of file that a Unix mode may say; 0 is none said.
const KIND: u32 = 0o170_000;
const REGULAR: [u32; 3] = [0, 0o100_000, 0o040_000];

pub(super) fn unpack(file: File, sink: &mut Sink) -> Result<()> {
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| broken(&e))?;
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
