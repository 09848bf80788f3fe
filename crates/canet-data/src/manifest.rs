//! The manifest: what a prepared folder holds, and a hash by which training knows its data again.
//!
//! `manifest.json` is written last, so a folder that has one is complete. Its hash covers the
//! classes and, for each frame, its place, its size and the SHA-256 of both files: equal hashes mean
//! equal training data. Statistics, findings and skipped files are told, not hashed.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use canet_core::{ClassId, ClassSet};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::findings::{FindingCounts, ListedFinding};
use crate::hash::hex;
use crate::names::{DriveId, FrameId};
use crate::shard::{self, Packed, Shard};
use crate::shrink::Resize;
use crate::split::Split;

/// The manifest's name in its folder.
pub const FILE_NAME: &str = "manifest.json";

/// The newest form of the manifest, for folders with shards.
pub const FORMAT: u32 = 2;

/// The form of a folder whose files lie loose; it is the older one, and older programs read it.
pub const FORMAT_LOOSE: u32 = 1;

/// How many findings a manifest lists.
pub const LISTED_FINDINGS: usize = 100;

/// What a prepared folder holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of this file: [`FORMAT_LOOSE`], or [`FORMAT`] if there are shards.
    pub format: u32,
    /// The data set's name.
    pub dataset: String,
    /// The classes of the masks.
    pub classes: ClassSet,
    /// How polygons became pixels, the name of a [`Rule`](crate::raster::Rule); for label images `"label-images"` or `"color-images"`.
    pub rule: String,
    /// The size that frames and masks were brought to; none if frames are as they came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<Resize>,
    /// Whether the data set's own splits were kept; then `seed` and `val_share` played no part.
    pub official_splits: bool,
    /// The seed by which drives were chosen for validation.
    pub seed: u64,
    /// The share of frames that was asked for validation.
    pub val_share: f64,
    /// SHA-256 over what defines the data, in hex.
    pub hash: String,
    /// The tar files that hold frames and masks; none if they lie loose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<Shard>,
    /// The frames of each split, by drive and frame.
    pub splits: BTreeMap<Split, Vec<Entry>>,
    /// What the masks contain.
    pub statistics: BTreeMap<Split, SplitStatistics>,
    /// Objects that were not painted, as the official tool would not.
    pub findings: FindingCounts,
    /// The first of them by path, deleted ones aside; at most [`LISTED_FINDINGS`].
    #[serde(default)]
    pub listed_findings: Vec<ListedFinding>,
    /// Files that could not be used.
    pub skipped: Vec<Skipped>,
    /// Frames left out, by the folder of their split: one without public labels, or an unknown one.
    pub left_out: BTreeMap<String, u64>,
}

/// A frame with its mask. Paths are relative to the prepared folder and written with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The drive in which the frame was taken.
    pub drive: DriveId,
    /// The frame's name, unique in its drive.
    pub frame: FrameId,
    /// Width of frame and mask in pixels.
    pub width: u32,
    /// Height of frame and mask in pixels.
    pub height: u32,
    /// The frame.
    pub image: String,
    /// The mask.
    pub mask: String,
    /// SHA-256 of the frame's file, in hex.
    pub image_sha256: String,
    /// SHA-256 of the mask's file, in hex.
    pub mask_sha256: String,
    /// Where frame and mask lie if the folder has shards; their paths are then names only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<Packed>,
}

/// A source file that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Skipped {
    /// The file, relative to the raw folder.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// What the masks of a split contain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitStatistics {
    /// How many frames there are.
    pub frames: u64,
    /// How many pixels there are, void ones included.
    pub pixels: u64,
    /// How many pixels are void.
    pub void_pixels: u64,
    /// The classes, by id.
    pub classes: Vec<ClassStatistics>,
}

/// What the masks of a split contain of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassStatistics {
    /// The class's name.
    pub class: String,
    /// How many pixels it has.
    pub pixels: u64,
    /// How many frames have at least one pixel of it.
    pub frames: u64,
}

impl SplitStatistics {
    /// Statistics of no frame.
    pub fn of(classes: &ClassSet) -> Self {
        let none = |class: &canet_core::Class| ClassStatistics {
            class: class.name.clone(),
            pixels: 0,
            frames: 0,
        };
        Self { classes: classes.classes.iter().map(none).collect(), ..Self::default() }
    }

    /// Adds one mask, given as pixels by id.
    pub fn add(&mut self, pixels_by_id: &BTreeMap<u8, u64>) {
        self.frames += 1;
        for (&id, &pixels) in pixels_by_id {
            self.pixels += pixels;
            if id == ClassId::VOID.0 {
                self.void_pixels += pixels;
            } else if let Some(class) = self.classes.get_mut(usize::from(id)) {
                class.pixels += pixels;
                class.frames += u64::from(pixels > 0);
            }
        }
    }
}

impl Manifest {
    /// Reads and checks the manifest of a prepared folder.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE_NAME);
        let fail = |reason: String| Error::Manifest { path: path.clone(), reason };
        let bytes = std::fs::read(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => fail(
                "does not exist: the folder is not prepared, or not to its end; run `cargo xtask download-and-prepare`"
                    .into(),
            ),
            _ => Error::io("read", &path)(source),
        })?;
        let manifest = Self::parse(&bytes).map_err(fail)?;
        manifest.check().map_err(fail)?;
        Ok(manifest)
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        /// The part that all formats, older and newer, share.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let broken = |e: &dyn std::fmt::Display| {
            format!("is not a manifest of this program ({e}); prepare the folder again")
        };
        let head: Head = serde_json::from_slice(bytes).map_err(|e| broken(&e))?;
        if ![FORMAT_LOOSE, FORMAT].contains(&head.format) {
            return Err(format!(
                "has format {}, this program reads formats {FORMAT_LOOSE} and {FORMAT}; {}",
                head.format,
                if head.format > FORMAT {
                    "update the program"
                } else {
                    "prepare the folder again"
                }
            ));
        }
        let json = &mut serde_json::Deserializer::from_slice(bytes);
        serde_path_to_error::deserialize(json).map_err(|e| broken(&e))
    }

    fn check(&self) -> Result<(), String> {
        self.classes.check("classes").map_err(|e| e.to_string())?;
        let entries = self.splits.values().flatten().flat_map(|entry| [&entry.image, &entry.mask]);
        for path in entries.chain(self.shards.iter().map(|shard| &shard.file)) {
            let inside = Path::new(path).components().all(|c| matches!(c, Component::Normal(_)));
            if !inside || path.is_empty() {
                return Err(format!("path {path:?} leads out of the prepared folder"));
            }
        }
        shard::check(&self.shards, &self.splits)?;
        let hash = self.compute_hash();
        if self.hash != hash {
            return Err(format!(
                "was changed since it was written: its hash is {}, its content has {hash}; prepare the folder again",
                self.hash
            ));
        }
        Ok(())
    }

    /// The frames of a split; none if the data set has no such split.
    pub fn entries(&self, split: Split) -> &[Entry] {
        self.splits.get(&split).map_or(&[], Vec::as_slice)
    }

    /// The hash over what defines the data. Each field is preceded by its length, so that no two
    /// different manifests feed the same bytes.
    pub fn compute_hash(&self) -> String {
        let mut hash = Sha256::new();
        let mut field = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        field("canet prepared folder 1");
        field(&self.classes.name);
        for class in &self.classes.classes {
            field(&class.name);
            field(&String::from(class.color));
        }
        for (split, entries) in &self.splits {
            field(split.as_str());
            field(&entries.len().to_string());
            for entry in entries {
                field(entry.drive.as_str());
                field(entry.frame.as_str());
                field(&format!("{}x{}", entry.width, entry.height));
                field(&entry.image);
                field(&entry.mask);
                field(&entry.image_sha256);
                field(&entry.mask_sha256);
            }
        }
        hex(&hash.finalize())
    }

    /// The bytes of `manifest.json`.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .expect("a manifest has text keys and finite numbers only, so it can be written");
        bytes.push(b'\n');
        bytes
    }
}

#[cfg(test)]
mod tests;
