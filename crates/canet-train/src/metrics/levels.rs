//! Coarser classes: IDD's levels 2 and 1, as its script and its label table have them, and the
//! categories of Cityscapes.

use canet_core::{ClassSet, LabelMap};

use super::confusion::Confusion;

/// The group at level 2 of each class at level 3.
const LEVEL_2_OF_3: [usize; 26] =
    [0, 1, 2, 3, 4, 5, 6, 6, 7, 7, 8, 8, 8, 9, 9, 10, 10, 11, 11, 11, 12, 12, 13, 13, 14, 15];
/// The group at level 1 of each class at level 2.
const LEVEL_1_OF_2: [usize; 16] = [0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 6];

/// The categories of Cityscapes that are scored, and that of each of its 19 classes.
const CATEGORIES: [&str; 7] =
    ["flat", "construction", "object", "nature", "sky", "human", "vehicle"];
const CATEGORY: [usize; 19] = [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 5, 6, 6, 6, 6, 6, 6];

/// The classes that policies know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The 26 classes of IDD's level 3.
    IddLevel3,
    /// The 7 classes of IDD-Lite.
    IddLite,
    /// The 19 classes of Cityscapes.
    Cityscapes,
    /// Any others.
    Other,
}

impl Kind {
    /// By the label map's name and the names of its classes: a map of one's own may be called
    /// `idd-level3`, too.
    pub(super) fn of(classes: &ClassSet) -> Self {
        let known = [
            ("idd-level3", Self::IddLevel3),
            ("idd-lite-7", Self::IddLite),
            ("cityscapes-19", Self::Cityscapes),
        ];
        let Some((name, kind)) = known.into_iter().find(|(name, _)| *name == classes.name) else {
            return Self::Other;
        };
        match names(name) {
            Ok(names) if names.iter().eq(classes.classes.iter().map(|class| &class.name)) => kind,
            _ => Self::Other,
        }
    }
}

/// Classes to score, and how their matrix is made.
#[derive(Debug, Clone)]
pub(super) struct Level {
    /// What the classes are.
    pub(super) title: String,
    /// Their names, by id.
    pub(super) names: Vec<String>,
    make: Make,
}

/// How the matrix of a level is made from that of the data's classes.
#[derive(Debug, Clone)]
enum Make {
    /// As it is.
    AsItIs,
    /// The group of each class, or none; how many groups; and whether void is dropped before.
    Grouped(Vec<Option<usize>>, usize, bool),
    /// Void is the last class.
    VoidAsClass,
}

impl Level {
    fn new(title: &str, names: Vec<String>, make: Make) -> Self {
        Self { title: title.to_owned(), names, make }
    }

    /// The matrix of this level.
    pub(super) fn matrix(&self, confusion: &Confusion) -> Confusion {
        match &self.make {
            Make::AsItIs => confusion.clone(),
            Make::Grouped(group, groups, true) => confusion.without_void().grouped(group, *groups),
            Make::Grouped(group, groups, false) => confusion.grouped(group, *groups),
            Make::VoidAsClass => confusion.void_as_class(),
        }
    }

    /// The classes of the data themselves.
    pub(super) fn classes(classes: &ClassSet) -> Self {
        let names = classes.classes.iter().map(|class| class.name.clone()).collect();
        Self::new(
            &format!("the {} classes of {}", classes.len(), classes.name),
            names,
            Make::AsItIs,
        )
    }

    /// The 7 categories of Cityscapes. Predicted void is a miss here, too.
    pub(super) fn cityscapes_categories() -> Self {
        let group = CATEGORY.iter().map(|&category| Some(category)).collect();
        let names = CATEGORIES.map(str::to_owned).to_vec();
        Self::new("categories", names, Make::Grouped(group, CATEGORIES.len(), false))
    }

    /// IDD's levels 3, 2 and 1, where predicted void is a miss at each.
    pub(super) fn idd() -> Result<Vec<Self>, String> {
        Self::idd_levels(false, level_1_of_3())
    }

    /// IDD's levels as the script has them, but level 1 made from level 2.
    pub(super) fn idd_fixed() -> Result<Vec<Self>, String> {
        Self::idd_levels(true, level_1_of_3())
    }

    /// IDD's levels as the script has them. Level 1 takes the groups of level-2 ids for groups of
    /// level-3 ids: classes 16 to 25 are dropped, and the others in wrong groups.
    pub(super) fn idd_official() -> Result<Vec<Self>, String> {
        let wrong = (0..26).map(|c| LEVEL_1_OF_2.get(c).copied()).collect();
        Self::idd_levels(true, wrong)
    }

    /// `drop_void`: the script builds levels 2 and 1 from the 26 rows and columns of real classes, so
    /// that there a predicted void is no miss.
    fn idd_levels(drop_void: bool, level_1: Vec<Option<usize>>) -> Result<Vec<Self>, String> {
        let level_2 = LEVEL_2_OF_3.iter().map(|&group| Some(group)).collect();
        Ok(vec![
            Self::new("level 3", names("idd-level3")?, Make::AsItIs),
            Self::new("level 2", names("idd-level2")?, Make::Grouped(level_2, 16, drop_void)),
            Self::new("level 1", names("idd-level1")?, Make::Grouped(level_1, 7, drop_void)),
        ])
    }

    /// IDD-Lite's number is the mean of 7 classes. Its script prints another one before, under the
    /// heading "Level 1 Scores", in which the void bin is an eighth class.
    pub(super) fn idd_lite(classes: &ClassSet) -> Vec<Self> {
        let seven = Self::classes(classes);
        let eight = [&seven.names[..], &["misc".to_owned()]].concat();
        let title = "\"Level 1 Scores\", with void as an eighth class";
        vec![seven, Self::new(title, eight, Make::VoidAsClass)]
    }
}

/// The names of the classes of a built-in map.
fn names(map: &str) -> Result<Vec<String>, String> {
    let map = LabelMap::builtin(map).map_err(|e| e.to_string())?;
    Ok(map.classes().classes.iter().map(|class| class.name.clone()).collect())
}

/// The group at level 1 of each class at level 3.
fn level_1_of_3() -> Vec<Option<usize>> {
    LEVEL_2_OF_3.iter().map(|&group| Some(LEVEL_1_OF_2[group])).collect()
}

#[cfg(test)]
mod tests {
    use canet_core::LabelTable;

    use super::*;

    #[test]
    fn the_groups_are_those_of_the_label_table() {
        let mut checked = 0;
        for label in LabelTable::idd().labels().iter().filter(|label| label.level3 != 255) {
            let level_2 = LEVEL_2_OF_3[usize::from(label.level3)];
            assert_eq!(level_2, usize::from(label.level2), "{}", label.name);
            assert_eq!(LEVEL_1_OF_2[level_2], usize::from(label.level1), "{}", label.name);
            checked += 1;
        }
        assert_eq!(checked, 35);
    }

    #[test]
    fn categories_are_those_of_the_class_names() {
        let classes = names("cityscapes-19").unwrap();
        let of = |category: &str| {
            let at = CATEGORIES.iter().position(|name| *name == category);
            let members = (0..19).filter(move |&c| Some(CATEGORY[c]) == at);
            members.map(|c| classes[c].as_str()).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(of("flat"), "road, sidewalk");
        assert_eq!(of("construction"), "building, wall, fence");
        assert_eq!(of("object"), "pole, traffic light, traffic sign");
        assert_eq!(of("nature"), "vegetation, terrain");
        assert_eq!(of("human"), "person, rider");
        assert_eq!(of("vehicle"), "car, truck, bus, train, motorcycle, bicycle");
    }

    #[test]
    fn maps_are_known_by_their_classes_not_only_by_name() {
        let classes = LabelMap::builtin("idd-level3").unwrap().classes().clone();
        assert_eq!(Kind::of(&classes), Kind::IddLevel3);
        let mut own = classes.clone();
        own.classes.swap(0, 1);
        assert_eq!(Kind::of(&own), Kind::Other);
        for (map, kind) in [
            ("idd-lite-7", Kind::IddLite),
            ("cityscapes-19", Kind::Cityscapes),
            ("idd-level1", Kind::Other),
            ("assignment-21", Kind::Other),
        ] {
            assert_eq!(Kind::of(LabelMap::builtin(map).unwrap().classes()), kind, "{map}");
        }
    }
}
