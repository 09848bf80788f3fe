//! What became of a frame, and of what that is a function.
//!
//! A **frame file** is a function of the source image's bytes and the size asked for; a **mask** of the
//! annotation's bytes, the frame's own size, the label map, the rule and the size asked for. Each result
//! is kept with the digest of what it was made from, so what is equal is known again: another label
//! map makes masks anew and leaves frames alone, and a source that was only touched changes nothing.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use canet_core::LabelMap;
use serde::{Deserialize, Serialize};

use crate::dataset_spec::AnnotationKind;
use crate::findings::FindingCounts;
use crate::gathered::GatheredAnnotations;
use crate::hash::Digest;
use crate::raster::Rule;
use crate::shrink::Resize;
use crate::split::Split;

/// Raise them when the same sources and options begin to give other frame files, or other masks.
const FRAME_VERSION: u32 = 3;
const MASK_VERSION: u32 = 4;

/// What became of a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) image: Source,
    pub(super) annotation: Source,
    /// Below which split's folders the results lie.
    pub(super) split: Split,
    pub(super) frame: Part<FrameFile>,
    /// None if the frame is flawed: its annotation was not looked at.
    pub(super) mask: Option<Part<MaskFile>>,
}

/// A source file: what it holds, and by what it is known again without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    pub(super) stamp: Option<Stamp>,
    pub(super) sha256: Digest,
}

/// Size and time of change of a source file.
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

/// One result, with the digest of all it was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Part<T> {
    pub(super) of: Digest,
    pub(super) made: Made<T>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Made<T> {
    Ready(T),
    /// The source cannot be used, for this reason.
    Flawed(String),
}

/// A file in the prepared folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) sha256: Digest,
}

impl Written {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, sha256: Digest::of(bytes) }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct FrameFile {
    /// Width and height of the source: what its annotation must be for.
    pub(super) source: (u32, u32),
    pub(super) file: Written,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct MaskFile {
    /// Width and height of frame and mask as written.
    pub(super) size: (u32, u32),
    pub(super) file: Written,
    /// How many pixels each id has that is there.
    pub(super) pixels: Vec<(u8, u64)>,
    pub(super) findings: FindingCounts,
    pub(super) listed_findings: Vec<String>,
}

/// How frames and annotations become files, the same for all.
pub(super) struct How<'a> {
    pub(super) kind: AnnotationKind,
    pub(super) labels: &'a LabelMap,
    pub(super) rule: Rule,
    pub(super) resize: Option<Resize>,
    /// The annotations, if they are in files for many frames.
    pub(super) gathered: Option<&'a GatheredAnnotations>,
    /// What of this frames depend on, and what of it masks do.
    frames: Digest,
    masks: Digest,
}

impl<'a> How<'a> {
    pub(super) fn new(
        kind: AnnotationKind,
        labels: &'a LabelMap,
        rule: Rule,
        resize: Option<Resize>,
    ) -> Self {
        let digest = |text: String| Digest::of(text.as_bytes());
        let rule_name = kind.rule_name(rule);
        let size = resize.map(|resize| resize.size());
        Self {
            kind,
            labels,
            rule,
            resize,
            gathered: None,
            frames: digest(format!("{FRAME_VERSION}|{resize:?}")),
            // The debug form of a label map lists classes, labels and values in order.
            masks: digest(format!("{MASK_VERSION}|{kind:?}|{rule_name}|{size:?}|{labels:?}")),
        }
    }

    /// What the frame file of this image is made from.
    pub(super) fn of_frame(&self, image: &Source) -> Digest {
        Digest::of(format!("{}|{}", self.frames.hex(), image.sha256.hex()).as_bytes())
    }

    /// What the mask of this annotation is made from, for a frame of this size.
    pub(super) fn of_mask(&self, annotation: &Source, (width, height): (u32, u32)) -> Digest {
        let (how, source) = (self.masks.hex(), annotation.sha256.hex());
        Digest::of(format!("{how}|{source}|{width}x{height}").as_bytes())
    }
}
