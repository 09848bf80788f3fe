//! Lists of splits in a tree: text files such as `ImageSets/Segmentation/train.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::split_named;
use super::survey::{Name, Pair};
use crate::Error;
use crate::split::Split;
use crate::split_lists::SplitLists;

/// Finds the lists by their names and by what they say: most lines must name an annotated frame.
/// Where several folders hold lists, that which names the most frames counts.
pub(super) fn find(
    root: &Path,
    files: &[Vec<String>],
    family: &[&Pair],
) -> Result<BTreeMap<Split, String>, Error> {
    let images: BTreeSet<_> = family.iter().map(|pair| pair.image).collect();
    let mut by_folder: BTreeMap<&[String], (usize, BTreeMap<Split, String>)> = BTreeMap::new();
    for file in files {
        let Some(name) = Name::of(file).filter(|name| name.extension == "txt") else { continue };
        let Some(split) = split_named(name.stem) else { continue };
        let path = file.join("/");
        let list = BTreeMap::from([(split, path.clone())]);
        let mut lines = SplitLists::read(root, files, &list, 0)?;
        let mut named = 0;
        for &image in &images {
            let path: std::path::PathBuf = files[image].iter().collect();
            let stem = Name::of(&files[image]).map_or("", |name| name.stem);
            named += usize::from(lines.split_of(&path, stem)?.is_some());
        }
        if named > 0 && lines.unused().len() < named {
            let entry = by_folder.entry(name.folders).or_default();
            entry.0 += named;
            entry.1.insert(split, path);
        }
    }
    Ok(by_folder.into_values().max_by_key(|(named, _)| *named).map_or_else(BTreeMap::new, |l| l.1))
}
