//! Survey: which files of a tree are frames, which are annotations, and which belong together.
//!
//! An annotation belongs to the frame whose name its own begins with, in the folders that are most
//! alike: `gtFine/val/7/0_label.png` to `leftImg8bit/val/7/0_image.jpg`. How two such paths differ is
//! their shape; files of one layout have one shape.

use std::collections::BTreeMap;
use std::path::Path;

use canet_core::Mask;
use rayon::prelude::*;

use super::shape::Shape;
use crate::label_image::colors_of_png;
use crate::pattern::IMAGE_EXTENSIONS;

/// More values or colours than this are no classes.
const MOST_CLASSES: usize = 64;

/// What a file seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Frame,
    /// A PNG of few values.
    Values,
    /// A PNG of few colours.
    Colors,
    Json,
    /// A PNG that is neither: numbers of instances, for example.
    Unclear,
}

/// A file by the parts of its path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) folders: &'a [String],
    pub(super) stem: &'a str,
    pub(super) extension: &'a str,
}

impl<'a> Name<'a> {
    pub(super) fn of(file: &'a [String]) -> Option<Self> {
        let (name, folders) = file.split_last()?;
        let (stem, extension) = name.rsplit_once('.')?;
        Some(Self { folders, stem, extension })
    }

    /// The last word of the name with its separator, if it begins with a letter: `_image`.
    fn tail(&self) -> &'a str {
        let at = self.stem.rfind(['_', '-']).unwrap_or(self.stem.len());
        let tail = &self.stem[at..];
        let letter = tail.chars().nth(1).is_some_and(char::is_alphabetic);
        if at > 0 && letter { tail } else { "" }
    }
}

/// A frame and an annotation that belong together, by their places in the list of files.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub(super) image: usize,
    pub(super) annotation: usize,
    pub(super) shape: Shape,
    /// The folders that both paths share and that are no split's, from the outermost.
    pub(super) shared: Vec<&'a str>,
    /// The folder of the split.
    pub(super) split: Option<&'a str>,
    /// The frame's name without what all frames have.
    pub(super) core: &'a str,
}

/// What each file seems to be; `None` for what plays no part. Of PNGs that lie together and end
/// alike, one is opened.
pub(super) fn roles(root: &Path, files: &[Vec<String>]) -> Vec<Option<Role>> {
    let mut samples = BTreeMap::new();
    let group = |name: &Name| {
        let folders = name.folders.iter().filter(|folder| super::split_named(folder).is_none());
        (folders.take(2).cloned().collect::<Vec<_>>(), name.tail().to_owned())
    };
    let names: Vec<_> = files.iter().map(|file| Name::of(file)).collect();
    for (file, name) in files.iter().zip(&names) {
        if let Some(name) = name.filter(|name| name.extension.eq_ignore_ascii_case("png")) {
            samples.entry(group(&name)).or_insert(file);
        }
    }
    let opened: BTreeMap<_, _> = samples
        .into_par_iter()
        .map(|(group, file)| {
            let path = file.iter().fold(root.to_owned(), |path, part| path.join(part));
            (group, role_of_png(&path))
        })
        .collect();
    let role = |name: &Option<Name>| {
        let name = name.as_ref()?;
        match name.extension.to_ascii_lowercase().as_str() {
            "json" => Some(Role::Json),
            "png" => opened.get(&group(name)).copied(),
            extension => IMAGE_EXTENSIONS.contains(&extension).then_some(Role::Frame),
        }
    };
    names.iter().map(role).collect()
}

fn role_of_png(path: &Path) -> Role {
    let Ok(bytes) = std::fs::read(path) else { return Role::Unclear };
    if let Ok(mask) = Mask::from_png(&bytes, path) {
        let values = mask.histogram().into_iter().filter(|pixels| *pixels > 0).count();
        return if values <= MOST_CLASSES { Role::Values } else { Role::Unclear };
    }
    let Ok(picture) = colors_of_png(&bytes, path, None) else { return Role::Unclear };
    let mut colors = std::collections::BTreeSet::new();
    for pixel in picture.pixels() {
        if colors.insert(pixel.0) && colors.len() > MOST_CLASSES {
            return Role::Frame;
        }
    }
    Role::Colors
}

/// Finds the frame of each annotation.
pub(super) fn pairs<'a>(files: &'a [Vec<String>], roles: &[Option<Role>]) -> Vec<Pair<'a>> {
    // Frames by their names, whole and without their last word.
    let mut frames: BTreeMap<&str, Vec<(usize, Name, &str)>> = BTreeMap::new();
    for (at, file) in files.iter().enumerate().filter(|(at, _)| roles[*at] == Some(Role::Frame)) {
        let Some(name) = Name::of(file) else { continue };
        let tail = name.tail();
        frames.entry(name.stem).or_default().push((at, name, ""));
        if !tail.is_empty() {
            let core = &name.stem[..name.stem.len() - tail.len()];
            frames.entry(core).or_default().push((at, name, tail));
        }
    }
    let mut pairs = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let (Some(role), Some(name)) = (roles[at], Name::of(file)) else { continue };
        if role == Role::Frame {
            continue;
        }
        let Some((core, fitting)) = cores(name.stem).find_map(|c| Some((c, frames.get(c)?))) else {
            continue;
        };
        let best = fitting.iter().rev().max_by_key(|(_, f, _)| alike(f.folders, name.folders));
        let Some((image, frame, image_suffix)) = best else { continue };
        let (shape, shared, split) =
            Shape::of(frame, image_suffix, &name, &name.stem[core.len()..]);
        pairs.push(Pair { image: *image, annotation: at, shape, shared, split, core });
    }
    pairs
}

/// The beginnings of a name that may be a frame's name, the longest first.
fn cores(stem: &str) -> impl Iterator<Item = &str> {
    let cuts = stem.rmatch_indices(['_', '-', '.']).map(|(at, _)| &stem[..at]);
    std::iter::once(stem).chain(cuts).filter(|core| !core.is_empty())
}

/// How many folders two paths have in common, counted from the file.
fn alike(a: &[String], b: &[String]) -> usize {
    a.iter().rev().zip(b.iter().rev()).filter(|(a, b)| a == b || super::same_split(a, b)).count()
}
