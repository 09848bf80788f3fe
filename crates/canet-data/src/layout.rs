//! Layout: from a tree of files to a sorted list of frames with their annotations.
//!
//! A data set's patterns are looked for up to two folders deep, because archives unpack into folders
//! of their own, and Cityscapes' frames and labels into two different ones. Frames and annotations
//! are paired by (split, drive, frame), wherever they lie. Splits come from folders or from lists.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::dataset_spec::{DatasetSpec, LayoutSpec};
use crate::names::{DriveId, FrameId};
use crate::pattern::{Captures, IMAGE_EXTENSIONS, Pattern};
use crate::split::Split;
use crate::split_lists::SplitLists;

/// The drive of all frames where nothing tells drives apart.
const ONE_DRIVE: &str = "all";

/// Under which name frames are counted as left out that no split's list names.
pub const IN_NO_LIST: &str = "in no list";

/// How many folders may stand above the data set's own.
pub(crate) const ROOT_DEPTH: usize = 2;

/// How deep a tree is walked; a link that leads back up must not lead on for ever.
const WALK_DEPTH: usize = 12;

/// A frame of a raw tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFrame {
    /// The official split, if the data set has splits.
    pub split: Option<Split>,
    /// The drive.
    pub drive: DriveId,
    /// The frame.
    pub frame: FrameId,
    /// The image.
    pub image: PathBuf,
    /// The annotation, if there is one.
    pub annotation: Option<PathBuf>,
}

/// What a raw tree holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawTree {
    /// The frames, by split, drive and frame.
    pub frames: Vec<RawFrame>,
    /// Annotations without a frame, sorted.
    pub orphans: Vec<PathBuf>,
    /// How many frames are left out, by the folder of their split: on purpose, because it has no
    /// public labels, or because the data set file does not name it; or no list names the frames.
    pub left_out: BTreeMap<String, u64>,
    /// Annotation files for many frames, each with its split; [`crate::gathered`] reads them.
    pub gathered: Vec<(Option<Split>, PathBuf)>,
    /// What lists of splits and gathered annotations name and is not there: the file, and what to
    /// say of it.
    pub missing: Vec<(PathBuf, String)>,
}

type Key = (Option<Split>, DriveId, FrameId);

/// Finds the frames and annotations of a data set below `root`.
pub fn read(root: &Path, spec: &DatasetSpec) -> Result<RawTree, Error> {
    let files = list(root)?;
    let layout = &spec.layout;
    let mut images: BTreeMap<Key, PathBuf> = BTreeMap::new();
    let mut annotations: BTreeMap<Key, PathBuf> = BTreeMap::new();
    let mut left_out = BTreeMap::new();
    let mut gathered = Vec::new();
    for file in &files {
        let Some((is_image, says)) = classify(file, layout) else { continue };
        let split = says.split.and_then(|folder| layout.splits.get(folder)).copied();
        if let (Some(folder), None) = (says.split, split) {
            if is_image {
                *left_out.entry(folder.to_owned()).or_default() += 1;
            }
            continue;
        }
        let path = file.iter().fold(root.to_owned(), |path, part| path.join(part));
        if !is_image && layout.kind.is_gathered() {
            gathered.push((split, path));
            continue;
        }
        let one = if layout.independent_frames { says.frame } else { ONE_DRIVE };
        let drive = DriveId::new(says.drive.unwrap_or(one));
        let key = (split, drive, FrameId::new(says.frame));
        insert(if is_image { &mut images } else { &mut annotations }, key, path)?;
    }
    if images.is_empty() {
        return Err(nothing_found(root, spec, &files, &left_out));
    }
    let frames: Vec<_> = images
        .into_iter()
        .map(|(key, image)| {
            let annotation = annotations.remove(&key);
            let (split, drive, frame) = key;
            RawFrame { split, drive, frame, image, annotation }
        })
        .collect();
    let mut orphans: Vec<_> = annotations.into_values().collect();
    orphans.sort();
    let mut tree = RawTree { frames, orphans, left_out, gathered, missing: Vec::new() };
    if !layout.split_lists.is_empty() {
        let lists = SplitLists::read(root, &files, &layout.split_lists, ROOT_DEPTH)?;
        split_by_lists(root, lists, &mut tree)?;
    }
    Ok(tree)
}

/// Gives each frame the split whose list names it, and leaves out the frames that none names.
fn split_by_lists(root: &Path, mut lists: SplitLists, tree: &mut RawTree) -> Result<(), Error> {
    for frame in &mut tree.frames {
        let image = frame.image.strip_prefix(root).unwrap_or(&frame.image);
        frame.split = lists.split_of(image, frame.frame.as_str())?;
    }
    tree.missing = lists.unused();
    let unnamed = tree.frames.extract_if(.., |frame| frame.split.is_none()).count();
    if unnamed > 0 {
        tree.left_out.insert(IN_NO_LIST.to_owned(), unnamed as u64);
    }
    tree.frames.sort_by(|a, b| (a.split, &a.drive, &a.frame).cmp(&(b.split, &b.drive, &b.frame)));
    Ok(())
}

/// Whether a path is an image (true) or an annotation (false), and what it says.
fn classify<'a>(file: &'a [String], layout: &'a LayoutSpec) -> Option<(bool, Captures<'a>)> {
    let parts: Vec<&str> = file.iter().map(String::as_str).collect();
    let matches = |patterns: &'a [Pattern]| {
        patterns.iter().find_map(|p| Some((p.literals(), p.matches(&parts, ROOT_DEPTH)?)))
    };
    if matches(&layout.ignore).is_some() {
        return None;
    }
    match (matches(&layout.images), matches(&layout.annotations)) {
        // `{frame}.{image}` fits `x_label.png`, too: what says more of the name is right.
        (Some((image, _)), Some((annotation, says))) if annotation > image => Some((false, says)),
        (Some((_, says)), _) => Some((true, says)),
        (None, annotation) => annotation.map(|(_, says)| (false, says)),
    }
}

fn insert(files: &mut BTreeMap<Key, PathBuf>, key: Key, path: PathBuf) -> Result<(), Error> {
    match files.entry(key) {
        Entry::Vacant(place) => {
            place.insert(path);
            Ok(())
        }
        Entry::Occupied(place) => Err(Error::Layout {
            path,
            reason: format!(
                "is a second file for drive {}, frame {}, beside {}; remove one of the two",
                place.key().1,
                place.key().2,
                place.get().display()
            ),
        }),
    }
}

/// Lists the files below a folder as parts of their relative paths, sorted by name.
pub(crate) fn list(root: &Path) -> Result<Vec<Vec<String>>, Error> {
    let mut files = Vec::new();
    walk(root, &mut Vec::new(), &mut files)?;
    Ok(files)
}

/// Adds the files of a folder. Hidden files are left out (archives made on macOS hold a `._name` for each name), and so are names that are no
/// Unicode: they cannot be written to a manifest.
fn walk(folder: &Path, at: &mut Vec<String>, files: &mut Vec<Vec<String>>) -> Result<(), Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        match entry.file_name().into_string() {
            Ok(name) if !name.starts_with('.') && name != "__MACOSX" => names.push(name),
            Ok(_) => {}
            Err(name) => {
                let folder = folder.display();
                tracing::warn!(?name, %folder, "left out a file whose name is no Unicode");
            }
        }
    }
    names.sort();
    for name in names {
        let path = folder.join(&name);
        // Follows links: people keep large data elsewhere. A dangling one is no file.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        at.push(name);
        if metadata.is_file() {
            files.push(at.clone());
        } else if metadata.is_dir() && at.len() < WALK_DEPTH {
            walk(&path, at, files)?;
        }
        at.pop();
    }
    Ok(())
}

fn nothing_found(
    root: &Path,
    spec: &DatasetSpec,
    files: &[Vec<String>],
    left_out: &BTreeMap<String, u64>,
) -> Error {
    let patterns: Vec<_> = spec.layout.images.iter().map(|p| format!("`{}`", p.as_str())).collect();
    let found = match files {
        _ if !left_out.is_empty() => {
            let folder = |(name, frames): (&String, &u64)| format!("`{name}` ({frames} frames)");
            let splits: Vec<_> = spec.layout.splits.keys().map(String::as_str).collect();
            format!(
                "found only {}, but its splits with labels are {}",
                left_out.iter().map(folder).collect::<Vec<_>>().join(", "),
                splits.join(", ")
            )
        }
        [] => "the folder is empty".to_owned(),
        [first, ..] => {
            let file = if files.len() == 1 { "file" } else { "files" };
            format!(
                "found {} {file} of other names instead, such as `{}`",
                files.len(),
                first.join("/")
            )
        }
    };
    Error::Layout {
        path: root.to_owned(),
        reason: format!(
            "no frames of {} here; looked for {} ({}; up to {ROOT_DEPTH} folders deep); {found}",
            spec.title,
            patterns.join(" and "),
            IMAGE_EXTENSIONS.join(", "),
        ),
    }
}

#[cfg(test)]
mod tests;
