//! A prepared data set: one split of it, read frame by frame.
//!
//! Reading checks what training relies on: the picture and the mask have one size, and the mask has
//! no id outside the classes. The orientation that a camera may have noted in EXIF is not applied:
//! polygons, and so masks, refer to the pixels as they are stored.

use std::path::{Path, PathBuf};

use canet_core::{ClassSet, Mask};
use image::RgbImage;

use crate::manifest::{Entry, Manifest};
use crate::shard::{Packed, Range};
use crate::{Error, frame_file};

/// A picture and its mask, of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The picture, as stored.
    pub image: RgbImage,
    /// One class id a pixel.
    pub mask: Mask,
}

/// One split of a prepared folder.
#[derive(Debug)]
pub struct Dataset {
    dir: PathBuf,
    split: String,
    manifest: Manifest,
    entries: Vec<Entry>,
}

impl Dataset {
    /// Opens a split, such as `train` or `val`, of the prepared folder `dir`.
    pub fn open(dir: &Path, split: &str) -> Result<Self, Error> {
        let manifest = Manifest::read(dir)?;
        let Some((_, entries)) = manifest.splits.iter().find(|(s, _)| s.as_str() == split) else {
            let known: Vec<&str> = manifest.splits.keys().map(|s| s.as_str()).collect();
            return Err(Error::Options {
                option: "split",
                reason: format!(
                    "{} has no split {split:?}; it has {}",
                    dir.display(),
                    known.join(", ")
                ),
            });
        };
        let entries = entries.clone();
        if entries.is_empty() {
            return Err(Error::Layout {
                path: dir.to_owned(),
                reason: format!(
                    "split {split:?} has no frames; prepare the folder again with another share for it"
                ),
            });
        }
        Ok(Self { dir: dir.to_owned(), split: split.to_owned(), manifest, entries })
    }

    /// How many frames the split has; at least one.
    #[expect(clippy::len_without_is_empty, reason = "an empty split cannot be opened")]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The split's name.
    pub fn split(&self) -> &str {
        &self.split
    }

    /// The classes of the masks.
    pub fn classes(&self) -> &ClassSet {
        &self.manifest.classes
    }

    /// What the folder says about itself, all splits included.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What the manifest knows of frame `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Dataset::len`].
    pub fn entry(&self, index: usize) -> &Entry {
        &self.entries[index]
    }

    /// Reads frame `index` at its stored size.
    ///
    /// # Panics
    /// If `index` is not below [`Dataset::len`].
    pub fn read(&self, index: usize) -> Result<Frame, Error> {
        let entry = self.entry(index);
        let (path, bytes) = self.bytes(entry, &entry.image, |packed| packed.image)?;
        let image = frame_file::decode(&bytes, &path)?;
        let (path, bytes) = self.bytes(entry, &entry.mask, |packed| packed.mask)?;
        let size = Some(image.dimensions());
        let mask = Mask::from_png_of(&bytes, &path, self.classes(), size)?;
        Ok(Frame { image, mask })
    }

    /// A file of a sample, from a folder or a shard, and how errors name it.
    fn bytes(
        &self,
        entry: &Entry,
        name: &str,
        range: impl Fn(&Packed) -> Range,
    ) -> Result<(PathBuf, Vec<u8>), Error> {
        let Some(packed) = &entry.packed else {
            let path = self.dir.join(name);
            let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
            return Ok((path, bytes));
        };
        // The manifest is checked: a sample lies in one of its shards.
        let shard = self.dir.join(&self.manifest.shards[packed.shard].file);
        let bytes = range(packed).read(&shard)?;
        Ok((shard.join(name), bytes))
    }
}

/// Reads a JPEG or PNG file as 8-bit RGB; see [`frame_file::decode`].
pub fn read_image(path: &Path) -> Result<RgbImage, Error> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    frame_file::decode(&bytes, path)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::io::Cursor;

    use canet_core::{ClassId, Fault, LabelMap};

    use super::*;
    use crate::findings::FindingCounts;
    use crate::manifest;
    use crate::names::{DriveId, FrameId};
    use crate::split::Split;

    /// Writes a prepared folder with a train split of these sizes, every frame different.
    pub(crate) fn prepared(dir: &Path, sizes: &[(u32, u32)]) {
        let classes = LabelMap::builtin("idd-lite-7").unwrap().classes().clone();
        let entry = |(i, &(width, height)): (usize, &(u32, u32))| {
            let (image, mask) = (format!("images/{i:03}.png"), format!("masks/{i:03}.png"));
            let pixel = |x, y| image::Rgb([(x * 9) as u8, (y * 11) as u8, i as u8]);
            let path = dir.join(&image);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            RgbImage::from_fn(width, height, pixel).save(path).unwrap();
            let mut ids = Mask::filled(width, height, ClassId((i % 7) as u8));
            ids.ids_mut()[0] = 255;
            canet_core::atomic::write(&dir.join(&mask), &ids.to_png(&classes)).unwrap();
            Entry {
                drive: DriveId::new("1"),
                frame: FrameId::new(&format!("{i:03}")),
                width,
                height,
                image,
                mask,
                image_sha256: String::new(),
                mask_sha256: String::new(),
                packed: None,
            }
        };
        let train: Vec<Entry> = sizes.iter().enumerate().map(entry).collect();
        let mut manifest = Manifest {
            format: manifest::FORMAT_LOOSE,
            dataset: "test".into(),
            classes,
            rule: "label-images".into(),
            resize: None,
            shards: Vec::new(),
            official_splits: true,
            seed: 0,
            val_share: 0.2,
            hash: String::new(),
            splits: BTreeMap::from([(Split::Train, train), (Split::Val, Vec::new())]),
            statistics: BTreeMap::new(),
            findings: FindingCounts::default(),
            listed_findings: Vec::new(),
            skipped: Vec::new(),
            left_out: BTreeMap::new(),
        };
        manifest.hash = manifest.compute_hash();
        canet_core::atomic::write(&dir.join(manifest::FILE_NAME), &manifest.to_json()).unwrap();
    }

    #[test]
    fn frames_are_read_as_stored() {
        let dir = tempfile::tempdir().unwrap();
        prepared(dir.path(), &[(6, 4), (5, 3)]);
        let data = Dataset::open(dir.path(), "train").unwrap();
        assert_eq!((data.len(), data.split(), data.classes().len()), (2, "train", 7));
        let frame = data.read(1).unwrap();
        assert_eq!(frame.image.dimensions(), (5, 3));
        assert_eq!(frame.image.get_pixel(4, 2).0, [36, 22, 1]);
        assert_eq!((frame.mask.at(0, 0), frame.mask.at(1, 0)), (ClassId::VOID, ClassId(1)));
    }

    #[test]
    fn splits_that_do_not_exist_or_are_empty_are_named() {
        let dir = tempfile::tempdir().unwrap();
        prepared(dir.path(), &[(6, 4)]);
        for (split, needle, fault) in [
            ("dev", "has no split \"dev\"; it has train, val", Fault::Usage),
            ("val", "has no frames", Fault::Data),
        ] {
            let error = Dataset::open(dir.path(), split).unwrap_err();
            assert!(error.to_string().contains(needle), "{error}");
            assert_eq!(error.fault(), fault);
        }
    }

    #[test]
    fn frames_that_changed_are_refused_by_name() {
        let other = image::GrayImage::new(9, 9);
        let giant = png_header(20_000, 1);
        let small = {
            let mut bytes = Cursor::new(Vec::new());
            other.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
            bytes.into_inner()
        };
        for (file, bytes, reason) in [
            ("images/000.png", &b"<html>"[..], "is no readable JPEG or PNG"),
            ("images/000.png", &small, "is for 6x4 pixels, but its frame has 9x9"),
            ("images/000.png", &small[..40], "is no readable JPEG or PNG"),
            ("images/000.png", &giant, "is no readable JPEG or PNG"),
            ("masks/000.png", &small, "is for 9x9 pixels, but its frame has 6x4"),
            ("masks/000.png", b"", "is not a readable PNG"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            prepared(dir.path(), &[(6, 4)]);
            std::fs::write(dir.path().join(file), bytes).unwrap();
            let error = Dataset::open(dir.path(), "train").unwrap().read(0).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(reason) && error.contains("000.png"), "{error}");
        }
    }

    /// A PNG that claims a size, and ends there.
    fn png_header(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
        bytes
    }
}
