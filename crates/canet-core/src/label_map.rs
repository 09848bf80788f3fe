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

    /// The map by which masks of `classes`, such as a network's, are written as polygons: the
    /// built-in one whose classes they are, with its labels, or else one in which names are labels.
    pub fn of_classes(classes: &ClassSet) -> Result<Self, Error> {
        classes.check(&classes.name)?;
        if let Some(map) = Self::builtin(&classes.name).ok().filter(|map| map.classes == *classes) {
            return Ok(map);
        }
        let mut map = Self {
            classes: classes.clone(),
            by_label: BTreeMap::new(),
            by_value: BTreeMap::new(),
            by_color: BTreeMap::new(),
            first_labels: BTreeMap::new(),
        };
        map.take_names_for_labels();
        Ok(map)
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
            first_labels: BTreeMap::new(),
        };
        map.add(ClassId::VOID, raw.void, raw.void_values, raw.void_colors).map_err(fail)?;
        for (id, class) in raw.classes.into_iter().enumerate() {
            let id = ClassId(u8::try_from(id).unwrap_or(u8::MAX));
            map.add(id, class.labels, class.values, class.colors).map_err(fail)?;
            map.classes.classes.push(Class { name: class.name, color: class.color });
        }
        map.classes.check(origin)?;
        if map.by_label.is_empty() {
            map.take_names_for_labels();
        }
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
            self.first_labels.entry(id).or_insert_with(|| label.clone());
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

    /// The class of a colour in a colour-coded label image; `None` for colours the map does not know.
    pub fn class_of_color(&self, color: Rgb) -> Option<ClassId> {
        self.by_color.get(&color).copied()
    }

    /// All labels with their classes, by label.
    pub fn labels(&self) -> impl Iterator<Item = (&str, ClassId)> {
        self.by_label.iter().map(|(label, id)| (label.as_str(), *id))
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
mod tests;
