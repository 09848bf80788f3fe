//! Shapes: how the path of a frame and that of its annotation differ.

use super::survey::Name;

/// A folder on the way to a frame and, as far from the file, to its annotation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// The split's folder, as the part of a pattern for each: `{split}` and `{split}_labels`.
    Split(String, String),
    /// The same folder for both: the drive's, or one that all files have.
    Shared,
    /// `images` and `masks`.
    Differ(String, String),
}

/// How the paths of a frame and its annotation are built; equal for all files of one layout.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    /// The folders that only one of the two has, above the others.
    above: (Vec<String>, Vec<String>),
    pub(super) levels: Vec<Level>,
    image_suffix: String,
    pub(super) annotation_suffix: String,
    pub(super) extension: String,
}

impl Shape {
    /// The shape of two paths, the folders they share, and the split's.
    pub(super) fn of<'a>(
        image: &Name<'a>,
        image_suffix: &str,
        annotation: &Name<'a>,
        annotation_suffix: &str,
    ) -> (Self, Vec<&'a str>, Option<&'a str>) {
        let common = image.folders.len().min(annotation.folders.len());
        let (image_above, image_folders) = image.folders.split_at(image.folders.len() - common);
        let (annotation_above, annotation_folders) =
            annotation.folders.split_at(annotation.folders.len() - common);
        let (mut shared, mut split, mut levels) = (Vec::new(), None, Vec::new());
        for (a, b) in image_folders.iter().zip(annotation_folders) {
            let of_split = if split.is_none() { split_level(a, b) } else { None };
            levels.push(if let Some((level, folder)) = of_split {
                split = Some(folder);
                level
            } else if a == b {
                shared.push(a.as_str());
                Level::Shared
            } else {
                Level::Differ(a.clone(), b.clone())
            });
        }
        let shape = Self {
            above: (image_above.to_vec(), annotation_above.to_vec()),
            levels,
            image_suffix: image_suffix.to_owned(),
            annotation_suffix: annotation_suffix.to_owned(),
            extension: annotation.extension.to_owned(),
        };
        (shape, shared, split)
    }

    pub(super) fn has_split(&self) -> bool {
        self.levels.iter().any(|level| matches!(level, Level::Split(..)))
    }

    /// The patterns of frames and annotations. `shared` says for each shared folder its name, or
    /// `{drive}`; `frame` is `{frame}`, or `{drive}_{frame}`.
    pub(super) fn patterns(&self, shared: &[String], frame: &str) -> (String, String) {
        let (mut images, mut annotations) = self.above.clone();
        let mut shared = shared.iter();
        for level in &self.levels {
            let (a, b) = match level {
                Level::Split(a, b) | Level::Differ(a, b) => (a.clone(), b.clone()),
                Level::Shared => {
                    let name = shared.next().cloned().unwrap_or_default();
                    (name.clone(), name)
                }
            };
            images.push(a);
            annotations.push(b);
        }
        // Above the data set's own folders there may be others, as archives unpack.
        while images.len().min(annotations.len()) > 1
            && images[0] == annotations[0]
            && !images[0].contains('{')
        {
            images.remove(0);
            annotations.remove(0);
        }
        images.push(format!("{frame}{}.{{image}}", self.image_suffix));
        annotations.push(format!("{frame}{}.{}", self.annotation_suffix, self.extension));
        (images.join("/"), annotations.join("/"))
    }
}

/// A level that holds the split's name: alone in both, or beside something else, as in `val` and
/// `val_labels`.
fn split_level<'a>(image: &'a str, annotation: &str) -> Option<(Level, &'a str)> {
    if image == annotation {
        super::split_named(image)?;
        return Some((Level::Split("{split}".into(), "{split}".into()), image));
    }
    let split = super::split_in(image)?;
    if super::split_in(annotation) != Some(split) {
        return None;
    }
    let pattern = |folder: &str| folder.replacen(split, "{split}", 1);
    Some((Level::Split(pattern(image), pattern(annotation)), split))
}
