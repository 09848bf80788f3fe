//! The prepared folder as a place: that it is ours, that it holds nothing old, that it is finished.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use canet_core::atomic;
use rayon::prelude::*;

use super::ledger;
use crate::manifest::{self, Manifest};
use crate::{Error, shard};

/// The folders that belong to this program as a whole.
const OURS: [&str; 3] = ["images", "masks", shard::FOLDER];

/// Refuses an output folder in which something of the user's could be lost: old files are removed
/// from our folders, so these must be ours and must not hold the raw data.
pub(super) fn check_place(raw_root: &Path, out: &Path) -> Result<(), Error> {
    let fail = |reason| Err(Error::Options { option: "out", reason });
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
    check_out(out)
}

/// Refuses an output folder that is neither empty nor a prepared one. Programs ask this before
/// anything takes long; [`prepare`](super::prepare) asks it again.
pub fn check_out(out: &Path) -> Result<(), Error> {
    let ours = [ledger::FILE_NAME, manifest::FILE_NAME].iter().any(|n| out.join(n).exists());
    if ours || !out.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(out).map_err(Error::io("list", out))? {
        let name = entry.map_err(Error::io("list", out))?.file_name();
        // Systems leave hidden files about, and a run that was killed at once one of ours.
        if !name.as_encoded_bytes().starts_with(b".") {
            return Err(Error::Options {
                option: "out",
                reason: format!(
                    "{} is not a prepared folder, but holds {}; choose an empty folder",
                    out.display(),
                    name.display()
                ),
            });
        }
    }
    Ok(())
}

/// A path without links, relative parts and steps back, also of what does not exist yet.
fn full(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let known = |at: &Path| Some((fs::canonicalize(at).ok()?, absolute.strip_prefix(at).ok()?));
    let Some((real, rest)) = absolute.ancestors().find_map(known) else { return absolute };
    rest.components().fold(real, |path, part| match part {
        Component::ParentDir => path.parent().map_or_else(PathBuf::new, Path::to_owned),
        part => path.join(part),
    })
}

/// Takes the manifest away: from here on the folder is not whole, also after a loss of power.
pub(super) fn remove_manifest(out: &Path) -> Result<(), Error> {
    let path = out.join(manifest::FILE_NAME);
    match fs::remove_file(&path) {
        Ok(()) => Ok(atomic::sync_folder(out)?),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::io("remove", path)(e)),
    }
}

/// Brings files that were written for later to the disk, and their folders.
pub(super) fn sync(out: &Path, names: &[String]) -> Result<(), Error> {
    names.par_iter().try_for_each(|name| atomic::sync(&out.join(name)))?;
    let mut folders = BTreeSet::from([out.to_owned()]);
    for name in names {
        // A new folder is a new name in the one above it.
        folders.extend(Path::new(name).ancestors().skip(1).map(|folder| out.join(folder)));
    }
    folders.iter().try_for_each(|folder| Ok(atomic::sync_folder(folder)?))
}

/// Writes the manifest, unless it is so already, and removes what no longer belongs to the folder.
pub(super) fn finish(out: &Path, manifest: &Manifest) -> Result<(), Error> {
    let path = out.join(manifest::FILE_NAME);
    let bytes = manifest.to_json();
    if !fs::read(&path).is_ok_and(|old| old == bytes) {
        atomic::write(&path, &bytes)?;
    }
    drop(bytes);
    let mut belongs: BTreeSet<&str> = manifest.shards.iter().map(|s| s.file.as_str()).collect();
    let loose = manifest.splits.values().flatten().filter(|entry| entry.packed.is_none());
    belongs.extend(loose.flat_map(|entry| [entry.image.as_str(), entry.mask.as_str()]));
    for name in OURS {
        remove_others(&out.join(name), name, &belongs)?;
    }
    atomic::sweep(out)?;
    Ok(())
}

/// Removes the files below a folder that do not belong there, and folders that become empty. `at` is
/// the folder as names have it.
fn remove_others(folder: &Path, at: &str, belongs: &BTreeSet<&str>) -> Result<(), Error> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry.map_err(Error::io("list", folder))?;
        let (path, file_name) = (entry.path(), entry.file_name());
        let name = file_name.to_str().map(|name| format!("{at}/{name}"));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_others(&path, &name.unwrap_or_default(), belongs)?;
        } else if !name.is_some_and(|name| belongs.contains(name.as_str())) {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    // Fails, as it should, for a folder that still holds something.
    fs::remove_dir(folder).ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use canet_core::Fault;

    /// The same place as seen from the folder that the test runs in.
    fn relative(path: &Path) -> PathBuf {
        let here = std::env::current_dir().unwrap();
        let up = here.components().skip(1).map(|_| Component::ParentDir);
        up.collect::<PathBuf>().join(path.strip_prefix("/").unwrap_or(path))
    }

    #[test]
    fn places_in_or_above_the_raw_data_are_refused_however_they_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        let raw = root.join("raw");
        fs::create_dir(&raw).unwrap();
        for out in ["raw", "raw/new/deep", "new/../raw/out"] {
            for out in [root.join(out), relative(&root.join(out))] {
                for raw in [&raw, &relative(&raw)] {
                    let error = check_place(raw, &out).unwrap_err();
                    assert!(error.to_string().contains("inside the raw data"), "{error}");
                }
            }
        }
        let deep = root.join("out/images/raw");
        fs::create_dir_all(&deep).unwrap();
        let error = check_place(&deep, &relative(&root.join("out"))).unwrap_err();
        assert!(error.to_string().contains("is inside it"), "{error}");
        for out in [root.join("new"), relative(&root.join("rawer/deep"))] {
            check_place(&relative(&raw), &out).unwrap();
        }
    }

    #[test]
    fn folders_of_something_else_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        check_out(&dir.path().join("new")).unwrap();
        fs::write(dir.path().join(".prepare.lock.json.part"), "{").unwrap();
        check_out(dir.path()).unwrap();
        fs::write(dir.path().join("thesis.txt"), "").unwrap();
        let error = check_out(dir.path()).unwrap_err();
        assert!(error.to_string().contains("but holds thesis.txt"), "{error}");
        assert_eq!(error.fault(), Fault::Usage);
        fs::write(dir.path().join(ledger::FILE_NAME), "{}").unwrap();
        check_out(dir.path()).unwrap();
    }
}
