//! The one way a file of this project reaches the disk: whole or not at all.
//!
//! The bytes go to `.<name>.part` beside the target, are synced, and are renamed over it; then the
//! folder is synced. The temporary name is fixed, so a killed writer leaves at most one stray file a
//! target, and the next write of that target, or [`sweep`], removes it. (Crates that pick random
//! names leave one more with every kill; `safetensors` 0.8 does, and does not sync either.)
//!
//! Who writes thousands of files that mean nothing before a last one may sync them together:
//! [`write_later`] is whole or not at all if the process dies, and [`sync`] brings its files to the
//! disk, which takes a fraction of syncing each, since the system has written most of them by then.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::disk::{Disk, System};

const SUFFIX: &str = ".part";

/// Writes `bytes` to `path`, making its folder if need be. After a crash the file is the old one or
/// the new one, never a mixture.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_on(&System, path, bytes)
}

/// As [`write()`], on a disk of the caller's.
pub fn write_on(disk: &impl Disk, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fill(disk, path, |file| {
        file.write_all(bytes)?;
        disk.sync(file)
    })?;
    place(disk, path)?;
    sync_folder_on(disk, folder_of(path))
}

/// As [`write_on`], and what `path` held before is in `older` then, in the same folder.
///
/// At every moment the old content is whole under one of the two names, and so is the new one from
/// the moment it has a name: the old file gets `older` as a second name (a hard link, renamed into
/// place) before the new one takes `path`. Where the system has no hard links the old file is
/// renamed, and for a moment there is `older` alone.
pub fn write_keeping(
    disk: &impl Disk,
    path: &Path,
    older: &Path,
    bytes: &[u8],
) -> Result<(), Error> {
    fill(disk, path, |file| {
        file.write_all(bytes)?;
        disk.sync(file)
    })?;
    if let Err(error) = keep(disk, path, older) {
        disk.remove(&part_name(path)).ok();
        return Err(error);
    }
    place(disk, path)?;
    sync_folder_on(disk, folder_of(path))
}

/// As [`write()`], for content that is produced piece by piece.
pub fn write_with(
    path: &Path,
    content: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<(), Error> {
    fill(&System, path, |file| {
        content(file)?;
        file.sync_all()
    })?;
    place(&System, path)?;
    sync_folder(folder_of(path))
}

/// As [`write()`], but safe from a loss of power only after [`sync`] of the file and [`sync_folder`]
/// of its folder.
pub fn write_later(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fill(&System, path, |file| file.write_all(bytes))?;
    place(&System, path)
}

/// Brings a file that [`write_later`] wrote to the disk.
pub fn sync(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|f| f.sync_all()).map_err(Error::io("sync", path))
}

/// Writes the content under the temporary name.
fn fill<D: Disk>(
    disk: &D,
    path: &Path,
    content: impl FnOnce(&mut D::File) -> std::io::Result<()>,
) -> Result<(), Error> {
    let folder = folder_of(path);
    disk.create_folder(folder).map_err(Error::io("create folder", folder))?;
    let part = part_name(path);
    let written = disk.create(&part).and_then(|mut file| content(&mut file));
    if written.is_err() {
        // The old file stands; the new one must not take room on a disk that may be full.
        disk.remove(&part).ok();
    }
    written.map_err(Error::io("write", path))
}

/// Renames the temporary file over its target.
fn place(disk: &impl Disk, path: &Path) -> Result<(), Error> {
    let part = part_name(path);
    let renamed = disk.rename(&part, path);
    if renamed.is_err() {
        disk.remove(&part).ok();
    }
    renamed.map_err(Error::io("rename into place", path))
}

/// Makes `older` a name of the file `path`, if there is one.
fn keep(disk: &impl Disk, path: &Path, older: &Path) -> Result<(), Error> {
    let link = part_name(older);
    // A killed writer's; a link needs a free name.
    disk.remove(&link).ok();
    match disk.link(path, &link) {
        Ok(()) => {
            let renamed = disk.rename(&link, older);
            // It is still there after a failure, and if both names were one file's already: then a
            // rename does nothing, by POSIX.
            disk.remove(&link).ok();
            renamed.map_err(Error::io("rename into place", older))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(_) => disk.rename(path, older).map_err(Error::io("rename into place", older)),
    }
}

/// Removes what a killed writer left in `folder`, and returns how many files that were.
pub fn sweep(folder: &Path) -> Result<usize, Error> {
    let mut removed = 0;
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        if is_stray(&entry.file_name()) {
            fs::remove_file(entry.path()).map_err(Error::io("remove", entry.path()))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether a file's name is one that a killed writer leaves.
pub fn is_stray(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') && name.ends_with(SUFFIX)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn part_name(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(SUFFIX);
    path.with_file_name(name)
}

/// Makes renames and removals in a folder durable; folders can be synced on Unix only.
pub fn sync_folder(folder: &Path) -> Result<(), Error> {
    sync_folder_on(&System, folder)
}

fn sync_folder_on(disk: &impl Disk, folder: &Path) -> Result<(), Error> {
    disk.sync_folder(folder).map_err(Error::io("sync", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("canet-atomic-{name}-{}", std::process::id()));
        fs::remove_dir_all(&dir).ok();
        dir
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_stray() {
        let dir = scratch("failed");
        let path = dir.join("deep/er/file.txt");
        write(&path, b"old").unwrap();
        let error = write_with(&path, |file| {
            file.write_all(b"half")?;
            Err(std::io::Error::other("the disk is full"))
        })
        .unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_is_written_for_later_is_whole_at_once() {
        let dir = scratch("later");
        let path = dir.join("deep/file.txt");
        for text in ["old", "new"] {
            write_later(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        }
        sync(&path).unwrap();
        sync_folder(path.parent().unwrap()).unwrap();
        assert!(sync(&dir.join("none")).unwrap_err().to_string().contains("cannot sync"));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_target_that_is_a_folder_is_left_alone() {
        let dir = scratch("folder");
        let path = dir.join("target");
        fs::create_dir_all(path.join("full")).unwrap();
        let error = write(&path, b"new").unwrap_err().to_string();
        assert!(error.contains("cannot rename into place"), "{error}");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "no stray is left");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_older_file_is_kept_under_its_own_name() {
        let dir = scratch("keeping");
        let (path, older) = (dir.join("file.txt"), dir.join("older.txt"));
        let state = || [&path, &older].map(|p| fs::read_to_string(p).unwrap_or_default());
        for (text, expected) in [("1", ["1", ""]), ("2", ["2", "1"]), ("3", ["3", "2"])] {
            write_keeping(&System, &path, &older, text.as_bytes()).unwrap();
            assert_eq!(state(), expected);
        }
        // As a kill between the two renames leaves it, with the new file's stray.
        fs::remove_file(&older).unwrap();
        fs::hard_link(&path, &older).unwrap();
        fs::write(dir.join(".older.txt.part"), b"stray").unwrap();
        write_keeping(&System, &path, &older, b"4").unwrap();
        assert_eq!(state(), ["4", "3"]);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn sweep_removes_strays_only() {
        let dir = scratch("sweep");
        write(&dir.join("kept.part"), b"kept").unwrap();
        fs::write(dir.join(".killed.png.part"), b"half").unwrap();
        assert_eq!(sweep(&dir).unwrap(), 1);
        assert!(dir.join("kept.part").exists());
        fs::remove_dir_all(dir).unwrap();
    }
}
