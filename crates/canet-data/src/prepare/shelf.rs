//! The shelf: which results lie in the prepared folder already, and whether they are to be believed.
//!
//! The manifest is taken away before the first change and written after the last, when all files are
//! on the disk. So where there is one, a result of the right size is what the ledger says. Where there is none, a
//! run was interrupted: a file may be newer than the ledger, and after a loss of power older or empty. There
//! a result is believed if it has the ledger's SHA-256, which costs a fraction of making it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use canet_core::atomic;
use rayon::prelude::*;

use super::folder;
use super::record::Written;
use crate::Error;
use crate::hash::Digest;
use crate::manifest::Manifest;
use crate::shard::Range;

/// What lies in a prepared folder.
pub(super) struct Shelf {
    pub(super) out: PathBuf,
    whole: bool,
    /// Whether something was or will be changed, and so the manifest is not there.
    changes: bool,
    /// Whether files lie loose that were in shards, and may not be on the disk yet.
    unpacked: bool,
    /// The files in shards, by name.
    packed: BTreeMap<String, PackedFile>,
}

struct PackedFile {
    shard: PathBuf,
    range: Range,
    sha256: String,
}

impl Shelf {
    pub(super) fn open(out: &Path) -> Self {
        let mut shelf = Self {
            out: out.to_owned(),
            whole: false,
            changes: true,
            unpacked: false,
            packed: BTreeMap::new(),
        };
        let Ok(manifest) = Manifest::read(out) else { return shelf };
        (shelf.whole, shelf.changes) = (true, false);
        let has_size =
            |file: &str, bytes| fs::metadata(out.join(file)).is_ok_and(|m| m.len() == bytes);
        let sound: Vec<bool> =
            manifest.shards.iter().map(|shard| has_size(&shard.file, shard.bytes)).collect();
        for entry in manifest.splits.into_values().flatten() {
            let Some(packed) = entry.packed.filter(|packed| sound[packed.shard]) else { continue };
            let shard = out.join(&manifest.shards[packed.shard].file);
            for (name, range, sha256) in [
                (entry.image, packed.image, entry.image_sha256),
                (entry.mask, packed.mask, entry.mask_sha256),
            ] {
                shelf.packed.insert(name, PackedFile { shard: shard.clone(), range, sha256 });
            }
        }
        shelf
    }

    /// Whether there are files in shards.
    pub(super) fn has_shards(&self) -> bool {
        !self.packed.is_empty()
    }

    /// Whether the folder is not, or no longer, a whole one.
    pub(super) fn has_changes(&self) -> bool {
        self.changes
    }

    /// Whether files of earlier runs may not be on the disk yet.
    pub(super) fn has_unsynced(&self) -> bool {
        !self.whole || self.unpacked
    }

    /// Whether a file lies here, loose or in a shard.
    pub(super) fn holds(&self, name: &str, file: &Written) -> bool {
        if let Some(packed) = self.packed.get(name) {
            return packed.sha256 == file.sha256.hex();
        }
        self.holds_loose(name, file)
    }

    /// Whether a file lies here as it is.
    pub(super) fn holds_loose(&self, name: &str, file: &Written) -> bool {
        let path = self.out.join(name);
        fs::metadata(&path).is_ok_and(|m| m.len() == file.bytes)
            && (self.whole || fs::read(&path).is_ok_and(|b| Digest::of(&b) == file.sha256))
    }

    /// As [`Shelf::holds`], and a loose file that lies below another split is moved here.
    pub(super) fn brings(&self, name: &str, was: &str, file: &Written) -> Result<bool, Error> {
        if self.holds(name, file) {
            return Ok(true);
        }
        if name == was || !self.holds(was, file) {
            return Ok(false);
        }
        let (from, to) = (self.out.join(was), self.out.join(name));
        let folder = to.parent().unwrap_or(&self.out);
        fs::create_dir_all(folder).map_err(Error::io("create folder", folder))?;
        fs::rename(&from, &to).map_err(Error::io("move", from))?;
        Ok(true)
    }

    /// Takes everything out of the shards, to be packed again, and then the manifest away: from here on
    /// the folder is not whole. (Until then it is: what lies loose beside its shards belongs to nobody.)
    pub(super) fn begin_changes(&mut self) -> Result<(), Error> {
        self.unpacked |= self.has_shards();
        std::mem::take(&mut self.packed).into_par_iter().try_for_each(|(name, packed)| {
            let bytes = packed.range.read(&packed.shard)?;
            Ok::<_, Error>(atomic::write_later(&self.out.join(name), &bytes)?)
        })?;
        self.changes = true;
        folder::remove_manifest(&self.out)
    }
}
