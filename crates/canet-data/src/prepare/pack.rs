//! Packing: from loose files to shards, each of which is written whole or not at all.
//!
//! Which sample goes into which shard, and where, follows from the sizes alone ([`shard`]). A
//! shard that is there and was made from the same files stays; the others are written on all cores, from the
//! loose files, which are removed when the manifest is written. So while packing the data is there twice.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write};

use canet_core::atomic;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::ledger::{Ledger, PackedShard};
use super::record::Written;
use super::shelf::Shelf;
use crate::Error;
use crate::hash::Digest;
use crate::manifest::{Entry, Manifest};
use crate::shard::tar::{END, head, padding};
use crate::shard::{self, Packed, Sample, Shard, ShardSize};
use crate::split::Split;

/// Gives samples their places, one after the other. The samples of a split come together.
pub(super) struct Packer {
    limit: u64,
    shards: Vec<Shard>,
    /// The split of the newest shard, its number in that split, and where its samples end.
    open: Option<(Split, usize)>,
    at: u64,
}

impl Packer {
    pub(super) fn new(limit: ShardSize) -> Self {
        Self { limit: limit.bytes(), shards: Vec::new(), open: None, at: 0 }
    }

    /// The place of a sample whose files have these sizes.
    pub(super) fn place(&mut self, split: Split, entry: &Entry, image: u64, mask: u64) -> Packed {
        let sample = Sample::of(split, entry);
        let (_, _, end) = sample.lay(self.at, image, mask);
        let number = match self.open {
            Some((open, number)) if open == split && end + END <= self.limit => number,
            Some((open, number)) if open == split => number + 1,
            _ => 0,
        };
        if self.open != Some((split, number)) {
            self.shards.push(Shard {
                file: format!("{}/{split}-{number:06}.tar", shard::FOLDER),
                bytes: 0,
                sha256: String::new(),
                frames: 0,
            });
            (self.open, self.at) = (Some((split, number)), 0);
        }
        let (image, mask, end) = sample.lay(self.at, image, mask);
        self.at = end;
        if let Some(shard) = self.shards.last_mut() {
            shard.bytes = end + END;
            shard.frames += 1;
        }
        Packed { shard: self.shards.len().saturating_sub(1), image, mask }
    }

    /// The shards, without their digests.
    pub(super) fn finish(self) -> Vec<Shard> {
        self.shards
    }
}

/// A shard that is not there as the manifest needs it.
pub(super) struct Stale<'a> {
    shard: &'a Shard,
    of: Digest,
    members: Vec<(Split, &'a Entry)>,
}

/// The shards that have to be written.
pub(super) fn stale<'a>(
    manifest: &'a Manifest,
    shelf: &Shelf,
    known: &BTreeMap<String, PackedShard>,
) -> Vec<Stale<'a>> {
    let mut members = vec![Vec::new(); manifest.shards.len()];
    for (split, entries) in &manifest.splits {
        for entry in entries {
            if let Some(packed) = entry.packed {
                members[packed.shard].push((*split, entry));
            }
        }
    }
    let all = manifest.shards.par_iter().zip(members).map(|(shard, members)| {
        let mut hasher = Sha256::new();
        for (split, entry) in &members {
            let sample = Sample::of(*split, entry);
            hasher.update(&sample.image_name);
            hasher.update(&sample.json);
        }
        Stale { shard, of: Digest::finish(hasher), members }
    });
    let is_there = |stale: &Stale| {
        known.get(&stale.shard.file).is_some_and(|known| {
            let file = Written { bytes: stale.shard.bytes, sha256: known.sha256 };
            known.of == stale.of && shelf.holds_loose(&stale.shard.file, &file)
        })
    };
    all.filter(|stale| !is_there(stale)).collect()
}

/// Writes shards from loose files, and notes them.
pub(super) fn write(
    stale: &[Stale],
    shelf: &Shelf,
    ledger: &Ledger,
    known: &mut BTreeMap<String, PackedShard>,
) -> Result<(), Error> {
    let written = stale.par_iter().map(|stale| {
        let packed = PackedShard { of: stale.of, sha256: write_one(stale, shelf)? };
        ledger.note_shard(&stale.shard.file, packed)?;
        Ok((stale.shard.file.clone(), packed))
    });
    known.extend(written.collect::<Result<Vec<_>, Error>>()?);
    Ok(())
}

/// Gives a manifest's shards their digests, and forgets shards that it does not have.
pub(super) fn fill(manifest: &mut Manifest, known: &mut BTreeMap<String, PackedShard>) {
    let mut kept = BTreeMap::new();
    for shard in &mut manifest.shards {
        if let Some(packed) = known.remove(&shard.file) {
            shard.sha256 = packed.sha256.hex();
            kept.insert(shard.file.clone(), packed);
        }
    }
    *known = kept;
}

fn write_one(stale: &Stale, shelf: &Shelf) -> Result<Digest, Error> {
    let (mut digest, mut fault) = (None, None);
    let written = atomic::write_with(&shelf.out.join(&stale.shard.file), |file| {
        let mut tar = Hashed { to: BufWriter::new(file), hasher: Sha256::new() };
        for (split, entry) in &stale.members {
            let sample = Sample::of(*split, entry);
            for (name, from, sha256) in [
                (&sample.image_name, &entry.image, &entry.image_sha256),
                (&sample.mask_name, &entry.mask, &entry.mask_sha256),
            ] {
                let bytes = loose(shelf, from, sha256).map_err(|error| {
                    fault = Some(error);
                    io::Error::other("a file to be packed cannot be used")
                })?;
                put(&mut tar, name, &bytes)?;
            }
            put(&mut tar, &sample.json_name, &sample.json)?;
        }
        tar.write_all(&[0; END as usize])?;
        tar.flush()?;
        digest = Some(Digest::finish(tar.hasher));
        Ok(())
    });
    // What stopped the writing counts, not that it stopped.
    fault.map_or(Ok(()), Err)?;
    written?;
    Ok(digest.unwrap_or_else(|| Digest::of(&[])))
}

/// A loose file, which must be what the manifest says.
fn loose(shelf: &Shelf, name: &str, sha256: &str) -> Result<Vec<u8>, Error> {
    let path = shelf.out.join(name);
    let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
    if Digest::of(&bytes).hex() == sha256 {
        return Ok(bytes);
    }
    let reason = "was changed while it was packed; run it again".to_owned();
    Err(Error::Frame { path, reason })
}

fn put(tar: &mut impl Write, name: &str, bytes: &[u8]) -> io::Result<()> {
    tar.write_all(&head(name, bytes.len() as u64))?;
    tar.write_all(bytes)?;
    tar.write_all(&padding(bytes.len() as u64))
}

/// Writes, and hashes what it writes.
struct Hashed<W> {
    to: W,
    hasher: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
