//! The maps that come with the project against the official tables, and maps of every fault.

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
        assert!(train_id.is_some() && train_id == scored.class_of_value(id.0), "{}", class.name);
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

/// Some encodings have ids for which no label stands.
#[test]
fn the_label_of_a_class_leads_back_to_it() {
    let (mut with_label, mut without) = (0, 0);
    for name in LabelMap::builtin_names() {
        let map = LabelMap::builtin(name).unwrap();
        for id in (0..=255).map(ClassId) {
            let leads_to_it = |label: &str| map.class_of_label(label) == Some(id);
            if map.labels().any(|(label, _)| leads_to_it(label)) {
                assert!(map.label_of_class(id).is_some_and(leads_to_it), "{name} {id:?}");
                with_label += 1;
            } else {
                assert_eq!(map.label_of_class(id), None, "{name} {id:?}");
                without += usize::from(map.classes().allows(id));
            }
        }
    }
    assert!(with_label > 250 && without < 40, "{with_label} {without}");
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

#[test]
fn the_map_of_classes_is_the_one_they_come_from_or_their_names() {
    for name in LabelMap::builtin_names() {
        let map = LabelMap::builtin(name).unwrap();
        assert_eq!(LabelMap::of_classes(map.classes()).unwrap(), map);
    }
    let mut classes = LabelMap::builtin("idd-lite-7").unwrap().classes().clone();
    classes.classes[2].name = "people and \"animals\"".into();
    let map = LabelMap::of_classes(&classes).unwrap();
    assert_eq!(map.class_of_label("people and \"animals\""), Some(ClassId(2)));
    assert_eq!(map.label_of_class(ClassId(2)), Some("people and \"animals\""));
    assert_eq!(map.label_of_class(ClassId::VOID), Some("void"));
    classes.classes.clear();
    assert!(LabelMap::of_classes(&classes).is_err());
}
