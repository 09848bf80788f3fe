//! A frame to be worked on, and where its results go.

use std::path::Path;

use super::record::Stamp;
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

    /// The name under which the ledger knows it: without the split, if that is chosen by a seed.
    pub(super) fn key(&self) -> String {
        let RawFrame { split, drive, frame, .. } = self.frame;
        match split {
            Some(split) => format!("{split}/{drive}/{frame}"),
            None => format!("{drive}/{frame}"),
        }
    }

    /// The place of its results below `images/` and `masks/`, without the extension.
    pub(super) fn place(&self, split: Split) -> String {
        format!("{split}/{}/{}", self.frame.drive, self.frame.frame)
    }

    /// The frame's file if the job is in this split.
    pub(super) fn image_name(&self, split: Split) -> String {
        let extension = self.frame.image.extension().unwrap_or_default().to_string_lossy();
        format!("images/{}.{}", self.place(split), extension.to_ascii_lowercase())
    }

    /// The mask's file if the job is in this split.
    pub(super) fn mask_name(&self, split: Split) -> String {
        format!("masks/{}.png", self.place(split))
    }
}
