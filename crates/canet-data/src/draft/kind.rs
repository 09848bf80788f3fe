//! What annotation files are, told by their content.

use std::path::Path;

use serde_json::Value;

use super::survey::Role;

/// What annotation files are; those that say more come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Polygons,
    LabelMe,
    LabelImages,
    ColorImages,
}

impl Kind {
    /// The kind of a family of files, by the first that can be read.
    pub(super) fn of(root: &Path, first: &[&Vec<String>], role: Option<Role>) -> Option<Self> {
        match role? {
            Role::Values => Some(Self::LabelImages),
            Role::Colors => Some(Self::ColorImages),
            Role::Frame | Role::Unclear => None,
            Role::Json => first.iter().find_map(|file| {
                let path = file.iter().fold(root.to_owned(), |path, part| path.join(part));
                Self::of_json(&serde_json::from_slice(&std::fs::read(path).ok()?).ok()?)
            }),
        }
    }

    fn of_json(json: &Value) -> Option<Self> {
        let has = |key: &str| json.get(key).is_some();
        if has("objects") && has("imgHeight") {
            Some(Self::Polygons)
        } else {
            (has("shapes") && has("imagePath")).then_some(Self::LabelMe)
        }
    }

    /// The name in data set files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Polygons => "polygons",
            Self::LabelMe => "labelme",
            Self::LabelImages => "label-images",
            Self::ColorImages => "color-images",
        }
    }
}
