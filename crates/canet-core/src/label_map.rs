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
    ("idd-level1", include_str!("../../../data-spec/label-maps/idd-level1.toml")),
    ("idd-level2", include_str!("../../../data-spec/label-maps/idd-level2.toml")),
    ("idd-level3", include_str!("../../../data-spec/label-maps/idd-level3.toml")),
    ("idd-lite-7", include_str!("../../../data-spec/label-maps/idd-lite-7.toml")),
];

/// How label names (of polygons) and raw values (of label images) become classes.
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
    /// The first label of each class, in the order of the file.
    first_labels: BTreeMap<ClassId, String>,
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
        let mut by_label = BTreeMap::new();
        let mut by_value = BTreeMap::new();
        let mut first_labels = BTreeMap::new();
        let mut add = |id: ClassId, labels: Vec<String>, values: Vec<u8>| {
            for label in labels {
                first_labels.entry(id).or_insert_with(|| label.clone());
                if by_label.insert(label.clone(), id).is_some() {
                    return Err(fail(format!("label {label:?} is mapped twice")));
                }
            }
            for value in values {
                if by_value.insert(value, id).is_some() {
                    return Err(fail(format!("value {value} is mapped twice")));
                }
            }
            Ok(())
        };
        add(ClassId::VOID, raw.void, raw.void_values)?;
        let mut classes = ClassSet { name: raw.name, classes: Vec::new() };
        for (id, class) in raw.classes.into_iter().enumerate() {
            add(ClassId(u8::try_from(id).unwrap_or(u8::MAX)), class.labels, class.values)?;
            classes.classes.push(Class { name: class.name, color: class.color });
        }
        classes.check(origin)?;
        let mut map = Self { classes, by_label, by_value, first_labels };
        if map.by_label.is_empty() {
            map.take_names_for_labels();
        }
        Ok(map)
    }

    /// A map for label images alone names no labels; polygons of its classes carry their names.
    fn take_names_for_labels(&mut self) {
        for id in (0..=ClassId::VOID.0).map(ClassId).filter(|id| self.classes.allows(*id)) {
            // A class may be named "void", too; then void has no label.
            self.by_label.entry(self.classes.class_name(id).to_owned()).or_insert(id);
        }
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

    /// The label with which polygons of a class, or of void, are written: a label that is the
    /// class's own name (for void `unlabeled`), else the first that the map names for it; `None` if
    /// it names none. [`Self::class_of_label`] leads back to the class.
    pub fn label_of_class(&self, id: ClassId) -> Option<&str> {
        let name = self.classes.class_name(id);
        let own = if id == ClassId::VOID { ["unlabeled", name] } else { [name, name] };
        let own = own.into_iter().find(|label| self.class_of_label(label) == Some(id));
        own.or_else(|| self.first_labels.get(&id).map(String::as_str))
    }

    /// The class of a raw value in a label image; `None` for values the map does not know.
    pub fn class_of_value(&self, value: u8) -> Option<ClassId> {
        self.by_value.get(&value).copied()
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
        let expected = [21, 11, 19, 7, 16, 26, 7];
        assert_eq!(BUILTIN.len(), expected.len());
        for (name, classes) in LabelMap::builtin_names().zip(expected) {
            let map = LabelMap::builtin(name).unwrap();
            assert_eq!(map.classes().name, name);
            assert_eq!(map.classes().len(), classes, "{name}");
        }
    }

    #[test]
    fn idd_maps_agree_with_the_official_table() {
        let table = LabelTable::idd();
        assert_eq!(table.labels().len(), 40);
        for label in table.labels() {
            for (name, id) in [
                ("idd-level1", label.level1),
                ("idd-level2", label.level2),
                ("idd-level3", label.level3),
                ("idd-lite-7", label.level1),
            ] {
                let map = LabelMap::builtin(name).unwrap();
                assert_eq!(map.class_of_label(&label.name), Some(ClassId(id)), "{name}");
            }
        }
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
    fn the_label_of_a_class_leads_back_to_it() {
        let mut classes = 0;
        for name in LabelMap::builtin_names() {
            let map = LabelMap::builtin(name).unwrap();
            for id in (0..map.classes().len()).map(|id| ClassId(id as u8)) {
                let label = map.label_of_class(id);
                assert_eq!(label.and_then(|l| map.class_of_label(l)), Some(id), "{name} {id:?}");
                classes += 1;
            }
            let label = map.label_of_class(ClassId::VOID);
            let back = label.map(|label| map.class_of_label(label));
            assert!(back.is_none_or(|id| id == Some(ClassId::VOID)), "{name} {label:?}");
        }
        assert!(classes > 100, "{classes}");
        for (map, id, label) in [
            ("idd-level3", 3, Some("non-drivable fallback")),
            ("idd-level3", 2, Some("sidewalk")),
            ("idd-level3", 9, Some("car")),
            ("idd-level1", 0, Some("road")),
            ("idd-level1", 255, Some("unlabeled")),
            ("idd-level1", 7, None),
            ("assignment-21", 255, None),
        ] {
            let map = LabelMap::builtin(map).unwrap();
            assert_eq!(map.label_of_class(ClassId(id)), label, "{id}");
        }
    }

    #[test]
    fn maps_without_labels_take_the_names_of_their_classes() {
        let class = |name| format!("[[class]]\nname = \"{name}\"\ncolor = \"#000000\"\n");
        let map = |text: &str| LabelMap::from_toml(&format!("name = \"x\"\n{text}"), "x").unwrap();
        let bare = map(&(class("road") + &class("car")));
        for (id, label) in [(0, "road"), (1, "car"), (255, "void")] {
            assert_eq!(bare.label_of_class(ClassId(id)), Some(label));
            assert_eq!(bare.class_of_label(label), Some(ClassId(id)));
        }
        assert_eq!(map(&class("void")).label_of_class(ClassId::VOID), None);
        let some = map(&(class("road") + "labels = [\"street\", \"parking\"]\n" + &class("car")));
        assert_eq!(some.label_of_class(ClassId(0)), Some("street"));
        assert_eq!(some.label_of_class(ClassId(1)), None);
        assert_eq!(some.class_of_label("car"), None);
    }

    #[test]
    fn faulty_maps_are_refused_with_the_reason() {
        let class = "[[class]]\nname = \"a\"\ncolor = \"#000000\"\n";
        for (text, needle) in [
            (format!("name = \"x\"\n{class}labels = [\"r\", \"r\"]\n"), "mapped twice"),
            (format!("name = \"x\"\nvoid_values = [1]\n{class}values = [1]\n"), "value 1"),
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
