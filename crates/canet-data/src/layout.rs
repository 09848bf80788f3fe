//! Layout: from a tree of files to a sorted list of frames with their annotations.
//!
//! A data set's patterns are looked for up to two folders deep, because archives unpack into folders
//! of their own, and Cityscapes' frames and labels into two different ones. Frames and annotations
//! are paired by (split, drive, frame), wherever they lie.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::dataset_spec::{DatasetSpec, LayoutSpec};
use crate::names::{DriveId, FrameId};
use crate::pattern::{Captures, IMAGE_EXTENSIONS, Pattern};
use crate::split::Split;

/// How many folders may stand above the data set's own.
const ROOT_DEPTH: usize = 2;

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
    /// public labels, or because the data set file does not name it.
    pub left_out: BTreeMap<String, u64>,
}

type Key = (Option<Split>, DriveId, FrameId);

/// Finds the frames and annotations of a data set below `root`.
pub fn read(root: &Path, spec: &DatasetSpec) -> Result<RawTree, Error> {
    let mut files = Vec::new();
    walk(root, &mut Vec::new(), &mut files)?;
    let layout = &spec.layout;
    let mut images: BTreeMap<Key, PathBuf> = BTreeMap::new();
    let mut annotations: BTreeMap<Key, PathBuf> = BTreeMap::new();
    let mut left_out = BTreeMap::new();
    for file in &files {
        let Some((is_image, says)) = classify(file, layout) else { continue };
        let split = says.split.and_then(|folder| layout.splits.get(folder)).copied();
        if let (Some(folder), None) = (says.split, split) {
            if is_image {
                *left_out.entry(folder.to_owned()).or_default() += 1;
            }
            continue;
        }
        let key = (split, DriveId::new(says.drive), FrameId::new(says.frame));
        let path = file.iter().fold(root.to_owned(), |path, part| path.join(part));
        insert(if is_image { &mut images } else { &mut annotations }, key, path)?;
    }
    if images.is_empty() {
        return Err(nothing_found(root, spec, &files, &left_out));
    }
    let frames = images
        .into_iter()
        .map(|(key, image)| {
            let annotation = annotations.remove(&key);
            let (split, drive, frame) = key;
            RawFrame { split, drive, frame, image, annotation }
        })
        .collect();
    let mut orphans: Vec<_> = annotations.into_values().collect();
    orphans.sort();
    Ok(RawTree { frames, orphans, left_out })
}

/// Whether a path is an image (true) or an annotation (false), and what it says.
fn classify<'a>(file: &'a [String], layout: &LayoutSpec) -> Option<(bool, Captures<'a>)> {
    let parts: Vec<&str> = file.iter().map(String::as_str).collect();
    let find = |patterns: &[Pattern]| patterns.iter().find_map(|p| p.matches(&parts, ROOT_DEPTH));
    if find(&layout.ignore).is_some() {
        return None;
    }
    let image = find(&layout.images).map(|says| (true, says));
    image.or_else(|| find(&layout.annotations).map(|says| (false, says)))
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

/// Lists the files below a folder as parts of their relative paths, sorted by name. Hidden files are
/// left out (archives made on macOS hold a `._name` for each name), and so are names that are no
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
mod tests {
    use super::*;
    use canet_core::Fault;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        dir
    }

    fn list(dataset: &str, files: &[&str]) -> Result<Vec<String>, Error> {
        let dir = tree(files);
        let found = read(dir.path(), &DatasetSpec::builtin(dataset).unwrap())?;
        let split = |s: Option<Split>| s.map_or("-", Split::as_str);
        let mut lines: Vec<_> = found
            .frames
            .iter()
            .map(|f| {
                format!("{} {} {} {}", split(f.split), f.drive, f.frame, f.annotation.is_some())
            })
            .collect();
        lines.extend(
            found
                .orphans
                .iter()
                .map(|p| format!("orphan {}", p.strip_prefix(dir.path()).unwrap().display())),
        );
        lines.extend(found.left_out.iter().map(|(name, n)| format!("left out {name} {n}")));
        Ok(lines)
    }

    #[test]
    fn the_layouts_of_all_data_sets_are_read() {
        for (dataset, files, expected) in [
            (
                "assignment",
                &[
                    "data/images/1/b.jpg",
                    "data/images/1/a.png",
                    "data/masks/1/a.json",
                    "data/masks/2/c.json",
                    "data/images/1/._a.png",
                ][..],
                &["- 1 a true", "- 1 b false", "orphan data/masks/2/c.json"][..],
            ),
            (
                "assignment",
                &[
                    "images/s/x_leftImg8bit.png",
                    "mask/s/x_gtFine_polygons.json",
                    "images/s/y.jpg",
                    "mask/s/y.json",
                ],
                &["- s x true", "- s y true"],
            ),
            (
                "idd",
                &[
                    "idd20kII/leftImg8bit/train/7/0_leftImg8bit.jpg",
                    "idd20kII/gtFine/train/7/0_gtFine_polygons.json",
                    "IDD/leftImg8bit/val/8/1_leftImg8bit.png",
                    "IDD/gtFine/val/8/1_gtFine_polygons.json",
                    "IDD/gtFine/val/8/1_gtFine_labellevel3Ids.png",
                    "IDD/leftImg8bit/test/9/2_leftImg8bit.png",
                    "IDD/leftImg8bit/Train/9/3_leftImg8bit.png",
                    "IDD/gtFine/Train/9/3_gtFine_polygons.json",
                ],
                &["train 7 0 true", "val 8 1 true", "left out Train 1", "left out test 1"],
            ),
            (
                "idd-lite",
                &[
                    "l/leftImg8bit/train/1/0_image.jpg",
                    "l/gtFine/train/1/0_label.png",
                    "l/gtFine/train/1/0_inst_label.png",
                ],
                &["train 1 0 true"],
            ),
            (
                "camvid",
                &[
                    "camvid/images/train/0001TP_1.jpg",
                    "camvid/labels/train/0001TP_1.png",
                    "camvid/images/test/Seq05VD_f0.png",
                ],
                &["train 0001TP 1 true", "test Seq05VD f0 false"],
            ),
            (
                "cityscapes",
                &[
                    "a/leftImg8bit/val/ulm/ulm_0_0_leftImg8bit.png",
                    "b/gtFine/val/ulm/ulm_0_0_gtFine_labelIds.png",
                    "b/gtFine/val/ulm/ulm_0_0_gtFine_instanceIds.png",
                ],
                &["val ulm ulm_0_0 true"],
            ),
        ] {
            assert_eq!(list(dataset, files).unwrap(), expected, "{dataset}");
        }
    }

    #[test]
    fn empty_foreign_and_doubled_trees_are_errors_that_say_what_to_do() {
        for (files, needle) in [
            (&[][..], "the folder is empty"),
            (&["data.zip"], "found 1 file of other names instead, such as `data.zip`"),
            (&["images/1/a.jpg", "images/1/a.png"], "remove one of the two"),
            (&["a/b/c/images/1/a.jpg"], "up to 2 folders deep"),
        ] {
            let error = list("sample", files).unwrap_err();
            assert!(error.to_string().contains(needle), "{error}");
            assert_eq!(error.fault(), Fault::Data);
        }
        let strange = ["leftImg8bit/training/7/0_leftImg8bit.jpg"];
        let error = list("idd", &strange).unwrap_err().to_string();
        let needle = "found only `training` (1 frames), but its splits with labels are train, val";
        assert!(error.contains(needle), "{error}");
        let gone = tree(&[]).path().join("gone");
        let error = read(&gone, &DatasetSpec::builtin("sample").unwrap()).unwrap_err();
        assert_eq!(error.fault(), Fault::Usage);
    }
}
