//! Shards: the frames and masks of a prepared folder in a few large tar files.
//!
//! Network file systems serve a few large files well and a hundred thousand small ones badly. A shard
//! is a plain tar file as `WebDataset` reads it: the files of a sample lie side by side and have one
//! name up to the first dot, `<split>/<drive>/<frame>`, and then `.jpg` (the frame), `.png` (the mask)
//! and `.json` (what the manifest says of it). A frame that is a PNG ends in `.frame.png`.
//!
//! Where each file lies follows from names and sizes alone, so the manifest knows the place of every
//! sample before a byte is written, any sample can be read by itself, and training sees no difference
//! to loose files. Owners, times and modes are fixed: the same data gives the same bytes.

pub(crate) mod tar;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use self::tar::{END, end_of, head_bytes};

use crate::Error;
use crate::manifest::Entry;
use crate::split::Split;

/// The folder of the shards in a prepared folder.
pub(crate) const FOLDER: &str = "shards";

/// No file of a sample is that large: the size field of a tar header ends there.
const MAX_FILE: u64 = 8 << 30;

/// A tar file of a prepared folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// The file, relative to the prepared folder, written with `/`.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// How many samples it holds.
    pub frames: u64,
}

/// Where a sample lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// The number of its shard in the manifest's list.
    pub shard: usize,
    /// The frame's file.
    pub image: Range,
    /// The mask's file.
    pub mask: Range,
}

/// Some bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Where they begin.
    pub at: u64,
    /// How many they are.
    pub bytes: u64,
}

impl Range {
    /// Reads the bytes of a file.
    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.at))?;
            file.take(self.bytes).read_to_end(&mut bytes)
        });
        match read.map_err(Error::io("read", path))? as u64 {
            all if all == self.bytes => Ok(bytes),
            some => Err(Error::Frame {
                path: path.to_owned(),
                reason: format!(
                    "is cut short: {} bytes are expected at {}, there are {some}; prepare the data set again",
                    self.bytes, self.at
                ),
            }),
        }
    }
}

/// About how large a shard may become; one sample is always taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardSize(u64);

impl ShardSize {
    /// A size in bytes, at least one.
    pub fn new(bytes: u64) -> Result<Self, Error> {
        if bytes > 0 {
            return Ok(Self(bytes));
        }
        Err(Error::Options {
            option: "shards",
            reason: "is 0; a size such as 512M is expected".into(),
        })
    }

    /// The size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ShardSize {
    type Err = Error;

    /// Reads a number of bytes, or of `K`, `M` or `G` (powers of 1024).
    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
            "" => Some(1),
            "K" => Some(1 << 10),
            "M" => Some(1 << 20),
            "G" => Some(1 << 30),
            _ => None,
        };
        let bytes = digits.parse::<u64>().ok().zip(unit).and_then(|(n, unit)| n.checked_mul(unit));
        let Some(bytes) = bytes else {
            return Err(Error::Options {
                option: "shards",
                reason: format!("is {text:?}; a size is expected, such as 512M or 1G"),
            });
        };
        Self::new(bytes)
    }
}

impl fmt::Display for ShardSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The files of a sample in a shard.
pub(crate) struct Sample {
    pub(crate) image_name: String,
    pub(crate) mask_name: String,
    pub(crate) json_name: String,
    pub(crate) json: Vec<u8>,
}

#[derive(Serialize)]
struct Description<'a> {
    split: Split,
    drive: &'a str,
    frame: &'a str,
    width: u32,
    height: u32,
    image_sha256: &'a str,
    mask_sha256: &'a str,
}

impl Sample {
    pub(crate) fn of(split: Split, entry: &Entry) -> Self {
        let (drive, frame) = (entry.drive.as_str(), entry.frame.as_str());
        // A dot would end the name for WebDataset.
        let stem = format!("{split}/{drive}/{}", frame.replace('%', "%25").replace('.', "%2E"));
        let extension = match entry.image.rsplit_once('.').map_or("", |(_, extension)| extension) {
            "png" => "frame.png",
            other => other,
        };
        let description = Description {
            split,
            drive,
            frame,
            width: entry.width,
            height: entry.height,
            image_sha256: &entry.image_sha256,
            mask_sha256: &entry.mask_sha256,
        };
        Self {
            image_name: format!("{stem}.{extension}"),
            mask_name: format!("{stem}.png"),
            json_name: format!("{stem}.json"),
            json: serde_json::to_vec(&description)
                .expect("a description has text keys and whole numbers only, so it can be written"),
        }
    }

    /// The places of frame and mask if the sample begins at `at`, and where it ends.
    pub(crate) fn lay(&self, at: u64, image: u64, mask: u64) -> (Range, Range, u64) {
        let place = |at: u64, name: &str, bytes: u64| Range { at: at + head_bytes(name), bytes };
        let image = place(at, &self.image_name, image);
        let mask = place(end_of(image), &self.mask_name, mask);
        let json = place(end_of(mask), &self.json_name, self.json.len() as u64);
        (image, mask, end_of(json))
    }
}

/// Whether samples lie one behind the other in their shards, as their names and sizes say: the only
/// order in which they are written.
pub(crate) fn check(shards: &[Shard], splits: &BTreeMap<Split, Vec<Entry>>) -> Result<(), String> {
    let entries = splits.iter().flat_map(|(split, entries)| entries.iter().map(|e| (*split, e)));
    if shards.is_empty() {
        return match entries.map(|(_, entry)| entry).find(|entry| entry.packed.is_some()) {
            Some(entry) => Err(format!("{} lies in a shard, but there are none", entry.image)),
            None => Ok(()),
        };
    }
    let (mut open, mut at, mut next) = (None, 0, 0);
    let mut ends = vec![0; shards.len()];
    for (split, entry) in entries {
        let fail = || format!("{} does not lie where its shard has it", entry.image);
        let packed = entry.packed.ok_or_else(fail)?;
        if open != Some(packed.shard) {
            if packed.shard != next {
                return Err(fail());
            }
            (open, at, next) = (Some(packed.shard), 0, next + 1);
        }
        let small = |range: Range| range.bytes < MAX_FILE;
        if !small(packed.image) || !small(packed.mask) {
            return Err(fail());
        }
        let (image, mask, end) =
            Sample::of(split, entry).lay(at, packed.image.bytes, packed.mask.bytes);
        if (image, mask) != (packed.image, packed.mask) {
            return Err(fail());
        }
        at = end;
        *ends.get_mut(packed.shard).ok_or_else(fail)? = end + END;
    }
    match shards.iter().zip(ends).find(|(shard, end)| shard.bytes != *end) {
        Some((shard, end)) => {
            Err(format!("{} has {} bytes, but its samples end at {end}", shard.file, shard.bytes))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
