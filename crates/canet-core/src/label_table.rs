//! The 40 official labels of IDD (`data-spec/labels.toml`).

use std::sync::LazyLock;

use serde::Deserialize;

use crate::Rgb;

/// One official label, with its id in each of IDD's encodings. 255 means void.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The name used in annotations.
    pub name: String,
    /// IDD's own id.
    pub id: u8,
    /// Cityscapes' label id. The table's value for `vehicle fallback` is 355, so this is wider than a byte.
    pub cs_id: u16,
    /// Cityscapes' train id.
    pub cs_train_id: u8,
    /// Id at level 4, the finest.
    pub level4: u8,
    /// Id at level 3, the 26 scored classes.
    pub level3: u8,
    /// Id at level 2, 16 classes.
    pub level2: u8,
    /// Name of the level 2 group.
    pub level2_name: String,
    /// Id at level 1, 7 classes.
    pub level1: u8,
    /// Whether single objects of it are annotated.
    pub instances: bool,
    /// Whether the official evaluation leaves it out.
    pub ignored: bool,
    /// The official colour.
    pub color: Rgb,
}

/// The table of labels, in the order of their ids.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelTable {
    #[serde(rename = "label")]
    labels: Vec<Label>,
}

impl LabelTable {
    /// IDD's official table.
    pub fn idd() -> &'static Self {
        static TABLE: LazyLock<LabelTable> = LazyLock::new(|| {
            toml::from_str(include_str!("../../../data-spec/labels.toml"))
                .expect("data-spec/labels.toml is part of the program and tested")
        });
        &TABLE
    }

    /// All labels, by id.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The label of a name, if it is official.
    pub fn find(&self, name: &str) -> Option<&Label> {
        self.labels.iter().find(|label| label.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_positions() {
        for (position, label) in LabelTable::idd().labels().iter().enumerate() {
            assert_eq!(usize::from(label.id), position, "{}", label.name);
        }
        assert_eq!(LabelTable::idd().find("vehicle fallback").unwrap().cs_id, 355);
    }
}
