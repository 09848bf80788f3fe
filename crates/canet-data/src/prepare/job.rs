//! A frame to be worked on, and where its results go.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::layout::RawFrame;
use crate::split::Split;

/// A frame to be worked on.
#[derive(Debug, Clone)]
pub(super) struct Job<'a> {
    pub(super) frame: &'a RawFrame,
    pub(super) annotation: &'a Path,
    pub(super) split: Split,
    pub(super) image_stamp: Option<Stamp>,
    pub(super) annotation_stamp: Option<Stamp>,
}

impl<'a> Job<'a> {
    pub(super) fn new(frame: &'a RawFrame, annotation: &'a Path, split: Split) -> Self {
        // Taken before the files are read: if they change meanwhile, the next run sees it.
        let (image_stamp, annotation_stamp) = (Stamp::of(&frame.image), Stamp::of(annotation));
        Self { frame, annotation, split, image_stamp, annotation_stamp }
    }

    /// The place of its results below `images/` and `masks/`, without the extension.
    pub(super) fn key(&self) -> String {
        format!("{}/{}/{}", self.split, self.frame.drive, self.frame.frame)
    }

    pub(super) fn image_name(&self) -> String {
        let extension = self.frame.image.extension().unwrap_or_default().to_string_lossy();
        format!("images/{}.{}", self.key(), extension.to_ascii_lowercase())
    }

    pub(super) fn mask_name(&self) -> String {
        format!("masks/{}.png", self.key())
    }
}

/// By what a source file is known again without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    bytes: u64,
    modified_ns: u64,
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self { bytes: metadata.len(), modified_ns: modified.as_nanos() as u64 })
    }
}
