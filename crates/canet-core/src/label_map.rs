//! Label maps: from the labels of a data set to the classes of a network.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::{Class, ClassId, ClassSet, Error, Rgb};

/// The maps embedded from `data-spec/label-maps/`, by name.
const BUILTIN: &[(&str, &str)] = &[
    ("assignment-21", include_str!("../../../data-spec/label-maps/assignment-21.toml")),
    ("camvid-11", include_str!("../../../data-spec/label-maps/camvid-11.toml")),
    ("cityscapes-19", include_str!("../../../data-spec/label-maps/cityscapes-19.toml")),
    ("cityscapes-ids", include_str!("../../../data-spec/label-maps/cityscapes-ids.toml")),
    ("idd-cs-ids", include_str!("../../../data-spec/label-maps/idd-cs-ids.toml")),
    ("idd-cs-train-ids", include_str!("../../../data-spec/label-maps/idd-cs-train-ids.toml")),
    ("idd-ids", include_str!("../../../data-spec/label-maps/idd-ids.toml")),
    ("idd-level1", include_str!("../../../data-spec/label-maps/idd-level1.toml")),
    ("idd-level2", include_str!("../../../data-spec/label-maps/idd-level2.toml")),
    ("idd-level3", include_str!("../../../data-spec/label-maps/idd-level3.toml")),
    ("idd-level4", include_str!("../../../data-spec/label-maps/idd-level4.toml")),
    ("idd-lite-7", include_str!("../../../data-spec/label-maps/idd-lite-7.toml")),
    ("voc-21", include_str!("../../../data-spec/label-maps/voc-21.toml")),
];

/// How label names (of polygons), raw values and raw colours (of label images) become classes.
///
/// ```
/// use canet_core::{ClassId, LabelMap};
///
/// let map = LabelMap::builtin("idd-level3")?;
/// assert_eq!(map.class_of_label("autorickshaw"), Some(ClassId(8)));
/// assert_eq!(map.class_of_label("ego vehicle"), Some(ClassId::VOID));
/// assert_eq!(map.class_of_label("ground"), None);
/// # Ok::<(), canet_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap {
    classes: ClassSet,
    by_label: BTreeMap<String, ClassId>,
    by_value: BTreeMap<u8, ClassId>,
    by_color: BTreeMap<Rgb, ClassId>,
}

/// The file form of a label map.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMap {
    name: String,
    #[serde(default)]
    void: Vec<String>,
    #[serde(default)]
    void_values: Vec<u8>,
    #[serde(default)]
    void_colors: Vec<Rgb>,
    #[serde(rename = "class")]
    classes: Vec<RawClass>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClass {
    name: String,
    color: Rgb,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    values: Vec<u8>,
    #[serde(default)]
    colors: Vec<Rgb>,
}

impl LabelMap {
    /// Reads a map that comes with the project; [`LabelMap::builtin_names`] lists them.
    pub fn builtin(name: &str) -> Result<Self, Error> {
        let Some((_, text)) = BUILTIN.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = Self::builtin_names().collect();
            return Err(Error::Spec {
                origin: format!("label map {name:?}"),
                reason: format!("is not known; known are {}", known.join(", ")),
            });
        };
        Self::from_toml(text, &format!("label map {name}"))
    }

    /// The names of the embedded maps, sorted.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, _)| *name)
    }

    /// Reads the map that people name: one that comes with the project, or the path of a `.toml`
    /// file, relative to `folder`.
    pub fn named(name: &str, folder: &Path) -> Result<Self, Error> {
        let is_file = Path::new(name).extension().is_some_and(|extension| extension == "toml");
        if is_file { Self::from_file(&folder.join(name)) } else { Self::builtin(name) }
    }

    /// Reads a map of the user's own from a TOML file (`data-spec/README.md` has the form).
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::from_toml(&text, &path.display().to_string())
    }

    /// Parses and checks a map; `origin` names it in errors.
    pub fn from_toml(text: &str, origin: &str) -> Result<Self, Error> {
        let fail = |reason: String| Error::Spec { origin: origin.to_owned(), reason };
        let raw: RawMap = toml::from_str(text).map_err(|e| fail(e.to_string()))?;
        let mut map = Self {
            classes: ClassSet { name: raw.name, classes: Vec::new() },
            by_label: BTreeMap::new(),
            by_value: BTreeMap::new(),
            by_color: BTreeMap::new(),
        };
        map.add(ClassId::VOID, raw.void, raw.void_values, raw.void_colors).map_err(fail)?;
        for (id, class) in raw.classes.into_iter().enumerate() {
            let id = ClassId(u8::try_from(id).unwrap_or(u8::MAX));
            map.add(id, class.labels, class.values, class.colors).map_err(fail)?;
            map.classes.classes.push(Class { name: class.name, color: class.color });
        }
        map.classes.check(origin)?;
        Ok(map)
    }

    /// Leads what stands for a class to it, and refuses what already stands for another.
    fn add(
        &mut self,
        id: ClassId,
        labels: Vec<String>,
        values: Vec<u8>,
        colors: Vec<Rgb>,
    ) -> Result<(), String> {
        for label in labels {
            if self.by_label.insert(label.clone(), id).is_some() {
                return Err(format!("label {label:?} is mapped twice"));
            }
        }
        for value in values {
            if self.by_value.insert(value, id).is_some() {
                return Err(format!("value {value} is mapped twice"));
            }
        }
        for color in colors {
            if self.by_color.insert(color, id).is_some() {
                return Err(format!("colour {color} is mapped twice"));
            }
        }
        Ok(())
    }

    /// The classes that the map leads to.
    pub fn classes(&self) -> &ClassSet {
        &self.classes
    }

    /// The class of a polygon's label; [`ClassId::VOID`] for labels that are painted as void,
    /// `None` for labels the map does not know.
    pub fn class_of_label(&self, label: &str) -> Option<ClassId> {
        self.by_label.get(label).copied()
    }

    /// The class of a raw value in a label image; `None` for values the map does not know.
    pub fn class_of_value(&self, value: u8) -> Option<ClassId> {
        self.by_value.get(&value).copied()
    }

    /// The class of a colour in a colour-coded label image; `None` for colours the map does not know.
    pub fn class_of_color(&self, color: Rgb) -> Option<ClassId> {
        self.by_color.get(&color).copied()
    }

    /// The labels that the map knows, sorted.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.by_label.keys().map(String::as_str)
    }

    /// All raw values with their classes, by value.
    pub fn values(&self) -> impl Iterator<Item = (u8, ClassId)> {
        self.by_value.iter().map(|(value, id)| (*value, *id))
    }

    /// All raw colours with their classes, by colour.
    pub fn colors(&self) -> impl Iterator<Item = (Rgb, ClassId)> {
        self.by_color.iter().map(|(color, id)| (*color, *id))
    }

    /// The class of pixels that no polygon covers: that of the label `unlabeled`, else void.
    pub fn background(&self) -> ClassId {
        self.class_of_label("unlabeled").unwrap_or(ClassId::VOID)
    }

    /// The known label that is equal to `label` but for case, spaces, dashes and underscores.
    pub fn lookalike(&self, label: &str) -> Option<&str> {
        let plain = |s: &str| s.replace(['_', '-', ' '], "").to_lowercase();
        self.by_label.keys().map(String::as_str).find(|known| plain(known) == plain(label))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LabelTable;

    #[test]
    fn every_builtin_map_reads_and_has_its_class_count() {
        let expected = [21, 11, 19, 34, 34, 19, 40, 7, 16, 26, 30, 7, 21];
        assert_eq!(BUILTIN.len(), expected.len());
        for (name, classes) in LabelMap::builtin_names().zip(expected) {
            let map = LabelMap::builtin(name).unwrap();
            assert_eq!(map.classes().name, name);
            assert_eq!(map.classes().len(), classes, "{name}");
        }
    }

    /// A mask of these maps holds exactly the ids of the official encoding, the background's too.
    #[test]
    fn idd_maps_give_the_official_ids() {
        let table = LabelTable::idd();
        assert_eq!(table.labels().len(), 40);
        for (name, background) in [
            ("idd-ids", 35),
            ("idd-level1", 255),
            ("idd-level2", 255),
            ("idd-level3", 255),
            ("idd-level4", 255),
            ("idd-lite-7", 255),
            ("idd-cs-ids", 0),
            ("idd-cs-train-ids", 255),
        ] {
            let map = LabelMap::builtin(name).unwrap();
            assert_eq!(map.labels().count(), 40, "{name} knows the official labels and no others");
            assert_eq!(map.background(), ClassId(background), "{name}");
            for label in table.labels() {
                let id = match name {
                    "idd-ids" => label.id,
                    "idd-level1" | "idd-lite-7" => label.level1,
                    "idd-level2" => label.level2,
                    "idd-level3" => label.level3,
                    "idd-level4" => label.level4,
                    // 8 bits clip the 355 of `vehicle fallback`.
                    "idd-cs-ids" => u8::try_from(label.cs_id).unwrap_or(u8::MAX),
                    _ => label.cs_train_id,
                };
                assert_eq!(map.class_of_label(&label.name), Some(ClassId(id)), "{name}");
                // Label images that the official tool wrote are read back as they are.
                assert_eq!(map.class_of_value(id), Some(ClassId(id)), "{name} {}", label.name);
            }
        }
    }

    /// Where a label is IDD's and Cityscapes' alike, both of Cityscapes' maps agree with IDD's table.
    #[test]
    fn cityscapes_maps_take_polygons_and_values_alike() {
        let ids = LabelMap::builtin("cityscapes-ids").unwrap();
        let scored = LabelMap::builtin("cityscapes-19").unwrap();
        let mut shared = 0;
        for (id, class) in ids.classes().classes.iter().enumerate() {
            let id = ClassId(id as u8);
            assert_eq!(ids.class_of_label(&class.name), Some(id));
            assert_eq!(ids.class_of_value(id.0), Some(id));
            let train_id = scored.class_of_label(&class.name);
            assert!(
                train_id.is_some() && train_id == scored.class_of_value(id.0),
                "{}",
                class.name
            );
            if let Some(label) = LabelTable::idd().find(&class.name) {
                assert_eq!(u16::from(id.0), label.cs_id, "{}", class.name);
                assert_eq!(train_id, Some(ClassId(label.cs_train_id)), "{}", class.name);
                shared += 1;
            }
        }
        assert_eq!(shared, 30, "static, dynamic, ground and terrain are not IDD's");
        for map in [ids, scored] {
            assert_eq!(map.class_of_label("license plate"), None, "the official tool skips it");
            assert_eq!(map.labels().count(), 34);
        }
    }

    /// The colour that is shown may be shared; the colours that are read may not, or none could be.
    #[test]
    fn colour_coded_maps_are_complete() {
        for (name, colors, void) in [("camvid-11", 32, 1), ("voc-21", 22, 1)] {
            let map = LabelMap::builtin(name).unwrap();
            assert_eq!(map.colors().count(), colors, "{name}");
            assert_eq!(map.colors().filter(|(_, id)| *id == ClassId::VOID).count(), void);
            assert_eq!(map.values().map(|(_, id)| id).max(), Some(ClassId::VOID));
        }
        let camvid = LabelMap::builtin("camvid-11").unwrap();
        assert_eq!(camvid.class_of_color(Rgb([192, 0, 64])), Some(ClassId(3)), "LaneMkgsNonDriv");
        assert_eq!(camvid.class_of_color(Rgb([192, 0, 65])), None);
    }

    /// The assignment's classes are level 2 shifted by one, but for `train` and the void labels.
    #[test]
    fn assignment_map_is_level_2_shifted() {
        let map = LabelMap::builtin("assignment-21").unwrap();
        let mut shifted = 0;
        for label in LabelTable::idd().labels() {
            if label.level2 != 255 && label.name != "train" {
                assert_eq!(map.class_of_label(&label.name), Some(ClassId(label.level2 + 1)));
                shifted += 1;
            }
        }
        assert_eq!(shifted, 34);
        assert_eq!(map.class_of_label("train"), Some(ClassId(20)));
        assert_eq!(map.class_of_label("license plate"), None);
        assert_eq!(map.background(), ClassId(0));
        assert_eq!(map.class_of_value(200), Some(ClassId(20)));
    }

    #[test]
    fn faulty_maps_are_refused_with_the_reason() {
        let class = "[[class]]\nname = \"a\"\ncolor = \"#000000\"\n";
        for (text, needle) in [
            (format!("name = \"x\"\n{class}labels = [\"r\", \"r\"]\n"), "mapped twice"),
            (format!("name = \"x\"\nvoid_values = [1]\n{class}values = [1]\n"), "value 1"),
            (
                format!("name = \"x\"\n{class}colors = [\"#010203\", \"#010203\"]\n"),
                "colour #010203 is mapped twice",
            ),
            (format!("name = \"x\"\n{class}{class}"), "two classes"),
            (format!("name = \"x\"\nclas = 1\n{class}"), "unknown field"),
            (format!("name = \"x\"\n{}", class.replace("#000000", "black")), "#rrggbb"),
        ] {
            let error = LabelMap::from_toml(&text, "test").unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
        let error = LabelMap::builtin("idd-level9").unwrap_err().to_string();
        assert!(error.contains("known are assignment-21"), "{error}");
    }
}
