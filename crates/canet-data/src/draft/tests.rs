//! Trees of the forms that people have, drafted and read back.

use super::*;
use canet_core::{ClassId, Fault, LabelMap, Mask};
use image::{Rgb, RgbImage};

const POLYGONS: &str = r#"{"imgHeight": 2, "imgWidth": 4, "objects": [
    {"label": "road", "polygon": [[0, 0], [3, 0], [3, 1]]},
    {"label": "cargroup", "polygon": [[0, 0], [3, 0], [3, 1]]},
    {"label": "cow \"on\" road\n", "polygon": [[0, 0], [3, 0], [3, 1]]}]}"#;

const LABELME: &str = r#"{"version": "5.4.1", "imagePath": "1.jpg", "imageHeight": 2, "imageWidth": 4,
    "shapes": [{"label": "cow", "points": [[0, 0], [3, 0], [3, 1]], "shape_type": "polygon"}]}"#;

/// What a file of a tree holds.
#[derive(Clone, Copy)]
enum Holds {
    Photo,
    Values(&'static [u8; 8]),
    Colors(&'static [[u8; 3]; 2]),
    Text(&'static str),
}
use Holds::{Colors, Photo, Text, Values};

fn tree(files: &[(&str, Holds)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, holds) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match holds {
            // More colours than any label image has.
            Photo => {
                let photo = RgbImage::from_fn(16, 16, |x, y| Rgb([x as u8, y as u8, 7]));
                photo.save(path).unwrap();
            }
            Values(values) => {
                let classes = LabelMap::builtin("idd-level3").unwrap().classes().clone();
                let mask = Mask::from_ids(4, 2, values.to_vec());
                std::fs::write(path, mask.to_png(&classes)).unwrap();
            }
            Colors(colors) => {
                RgbImage::from_fn(4, 2, |x, _| Rgb(colors[x as usize / 2])).save(path).unwrap();
            }
            Text(text) => std::fs::write(path, text).unwrap(),
        }
    }
    dir
}

fn drafted(files: &[(&str, Holds)]) -> (Drafted, DatasetSpec, LabelMap) {
    let (raw, out) = (tree(files), tempfile::tempdir().unwrap());
    let options = DraftOptions { out: out.path().join("new"), force: false };
    let drafted = draft(raw.path(), &options).unwrap();
    let spec = DatasetSpec::from_file(&drafted.dataset).unwrap();
    let labels = spec.usual_labels().unwrap();
    (drafted, spec, labels)
}

/// Name, files, and what the draft says: kind, patterns of frames and annotations, frames found.
type Case = (&'static str, &'static [(&'static str, Holds)], [&'static str; 3], usize);

const IDS: Holds = Values(&[0, 1, 2, 3, 6, 255, 255, 0]);
const CAMVID: Holds = Colors(&[[128, 64, 128], [64, 0, 128]]);
const OWN: Holds = Colors(&[[1, 2, 3], [200, 0, 0]]);

const CASES: &[Case] = &[
    (
        "folders by drive, polygons",
        &[
            ("d/images/1/a.jpg", Photo),
            ("d/images/2/b.png", Photo),
            ("d/masks/1/a.json", Text(POLYGONS)),
            ("d/masks/2/b.json", Text(POLYGONS)),
        ],
        ["polygons", "images/{drive}/{frame}.{image}", "masks/{drive}/{frame}.json"],
        2,
    ),
    (
        "Cityscapes, of which polygons are taken",
        &[
            ("leftImg8bit/train/ulm/ulm_0_leftImg8bit.png", Photo),
            ("leftImg8bit/train/bonn/bonn_0_leftImg8bit.png", Photo),
            ("leftImg8bit/test/bern/bern_0_leftImg8bit.png", Photo),
            ("gtFine/train/ulm/ulm_0_gtFine_polygons.json", Text(POLYGONS)),
            ("gtFine/train/ulm/ulm_0_gtFine_labelIds.png", IDS),
            ("gtFine/train/bonn/bonn_0_gtFine_polygons.json", Text(POLYGONS)),
            ("gtFine/train/bonn/bonn_0_gtFine_labelIds.png", IDS),
        ],
        [
            "polygons",
            "leftImg8bit/{split}/{drive}/{frame}_leftImg8bit.{image}",
            "gtFine/{split}/{drive}/{frame}_gtFine_polygons.json",
        ],
        2,
    ),
    (
        "IDD-Lite, instances beside classes",
        &[
            ("l/leftImg8bit/train/1/0_image.jpg", Photo),
            ("l/leftImg8bit/val/2/0_image.jpg", Photo),
            ("l/gtFine/train/1/0_label.png", IDS),
            ("l/gtFine/train/1/0_inst_label.png", IDS),
            ("l/gtFine/val/2/0_label.png", IDS),
            ("l/gtFine/val/2/0_inst_label.png", IDS),
        ],
        [
            "label-images",
            "leftImg8bit/{split}/{drive}/{frame}_image.{image}",
            "gtFine/{split}/{drive}/{frame}_label.png",
        ],
        2,
    ),
    (
        "split folders with a suffix, colours",
        &[
            ("train/0001TP_1.png", Photo),
            ("train/0001TP_2.png", Photo),
            ("train/0001TP_3.png", Photo),
            ("train/0001TP_4.png", Photo),
            ("val/0006R0_1.png", Photo),
            ("val/0006R0_2.png", Photo),
            ("val/0006R0_3.png", Photo),
            ("val/0006R0_4.png", Photo),
            ("train_labels/0001TP_1_L.png", CAMVID),
            ("train_labels/0001TP_2_L.png", CAMVID),
            ("train_labels/0001TP_3_L.png", CAMVID),
            ("train_labels/0001TP_4_L.png", CAMVID),
            ("val_labels/0006R0_1_L.png", CAMVID),
            ("val_labels/0006R0_2_L.png", CAMVID),
            ("val_labels/0006R0_3_L.png", CAMVID),
            ("val_labels/0006R0_4_L.png", CAMVID),
        ],
        ["color-images", "{split}/{drive}_{frame}.{image}", "{split}_labels/{drive}_{frame}_L.png"],
        8,
    ),
    (
        "splits above images and labels",
        &[
            ("train/images/a.jpg", Photo),
            ("valid/images/b.jpg", Photo),
            ("train/labels/a.png", OWN),
            ("valid/labels/b.png", OWN),
        ],
        ["color-images", "{split}/images/{frame}.{image}", "{split}/labels/{frame}.png"],
        2,
    ),
    (
        "lists",
        &[
            ("v/JPEGImages/2007_1.jpg", Photo),
            ("v/JPEGImages/2007_2.jpg", Photo),
            ("v/JPEGImages/2008_3.jpg", Photo),
            ("v/SegmentationClass/2007_1.png", Values(&[0, 0, 0, 0, 15, 15, 255, 255])),
            ("v/SegmentationClass/2007_2.png", Values(&[0, 0, 0, 0, 15, 15, 255, 255])),
            ("v/ImageSets/Segmentation/train.txt", Text("2007_1\n")),
            ("v/ImageSets/Segmentation/val.txt", Text("2007_2\n")),
            ("v/ImageSets/Main/train.txt", Text("2008_3\n2008_4\n")),
        ],
        ["label-images", "JPEGImages/{frame}.{image}", "SegmentationClass/{frame}.png"],
        2,
    ),
    (
        "LabelMe beside the frames",
        &[
            ("x/1.jpg", Photo),
            ("y/2.jpg", Photo),
            ("x/1.json", Text(LABELME)),
            ("y/2.json", Text(LABELME)),
        ],
        ["labelme", "{drive}/{frame}.{image}", "{drive}/{frame}.json"],
        2,
    ),
    (
        "all in one folder",
        &[("a.jpg", Photo), ("b.jpg", Photo), ("a_mask.png", OWN), ("b_mask.png", OWN)],
        ["color-images", "{frame}.{image}", "{frame}_mask.png"],
        2,
    ),
];

#[test]
fn each_form_of_tree_is_drafted_and_found_again() {
    for (name, files, [kind, images, annotations], frames) in CASES {
        let (drafted, spec, _) = drafted(files);
        assert_eq!(drafted.kind, *kind, "{name}");
        let patterns = (spec.layout.images[0].as_str(), spec.layout.annotations[0].as_str());
        assert_eq!(patterns, (*images, *annotations), "{name}");
        assert_eq!(spec.layout.images.len(), 1, "{name}");
        let found = drafted.frames.values().sum::<usize>();
        assert_eq!((found, drafted.labelled), (*frames, *frames), "{name}: {drafted:?}");
    }
}

#[test]
fn splits_lists_and_what_nobody_knows_are_told() {
    let of = |at: usize| drafted(CASES[at].1);
    let (city, spec, labels) = of(1);
    assert_eq!(spec.layout.unlabelled, ["test"]);
    assert_eq!(city.left_out["test"], 1);
    assert!(
        city.notes.iter().any(|note| note.contains("*_gtFine_labelIds.png")),
        "{:?}",
        city.notes
    );
    // "cargroup" is a car; the label of three lines and quotes is a class of its own.
    assert_eq!(city.classes, ["road", "car", "cow \"on\" road\n"]);
    assert_eq!(labels.class_of_label("cow \"on\" road\n"), Some(ClassId(2)));

    let (lite, spec, labels) = of(2);
    assert_eq!(spec.layout.ignore[0].as_str(), "gtFine/{split}/{drive}/{frame}_inst_label.png");
    assert_eq!((lite.nearest, lite.classes.len()), (Some("idd-lite-7"), 5));
    assert_eq!(labels.class_of_value(255), Some(ClassId::VOID));

    let (camvid, _, labels) = of(3);
    assert_eq!(
        (camvid.nearest, &camvid.classes[..]),
        (Some("camvid-11"), &["road".to_owned(), "car".to_owned()][..])
    );
    assert_eq!(labels.class_of_color(canet_core::Rgb([64, 0, 128])), Some(ClassId(1)));

    let (own, spec, _) = of(4);
    assert_eq!(own.nearest, None);
    assert_eq!(own.classes, ["colour #010203", "colour #c80000"]);
    assert_eq!(spec.layout.splits["valid"], Split::Val);

    let (voc, spec, _) = of(5);
    assert_eq!(spec.layout.split_lists[&Split::Val], "v/ImageSets/Segmentation/val.txt");
    assert_eq!((voc.left_out["in no list"], voc.nearest), (1, Some("voc-21")));

    let (cows, _, _) = of(6);
    assert_eq!(cows.classes, ["cow"]);

    let (flat, spec, _) = of(7);
    assert!(spec.layout.independent_frames);
    assert!(flat.notes.iter().any(|note| note.starts_with("GUESS: nothing tells drives apart")));
}

/// Many maps know IDD's labels; where the tree is IDD's, or nobody's, it is the scored one that is meant.
#[test]
fn of_maps_that_know_the_same_labels_the_usual_one_is_taken() {
    const IDD: &str = r#"{"imgHeight": 2, "imgWidth": 4, "objects": [
        {"label": "autorickshaw", "polygon": [[0, 0], [3, 0], [3, 1]]},
        {"label": "vehicle fallback", "polygon": [[0, 0], [3, 0], [3, 1]]},
        {"label": "truck", "polygon": [[0, 0], [3, 0], [3, 1]]},
        {"label": "bus", "polygon": [[0, 0], [3, 0], [3, 1]]}]}"#;
    const CITY: &str = r#"{"imgHeight": 2, "imgWidth": 4, "objects": [
        {"label": "truck", "polygon": [[0, 0], [3, 0], [3, 1]]},
        {"label": "terrain", "polygon": [[0, 0], [3, 0], [3, 1]]}]}"#;
    let tree = |text, frame: &'static str, json: &'static str| {
        let files = ["a", "b"].map(|drive| {
            let name = |pattern: &str| pattern.replace('D', drive).leak() as &'static str;
            [(name(frame), Photo), (name(json), Text(text))]
        });
        drafted(&files.concat()).0.nearest
    };
    let official =
        ("leftImg8bit/train/D/D_leftImg8bit.png", "gtFine/train/D/D_gtFine_polygons.json");
    assert_eq!(tree(IDD, official.0, official.1), Some("idd-level3"));
    assert_eq!(tree(CITY, official.0, official.1), Some("cityscapes-19"));
    assert_eq!(tree(IDD, "photos/D/1.jpg", "labels/D/1.json"), Some("idd-level3"));
    assert_eq!(tree(IDD, "images/D/1.jpg", "masks/D/1.json"), Some("assignment-21"));
}

#[test]
fn values_without_a_known_layout_stay_numbers() {
    let (drafted, _, labels) =
        drafted(&[("x/a.jpg", Photo), ("x/b.jpg", Photo), ("y/a.png", IDS), ("y/b.png", IDS)]);
    assert_eq!(drafted.nearest, None);
    assert_eq!(drafted.classes, ["value 0", "value 1", "value 2", "value 3", "value 6"]);
    let colors: std::collections::BTreeSet<_> =
        labels.classes().classes.iter().map(|class| class.color).collect();
    assert_eq!(colors.len(), 5, "each has a colour of its own");
}

#[test]
fn files_are_not_overwritten_and_foreign_trees_are_refused() {
    let raw = tree(CASES[7].1);
    let out = tempfile::tempdir().unwrap();
    let mut options = DraftOptions { out: out.path().to_owned(), force: false };
    let first = draft(raw.path(), &options).unwrap();
    let text = std::fs::read(&first.label_map).unwrap();
    let error = draft(raw.path(), &options).unwrap_err();
    assert!(error.to_string().contains("my-data.toml is there already; --force"), "{error}");
    assert_eq!(error.fault(), Fault::Usage);
    options.force = true;
    assert_eq!(draft(raw.path(), &options).unwrap(), first);
    assert_eq!(std::fs::read(&first.label_map).unwrap(), text);

    for (files, needle) in [
        (
            &[("a.jpg", Photo), ("b.json", Text("{}"))][..],
            "found 1 frames, 1 JSON files and 0 label",
        ),
        (&[("a.jpg", Photo), ("a.json", Text("{}"))], "must begin with its frame's name"),
        (
            &[
                ("i/delhi/1/a.jpg", Photo),
                ("i/pune/2/b.jpg", Photo),
                ("m/delhi/1/a.png", OWN),
                ("m/pune/2/b.png", OWN),
            ],
            "two levels of folders that differ, such as delhi/1",
        ),
    ] {
        let error = draft(tree(files).path(), &options).unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
    }
}
