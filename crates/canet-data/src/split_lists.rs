//! Split lists: official splits that files tell by the names of their frames, as Pascal VOC does.
//!
//! A line names a frame: `2007_000032`, or with folders `train/5/0001.jpg`. Only the first word
//! counts, for some lists put the label image beside it. A line fits every image whose path ends in it, with or
//! without the extension and the data set's own suffix. A frame that two splits name would be
//! trained on and scored; that is an error.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::pattern::IMAGE_EXTENSIONS;
use crate::split::Split;

/// The lists of a tree.
pub(crate) struct SplitLists {
    lines: Vec<Line>,
    /// The lines by the last part of what they name.
    by_name: BTreeMap<String, Vec<usize>>,
}

struct Line {
    split: Split,
    list: PathBuf,
    number: usize,
    /// Folders and name, the extension taken off.
    parts: Vec<String>,
    used: bool,
}

impl SplitLists {
    /// Reads the lists, which lie among `files` up to `depth` folders deep. There may be several of
    /// one name, in trees that lie side by side.
    pub(crate) fn read(
        root: &Path,
        files: &[Vec<String>],
        lists: &BTreeMap<Split, String>,
        depth: usize,
    ) -> Result<Self, Error> {
        let mut all = Self { lines: Vec::new(), by_name: BTreeMap::new() };
        for (split, list) in lists {
            let parts: Vec<_> = list.split('/').map(str::to_owned).collect();
            let is_it =
                |file: &&Vec<String>| file.ends_with(&parts) && file.len() <= parts.len() + depth;
            let mut found = 0;
            for file in files.iter().filter(is_it) {
                all.add(*split, &file.iter().fold(root.to_owned(), |path, part| path.join(part)))?;
                found += 1;
            }
            if found == 0 {
                return Err(Error::Layout {
                    path: root.to_owned(),
                    reason: format!(
                        "the list of the split {split}, `{list}`, is not here (nor up to {depth} folders deeper)"
                    ),
                });
            }
        }
        Ok(all)
    }

    fn add(&mut self, split: Split, list: &Path) -> Result<(), Error> {
        let bytes = std::fs::read(list).map_err(Error::io("read", list))?;
        let text = String::from_utf8(bytes).map_err(|_| Error::Layout {
            path: list.to_owned(),
            reason: "is a list of frames, but no UTF-8 text".into(),
        })?;
        for (line, number) in text.trim_start_matches('\u{feff}').lines().zip(1..) {
            let Some(name) = line.split_whitespace().next() else { continue };
            let parts: Vec<_> = without_extension(name)
                .split('/')
                .filter(|part| !part.is_empty() && *part != ".")
                .map(str::to_owned)
                .collect();
            let Some(last) = parts.last() else { continue };
            self.by_name.entry(last.clone()).or_default().push(self.lines.len());
            self.lines.push(Line { split, list: list.to_owned(), number, parts, used: false });
        }
        Ok(())
    }

    /// The split that an image is listed in, given its path below the root and its frame's name.
    pub(crate) fn split_of(&mut self, image: &Path, frame: &str) -> Result<Option<Split>, Error> {
        let mut parts: Vec<_> = image.iter().map(|part| part.to_string_lossy()).collect();
        let Some(name) = parts.pop() else { return Ok(None) };
        let stem = without_extension(&name);
        let mut found: Option<(Split, PathBuf)> = None;
        for name in [stem, frame].into_iter().take(if stem == frame { 1 } else { 2 }) {
            for &at in self.by_name.get(name).map_or(&[][..], Vec::as_slice) {
                let line = &mut self.lines[at];
                let folders = &line.parts[..line.parts.len() - 1];
                if folders.len() > parts.len() || parts[parts.len() - folders.len()..] != *folders {
                    continue;
                }
                line.used = true;
                match &found {
                    Some((split, list)) if *split != line.split => {
                        return Err(Error::Layout {
                            path: line.list.clone(),
                            reason: format!(
                                "line {}: {name} is in {}, too; a frame is trained on or scored, not both",
                                line.number,
                                list.display()
                            ),
                        });
                    }
                    _ => found = Some((line.split, line.list.clone())),
                }
            }
        }
        Ok(found.map(|(split, _)| split))
    }

    /// The lines that named no image, as lists and what to say of them.
    pub(crate) fn unused(self) -> Vec<(PathBuf, String)> {
        let unused = self.lines.into_iter().filter(|line| !line.used);
        let tell = |line: Line| {
            (line.list, format!("line {}: there is no frame {}", line.number, line.parts.join("/")))
        };
        unused.map(tell).collect()
    }
}

fn without_extension(name: &str) -> &str {
    let is_image = |e: &str| IMAGE_EXTENSIONS.iter().any(|known| e.eq_ignore_ascii_case(known));
    name.rsplit_once('.').filter(|(_, e)| is_image(e)).map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use canet_core::Fault;

    fn lists(train: &str, val: &str) -> Result<(tempfile::TempDir, SplitLists), Error> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sets")).unwrap();
        let mut files = Vec::new();
        for (name, text) in [("train.txt", train), ("val.txt", val)] {
            std::fs::write(dir.path().join("sets").join(name), text).unwrap();
            files.push(vec!["sets".to_owned(), name.to_owned()]);
        }
        let paths = BTreeMap::from([
            (Split::Train, "sets/train.txt".to_owned()),
            (Split::Val, "sets/val.txt".to_owned()),
        ]);
        let lists = SplitLists::read(dir.path(), &files, &paths, 2)?;
        Ok((dir, lists))
    }

    #[test]
    fn lines_fit_images_whose_path_ends_in_them() {
        for (line, image, frame, expected) in [
            ("2007_32", "VOC/JPEGImages/2007_32.jpg", "2007_32", true),
            ("2007_32.JPG", "VOC/JPEGImages/2007_32.png", "2007_32", true),
            ("2007_32  1", "2007_32.jpg", "2007_32", true),
            ("/SegNet/train/a.png /SegNet/trainannot/a.png", "SegNet/train/a.png", "a", true),
            ("train/a", "images/train/a.png", "a", true),
            ("rain/a", "images/train/a.png", "a", false),
            ("x/images/train/a", "images/train/a.png", "a", false),
            ("ulm_0", "ulm/ulm_0_leftImg8bit.png", "ulm_0", true),
            ("ulm_0_leftImg8bit", "ulm/ulm_0_leftImg8bit.png", "ulm_0", true),
            ("ulm_1", "ulm/ulm_0_leftImg8bit.png", "ulm_0", false),
        ] {
            let (_dir, mut lists) = lists(&format!("\u{feff}\r\n{line}\r\n\n"), "other\n").unwrap();
            let split = lists.split_of(Path::new(image), frame).unwrap();
            assert_eq!(split, expected.then_some(Split::Train), "{line} {image}");
            let unused: Vec<_> = lists.unused().into_iter().map(|(_, reason)| reason).collect();
            assert_eq!(unused.len(), if expected { 1 } else { 2 });
            assert_eq!(unused.last().unwrap(), "line 1: there is no frame other");
        }
    }

    #[test]
    fn a_frame_of_two_splits_and_an_absent_list_are_errors() {
        let (_dir, mut both) = lists("a\nb\n", "c\nb.png\n").unwrap();
        let error = both.split_of(Path::new("images/b.png"), "b").unwrap_err();
        assert!(error.to_string().contains("val.txt: line 2: b is in "), "{error}");
        assert_eq!(error.fault(), Fault::Data);
        let absent = BTreeMap::from([(Split::Test, "sets/test.txt".to_owned())]);
        let error = SplitLists::read(Path::new("x"), &[], &absent, 2).err().unwrap();
        assert!(error.to_string().contains("`sets/test.txt`, is not here"), "{error}");
    }
}
