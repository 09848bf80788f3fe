//! Data set files: where a data set comes from, under which terms, and how its folders are laid out.
//!
//! They are data (`data-spec/datasets/*.toml`), not code; the known ones are embedded here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use canet_core::LabelMap;
use serde::Deserialize;

use crate::Error;
use crate::pattern::Pattern;
use crate::raster::Rule;
use crate::split::Split;

/// The data sets embedded from `data-spec/datasets/`, by name.
const BUILTIN: &[(&str, &str)] = &[
    ("assignment", include_str!("../../../data-spec/datasets/assignment.toml")),
    ("camvid", include_str!("../../../data-spec/datasets/camvid.toml")),
    ("camvid-colors", include_str!("../../../data-spec/datasets/camvid-colors.toml")),
    ("camvid-original", include_str!("../../../data-spec/datasets/camvid-original.toml")),
    ("cityscapes", include_str!("../../../data-spec/datasets/cityscapes.toml")),
    ("cityscapes-polygons", include_str!("../../../data-spec/datasets/cityscapes-polygons.toml")),
    ("cityscapes-train-ids", include_str!("../../../data-spec/datasets/cityscapes-train-ids.toml")),
    ("coco", include_str!("../../../data-spec/datasets/coco.toml")),
    ("idd", include_str!("../../../data-spec/datasets/idd.toml")),
    ("idd-20k", include_str!("../../../data-spec/datasets/idd-20k.toml")),
    ("idd-label-images", include_str!("../../../data-spec/datasets/idd-label-images.toml")),
    ("idd-lite", include_str!("../../../data-spec/datasets/idd-lite.toml")),
    ("labelme", include_str!("../../../data-spec/datasets/labelme.toml")),
    ("sample", include_str!("../../../data-spec/datasets/sample.toml")),
    ("voc", include_str!("../../../data-spec/datasets/voc.toml")),
];

/// A data set: what to tell people about it, and how to read it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// The short name.
    pub name: String,
    /// The full name.
    pub title: String,
    /// What it holds and where it comes from.
    pub about: String,
    /// Its page, if it has one.
    pub homepage: Option<String>,
    /// The terms of use, in words.
    pub terms: String,
    /// The label map that is used unless another is asked for: the name of a built-in one, or the
    /// path of a `.toml` file, relative to the data set file. [`Self::usual_labels`] reads it.
    pub label_map: String,
    /// How to get it.
    pub download: Download,
    /// How its folders are laid out.
    pub layout: LayoutSpec,
    /// The folder of the data set file, empty for a built-in one.
    #[serde(skip)]
    folder: PathBuf,
}

/// How to get a data set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Download {
    /// A public file on Google Drive.
    GoogleDrive {
        /// The file's id.
        id: String,
        /// What to do if the download is refused.
        how: String,
    },
    /// People fetch it themselves, after registration or by agreeing to terms.
    Manual {
        /// What to do.
        how: String,
    },
    /// This program draws it.
    Generated,
}

/// What annotation files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnnotationKind {
    /// JSON files of polygons.
    Polygons,
    /// PNG files of raw label values.
    LabelImages,
    /// PNG files of colours that stand for labels.
    ColorImages,
    /// JSON files of `LabelMe`, whose polygons are read.
    #[serde(rename = "labelme")]
    LabelMe,
    /// JSON files of COCO instances, each for many frames.
    Coco,
}

impl AnnotationKind {
    /// The name of what makes them masks, as manifests record it.
    pub const fn rule_name(self, rule: Rule) -> &'static str {
        match self {
            Self::Polygons | Self::LabelMe | Self::Coco => rule.name(),
            Self::LabelImages => "label-images",
            Self::ColorImages => "color-images",
        }
    }

    /// Whether one file is for many frames.
    pub const fn is_gathered(self) -> bool {
        matches!(self, Self::Coco)
    }
}

/// How folders are laid out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayoutSpec {
    /// What annotation files are.
    pub kind: AnnotationKind,
    /// The patterns of frames; the first that matches a path counts.
    pub images: Vec<Pattern>,
    /// The patterns of annotations.
    pub annotations: Vec<Pattern>,
    /// Patterns of files that look like annotations and are none; they go before all others.
    #[serde(default)]
    pub ignore: Vec<Pattern>,
    /// The official splits by their folder names. If there are none, this program splits by drive.
    #[serde(default)]
    pub splits: BTreeMap<String, Split>,
    /// Folder names of splits that have no public labels; they are left out on purpose.
    #[serde(default)]
    pub unlabelled: Vec<String>,
    /// The official splits by files that list their frames, in place of folders: the path of each
    /// list, which may lie up to two folders deeper than the root.
    #[serde(default)]
    pub split_lists: BTreeMap<Split, String>,
    /// That no two frames show the same street: each is a drive of its own. Only for patterns
    /// without `{drive}`; unless it is said, their frames all belong to one drive.
    #[serde(default)]
    pub independent_frames: bool,
}

impl DatasetSpec {
    /// Reads a data set file that comes with the project; [`builtin_names`](Self::builtin_names)
    /// lists them.
    pub fn builtin(name: &str) -> Result<Self, Error> {
        let Some((_, text)) = BUILTIN.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = Self::builtin_names().collect();
            return Err(Error::Options {
                option: "dataset",
                reason: format!("{name:?} is not known; known are {}", known.join(", ")),
            });
        };
        Self::from_toml(text, &format!("data set {name}"))
    }

    /// The names of the embedded data sets, sorted.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, _)| *name)
    }

    /// Reads a data set file of the user's own (`data-spec/README.md` has the form).
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let spec = Self::from_toml(&text, &path.display().to_string())?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { folder, ..spec })
    }

    /// Reads the label map that is used unless another is asked for.
    pub fn usual_labels(&self) -> Result<LabelMap, Error> {
        Ok(LabelMap::named(&self.label_map, &self.folder)?)
    }

    /// Parses and checks a data set file; `origin` names it in errors.
    pub fn from_toml(text: &str, origin: &str) -> Result<Self, Error> {
        let fail =
            |reason| Error::Core(canet_core::Error::Spec { origin: origin.to_owned(), reason });
        let spec: Self = toml::from_str(text).map_err(|e| fail(e.to_string()))?;
        spec.layout.check().map_err(fail)?;
        Ok(spec)
    }
}

impl LayoutSpec {
    /// Whether the data set comes with splits of its own.
    pub fn has_official_splits(&self) -> bool {
        !self.splits.is_empty() || !self.split_lists.is_empty()
    }

    fn check(&self) -> Result<(), String> {
        if self.images.is_empty() || self.annotations.is_empty() {
            return Err("layout.images and layout.annotations need a pattern each".into());
        }
        self.check_frames()?;
        self.check_splits()?;
        self.check_drives()
    }

    fn check_frames(&self) -> Result<(), String> {
        if let Some(pattern) = self.patterns().find(|pattern| !pattern.has_frame()) {
            return Err(format!("pattern {:?} must have {{frame}} once", pattern.as_str()));
        }
        let one_frame = |pattern: &&Pattern| pattern.has_frame() || pattern.has_drive();
        match self.annotations.iter().find(one_frame).filter(|_| self.kind.is_gathered()) {
            Some(pattern) => Err(format!(
                "pattern {:?} has {{drive}} or {{frame}}, but one annotation file is for many frames",
                pattern.as_str()
            )),
            None => Ok(()),
        }
    }

    fn check_splits(&self) -> Result<(), String> {
        let by_folder = !self.splits.is_empty();
        if by_folder && !self.split_lists.is_empty() {
            return Err("splits come from folders (layout.splits) or from lists (layout.split_lists), not from both".into());
        }
        let mut patterns = self.images.iter().chain(&self.annotations);
        if let Some(pattern) = patterns.find(|p| p.has_split() != by_folder) {
            return Err(format!(
                "pattern {:?} and layout.splits do not agree: either all patterns have {{split}} and layout.splits names the folders, or neither",
                pattern.as_str()
            ));
        }
        if let Some(name) = self.unlabelled.iter().find(|name| self.splits.contains_key(*name)) {
            return Err(format!(
                "split {name:?} is both in layout.splits and in layout.unlabelled"
            ));
        }
        Ok(())
    }

    /// Frames of one drive must not be on both sides of a split, so where drives are not told, the
    /// splits must be, or that there are no drives.
    fn check_drives(&self) -> Result<(), String> {
        let with_drive = self.patterns().filter(|pattern| pattern.has_drive()).count();
        match with_drive {
            0 if self.has_official_splits() || self.independent_frames => Ok(()),
            0 => Err("no pattern has {drive}, so that nobody can tell which frames must stay together: give splits by layout.splits or layout.split_lists, or say layout.independent_frames = true if no two frames show the same street".into()),
            _ if self.independent_frames => {
                Err("layout.independent_frames is for patterns without {drive}".into())
            }
            n if n < self.patterns().count() => {
                Err("either all of layout.images and layout.annotations have {drive}, or none".into())
            }
            _ => Ok(()),
        }
    }

    /// The patterns of what is for one frame.
    fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        let gathered = self.kind.is_gathered();
        self.images.iter().chain(self.annotations.iter().filter(move |_| !gathered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canet_core::Fault;

    #[test]
    fn every_builtin_spec_reads_and_names_a_known_label_map() {
        assert_eq!(BUILTIN.len(), 15);
        for name in DatasetSpec::builtin_names() {
            let spec = DatasetSpec::builtin(name).unwrap();
            assert_eq!(spec.name, name);
            let map = spec.usual_labels().unwrap();
            let known = match spec.layout.kind {
                AnnotationKind::LabelImages => map.values().count(),
                AnnotationKind::ColorImages => map.colors().count(),
                AnnotationKind::Polygons | AnnotationKind::LabelMe | AnnotationKind::Coco => {
                    map.labels().count()
                }
            };
            assert!(known >= 8, "{name}: {known}");
            assert!(!spec.terms.is_empty() && !spec.about.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_label_map_may_lie_beside_the_data_set_file() {
        let dir = tempfile::tempdir().unwrap();
        let own = include_str!("../../../data-spec/datasets/camvid.toml")
            .replace("label_map = \"camvid-11\"", "label_map = \"maps/own.toml\"");
        let path = dir.path().join("own-data.toml");
        std::fs::write(&path, own).unwrap();
        let spec = DatasetSpec::from_file(&path).unwrap();
        let error = spec.usual_labels().unwrap_err();
        assert!(error.to_string().contains("own.toml"), "{error}");
        assert_eq!(error.fault(), Fault::Usage);
        std::fs::create_dir(dir.path().join("maps")).unwrap();
        let map = include_str!("../../../data-spec/label-maps/camvid-11.toml")
            .replace("name = \"camvid-11\"", "name = \"own\"");
        std::fs::write(dir.path().join("maps/own.toml"), map).unwrap();
        assert_eq!(spec.usual_labels().unwrap().classes().name, "own");
    }

    #[test]
    fn faulty_specs_are_refused_with_the_reason() {
        let good = include_str!("../../../data-spec/datasets/camvid.toml");
        for (from, to, needle) in [
            ("kind = \"label-images\"", "kind = \"labels\"", "unknown variant"),
            ("[layout]", "[layout]\ncolour = 1", "unknown field `colour`"),
            ("images/{split}/", "images/", "do not agree"),
            ("{frame}", "{fname}", "{fname}"),
            ("[layout.splits]", "[layout.parts]", "unknown field `parts`"),
            (
                "[layout.splits]",
                "[layout.split_lists]\ntrain = \"a.txt\"\n[layout.splits]",
                "not from both",
            ),
            ("[layout.splits]", "[layout.split_lists]", "do not agree"),
            ("[layout.splits]", "[layout.split_lists]\ndev = \"a.txt\"\n[layout.splits]", "`dev`"),
            ("{split}/{drive}_{frame}.png", "{split}/{frame}.png", "all of layout.images and"),
            ("[layout]", "[layout]\nindependent_frames = true", "patterns without {drive}"),
        ] {
            let text = good.replace(from, to);
            assert_ne!(text, good, "{from}");
            let error = DatasetSpec::from_toml(&text, "test").unwrap_err();
            assert!(error.to_string().contains(needle) && error.fault() == Fault::Usage, "{error}");
        }
        let flat = good.split("[layout]").next().unwrap().to_owned()
            + "[layout]\nkind = \"polygons\"\nimages = [\"{frame}.{image}\"]\nannotations = [\"{frame}.json\"]\n";
        let error = DatasetSpec::from_toml(&flat, "test").unwrap_err().to_string();
        assert!(error.contains("nobody can tell which frames must stay together"), "{error}");
        DatasetSpec::from_toml(&(flat + "independent_frames = true\n"), "test").unwrap();
        let error = DatasetSpec::builtin("iddd").unwrap_err().to_string();
        assert!(error.contains("known are assignment, camvid"), "{error}");
    }
}
