//! The tally: which labels, values or colours the annotations hold, and how many.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use canet_core::{Mask, Rgb};
use rayon::prelude::*;
use serde::Deserialize;

use super::kind::Kind;
use crate::label_image::colors_of_png;

/// What stands for a class in annotations.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Label(String),
    Value(u8),
    Color(Rgb),
}

/// How often a mark is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Objects, or pixels.
    pub(super) times: u64,
    /// Annotations that have it.
    pub(super) frames: u64,
}

/// All marks of all annotations.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) marks: BTreeMap<Mark, Count>,
    /// The annotations that could not be read.
    pub(super) unreadable: Vec<PathBuf>,
}

/// Polygons of IDD and Cityscapes have `objects`, those of `LabelMe` `shapes`.
#[derive(Deserialize)]
struct Labels {
    #[serde(alias = "shapes")]
    objects: Vec<Labelled>,
}

#[derive(Deserialize)]
struct Labelled {
    label: String,
}

/// Counts the marks of annotations of one kind.
pub(super) fn count(paths: &[PathBuf], kind: Kind) -> Tally {
    let each: Vec<_> = paths.par_iter().map(|path| marks_of(path, kind)).collect();
    let mut tally = Tally::default();
    for (path, marks) in paths.iter().zip(each) {
        let Some(marks) = marks else {
            tally.unreadable.push(path.clone());
            continue;
        };
        for (mark, times) in marks {
            let count = tally.marks.entry(mark).or_default();
            count.times += times;
            count.frames += 1;
        }
    }
    tally
}

fn marks_of(path: &Path, kind: Kind) -> Option<BTreeMap<Mark, u64>> {
    let bytes = std::fs::read(path).ok()?;
    let mut marks = BTreeMap::new();
    match kind {
        Kind::Polygons | Kind::LabelMe => {
            let labels: Labels = serde_json::from_slice(&bytes).ok()?;
            for object in labels.objects {
                *marks.entry(Mark::Label(object.label)).or_default() += 1;
            }
        }
        Kind::LabelImages => {
            let counts = Mask::from_png(&bytes, path).ok()?.histogram();
            let there = (0..=u8::MAX).zip(counts).filter(|(_, pixels)| *pixels > 0);
            marks.extend(there.map(|(value, pixels)| (Mark::Value(value), pixels)));
        }
        Kind::ColorImages => {
            // Most pixels are like their left neighbour; only changes are looked up.
            let mut run: Option<([u8; 3], u64)> = None;
            let mut note = |run: Option<([u8; 3], u64)>| {
                if let Some((color, pixels)) = run {
                    *marks.entry(Mark::Color(Rgb(color))).or_default() += pixels;
                }
            };
            for pixel in colors_of_png(&bytes, path, None).ok()?.pixels() {
                match &mut run {
                    Some((color, pixels)) if *color == pixel.0 => *pixels += 1,
                    _ => note(run.replace((pixel.0, 1))),
                }
            }
            note(run);
        }
    }
    Some(marks)
}
