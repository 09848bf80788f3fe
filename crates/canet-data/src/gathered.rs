//! Gathered annotations: files for many frames, read once, and each frame's part of them.
//!
//! Such a file names images by paths that begin wherever its writer stood. A frame is meant if its
//! own path below the raw folder ends in that one, folder by folder, and it is of the file's split.
//! What is meant must be clear: two frames for one name, or two entries for one frame, are errors.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

use canet_core::LabelMap;

use crate::Error;
use crate::annotation::Annotation;
use crate::format::coco::Instances;
use crate::hash::Digest;
use crate::layout::{RawFrame, RawTree};
use crate::split::Split;

/// The annotations of all frames that gathered files name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GatheredAnnotations {
    by_image: BTreeMap<PathBuf, (Annotation, Digest)>,
}

impl GatheredAnnotations {
    /// Reads the gathered files (COCO instances) of a tree. Each frame that is named is given its
    /// file as annotation; what is named and is no frame is added to what the tree misses.
    pub fn read(root: &Path, tree: &mut RawTree, labels: &LabelMap) -> Result<Self, Error> {
        let mut all = Self::default();
        for (split, path) in std::mem::take(&mut tree.gathered) {
            let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
            let instances = Instances::parse(&bytes, &path, labels)?;
            let names = Names::of(root, &tree.frames, split);
            let (mut strangers, mut named) = (Vec::new(), Vec::new());
            for (n, image) in instances.images.into_iter().enumerate() {
                let fail = |reason| Error::Annotation {
                    path: path.clone(),
                    at: format!("images[{n}].file_name"),
                    reason,
                };
                let Some(frame) = names.find(&image.file_name).map_err(fail)? else {
                    strangers.push(image.file_name);
                    continue;
                };
                match all.by_image.entry(tree.frames[frame].image.clone()) {
                    Entry::Vacant(place) => place.insert(with_digest(image.annotation)),
                    Entry::Occupied(place) => {
                        return Err(fail(already(&image.file_name, place.key())));
                    }
                };
                named.push(frame);
            }
            drop(names);
            for frame in named {
                tree.frames[frame].annotation = Some(path.clone());
            }
            if let Some(first) = strangers.first() {
                let reason = format!(
                    "names {} images that are no frames here, such as {first:?}",
                    strangers.len()
                );
                tree.missing.push((path.clone(), reason));
            }
            tree.gathered.push((split, path));
        }
        Ok(all)
    }

    /// The annotation of a frame, by its image, with a digest of what it says.
    pub fn of(&self, image: &Path) -> Option<(&Annotation, Digest)> {
        self.by_image.get(image).map(|(annotation, digest)| (annotation, *digest))
    }
}

fn with_digest(annotation: Annotation) -> (Annotation, Digest) {
    // The debug form has every object and finding, with numbers that differ if their values do.
    let digest = Digest::of(format!("{annotation:?}").as_bytes());
    (annotation, digest)
}

fn already(name: &str, image: &Path) -> String {
    format!("{name:?} is {}, which has an annotation already; remove one", image.display())
}

/// The frames of a split by the last part of their paths.
struct Names<'a> {
    by_last: BTreeMap<&'a str, Vec<(usize, Vec<&'a str>)>>,
}

impl<'a> Names<'a> {
    fn of(root: &Path, frames: &'a [RawFrame], split: Option<Split>) -> Self {
        let mut by_last: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (index, frame) in frames.iter().enumerate() {
            if split.is_some() && frame.split != split {
                continue;
            }
            let path = frame.image.strip_prefix(root).unwrap_or(&frame.image);
            let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
            if let Some(last) = parts.last() {
                by_last.entry(*last).or_default().push((index, parts));
            }
        }
        Self { by_last }
    }

    /// The frame that a name means, if there is one; an error says how several could be meant.
    fn find(&self, name: &str) -> Result<Option<usize>, String> {
        let parts: Vec<&str> =
            name.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").collect();
        let Some(same_last) = parts.last().and_then(|last| self.by_last.get(last)) else {
            return Ok(None);
        };
        let mut meant = same_last.iter().filter(|(_, path)| path.ends_with(&parts));
        match (meant.next(), meant.next()) {
            (Some((_, a)), Some((_, b))) => Err(format!(
                "{name:?} may be {} or {}; write more of the path",
                a.join("/"),
                b.join("/")
            )),
            (first, _) => Ok(first.map(|(index, _)| *index)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{DriveId, FrameId};

    fn tree(images: &[(Option<Split>, &str)]) -> RawTree {
        let frame = |&(split, image): &(Option<Split>, &str)| RawFrame {
            split,
            drive: DriveId::new("1"),
            frame: FrameId::new(image),
            image: Path::new("/raw").join(image),
            annotation: None,
        };
        RawTree { frames: images.iter().map(frame).collect(), ..RawTree::default() }
    }

    #[test]
    fn names_are_ends_of_paths() {
        let (train, val) = (Some(Split::Train), Some(Split::Val));
        let images =
            [(train, "x/1/a.png"), (train, "x/2/a.png"), (val, "y/1/a.png"), (val, "b.png")];
        let tree = tree(&images);
        for (split, name, expected) in [
            (train, "1/a.png", Ok(Some(0))),
            (train, "./x\\2\\a.png", Ok(Some(1))),
            (train, "/raw/x/1/a.png", Ok(None)),
            (train, "11/a.png", Ok(None)),
            (train, "b.png", Ok(None)),
            (train, "", Ok(None)),
            (
                train,
                "a.png",
                Err("\"a.png\" may be x/1/a.png or x/2/a.png; write more of the path"),
            ),
            (val, "a.png", Ok(Some(2))),
            (None, "b.png", Ok(Some(3))),
            (
                None,
                "1/a.png",
                Err("\"1/a.png\" may be x/1/a.png or y/1/a.png; write more of the path"),
            ),
        ] {
            let names = Names::of(Path::new("/raw"), &tree.frames, split);
            assert_eq!(names.find(name), expected.map_err(str::to_owned), "{name}");
        }
    }
}
