//! The prepared folder as a place: that it is ours, that it holds nothing old, that it is finished.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use canet_core::atomic;

use super::record;
use crate::Error;
use crate::manifest::{self, Manifest};

/// The folders that belong to this program as a whole.
const OURS: [&str; 2] = ["images", "masks"];

/// Refuses an output folder in which something of the user's could be lost: old files are removed
/// from `images/` and `masks/`, so these must be ours and must not hold the raw data.
pub(super) fn check_place(raw_root: &Path, out: &Path) -> Result<(), Error> {
    let fail = |reason| Err(Error::Options { option: "out", reason });
    let full = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let raw = full(raw_root);
    if full(out).starts_with(&raw) {
        return fail(format!(
            "{} is inside the raw data, {}; choose a folder beside it",
            out.display(),
            raw_root.display()
        ));
    }
    if OURS.iter().any(|name| raw.starts_with(full(&out.join(name)))) {
        return fail(format!("the raw data, {}, is inside it; choose another", raw_root.display()));
    }
    let known = [record::FILE_NAME, manifest::FILE_NAME].iter().any(|n| out.join(n).exists());
    if !known && OURS.iter().any(|name| out.join(name).exists()) {
        return fail(format!(
            "{} has images or masks that this program did not make; choose an empty folder",
            out.display()
        ));
    }
    Ok(())
}

/// Takes the manifest away: from here on the folder is not whole.
pub(super) fn remove_manifest(out: &Path) -> Result<(), Error> {
    let path = out.join(manifest::FILE_NAME);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Removes what no longer belongs to the folder and writes the manifest, unless all is so already.
pub(super) fn finish(out: &Path, manifest: &Manifest) -> Result<(), Error> {
    let path = out.join(manifest::FILE_NAME);
    let bytes = manifest.to_json();
    let mut belongs = BTreeSet::new();
    for entry in manifest.splits.values().flatten() {
        belongs.extend([out.join(&entry.image), out.join(&entry.mask)]);
    }
    if fs::read(&path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    remove_manifest(out)?;
    for name in OURS {
        remove_others(&out.join(name), &belongs)?;
    }
    atomic::sweep(out)?;
    Ok(atomic::write(&path, &bytes)?)
}

/// Removes the files below a folder that do not belong there, and folders that become empty.
fn remove_others(folder: &Path, belongs: &BTreeSet<PathBuf>) -> Result<(), Error> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry.map_err(Error::io("list", folder))?;
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_others(&path, belongs)?;
            // Fails, as it should, for a folder that still holds something.
            fs::remove_dir(&path).ok();
        } else if !belongs.contains(&path) {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}
