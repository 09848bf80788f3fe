//! The label check over the other forms of annotations: label images, colours, `LabelMe`, COCO.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod checked;

use std::fs;
use std::path::Path;

use canet_core::{ClassId, LabelMap, Mask, atomic};
use canet_data::check::check;
use canet_data::check::finding::Finding;
use canet_data::dataset_spec::DatasetSpec;
use checked::{picture, run, told, write};
use image::{Rgb, RgbImage};
use tempfile::tempdir;

/// A frame and its label image in the layout of IDD-Lite.
fn label_image(root: &Path, name: &str, seed: u64, value: impl Fn(usize) -> u8) {
    let classes = LabelMap::builtin("idd-lite-7").unwrap().classes().clone();
    picture(&root.join(format!("leftImg8bit/{name}_image.png")), (40, 20), seed);
    let mask = Mask::from_ids(40, 20, (0..800).map(value).collect()).to_png(&classes);
    atomic::write(&root.join(format!("gtFine/{name}_label.png")), &mask).unwrap();
}

#[test]
fn label_images_are_checked_as_far_as_it_goes() {
    let dir = tempdir().unwrap();
    let half = |at: usize| if at < 400 { 255 } else { 3 };
    let more = |at: usize| if at < 401 { 255 } else { 3 };
    let strange = |at: usize| [6, 7, 7, 9][at % 4];
    label_image(dir.path(), "train/1/a", 1, half);
    label_image(dir.path(), "train/1/b", 1, half);
    label_image(dir.path(), "train/2/c", 1, half);
    label_image(dir.path(), "train/2/d", 2, more);
    label_image(dir.path(), "train/2/e", 3, strange);
    label_image(dir.path(), "train/2/f", 4, half);
    label_image(dir.path(), "val/3/g", 2, half);
    let path = |name: &str| dir.path().join(format!("gtFine/{name}_label.png"));
    let classes = LabelMap::builtin("idd-lite-7").unwrap().classes().clone();
    atomic::write(&path("train/2/f"), &Mask::filled(40, 21, ClassId(0)).to_png(&classes)).unwrap();
    label_image(dir.path(), "val/3/h", 5, half);
    RgbImage::new(40, 20).save(path("val/3/h")).unwrap();

    let report = run(dir.path(), "idd-lite", "idd-lite-7");
    for (subject, expected) in [
        &[][..],
        &[],
        // In the same split: no score is the better for it.
        &["near-duplicate note"],
        &["mostly-unlabelled warning"],
        &["unknown-value error", "unknown-value error"],
        &["size-mismatch error"],
        &["near-duplicate warning"],
        &["unreadable-annotation error"],
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(told(&report, subject), *expected, "{subject}");
    }
    let messages: Vec<_> = report.findings.iter().map(Finding::message).collect();
    assert!(messages.contains(&"has the unknown value 7 in 400 pixels".to_owned()), "{messages:?}");
    assert!(report.findings.iter().any(|f| f.area == Some([3.0, 0.0, 4.0, 1.0])));
    let drives: Vec<_> = report.balance.drives.iter().map(|d| (d.frames, d.void_pixels)).collect();
    assert_eq!(drives, [(2, 800), (2, 801), (1, 400)]);
}

/// The forms of other tools go through their own readers; findings lead to the shape.
#[test]
fn labelme_and_coco_are_checked() {
    let dir = tempdir().unwrap();
    let size = (200, 100);
    let bow = "[10, 10], [50, 50], [50, 10], [10, 50]";
    let road = "[0, 0], [199, 0], [199, 99], [0, 99]";
    let shape = |label: &str, kind: &str, points: &str| {
        format!(r#"{{"label": "{label}", "shape_type": "{kind}", "points": [{points}]}}"#)
    };
    let shapes = [
        shape("road", "polygon", road),
        shape("car", "polygon", bow),
        shape("carr", "polygon", bow),
        shape("car", "circle", "[3, 3], [1, 1]"),
        shape("car", "polygon", "[3, 3], [1, 1]"),
    ];
    let file = |width: u32| {
        let shapes = shapes.join(", ");
        format!(r#"{{"imageWidth": {width}, "imageHeight": 100, "shapes": [{shapes}]}}"#)
    };
    for (n, json) in [file(200), file(201), "{}".to_owned()].iter().enumerate() {
        picture(&dir.path().join(format!("{n}/a.png")), size, n as u64);
        write(&dir.path().join(format!("{n}/a.json")), json);
    }
    let report = run(dir.path(), "labelme", "idd-level3");
    let first = [
        "self-crossing warning /shapes/1",
        "unknown-label warning /shapes/2",
        "not-a-polygon warning /shapes/3",
        "few-points warning /shapes/4",
    ];
    assert_eq!(told(&report, 0), first);
    assert_eq!(told(&report, 1)[0], "size-mismatch error");
    assert_eq!(told(&report, 2), ["unreadable-annotation error"]);

    let dir = tempdir().unwrap();
    picture(&dir.path().join("images/1/a.png"), size, 1);
    picture(&dir.path().join("images/2/b.png"), size, 2);
    let flat = |points: &str| points.replace(['[', ']'], "");
    let json = format!(
        r#"{{"images": [
            {{"id": 5, "file_name": "images/1/a.png", "width": 200, "height": 100}},
            {{"id": 6, "file_name": "images/9/gone.png", "width": 200, "height": 100}}],
        "categories": [{{"id": 1, "name": "road"}}],
        "annotations": [
            {{"id": 1, "image_id": 5, "category_id": 1, "segmentation": [[{}]]}},
            {{"id": 2, "image_id": 5, "category_id": 1, "segmentation": [[{}]]}}]}}"#,
        flat(road),
        flat(bow)
    );
    write(&dir.path().join("instances.json"), &json);
    let report = run(dir.path(), "coco", "idd-level3");
    assert_eq!(told(&report, 0), ["self-crossing warning /annotations/1"]);
    assert_eq!(told(&report, 1), ["missing-annotation error"]);
    assert_eq!(told(&report, 2), ["missing-frame error"]);
}

/// Colours that the map does not know refuse the file, as they do in preparation.
#[test]
fn colour_images_are_checked() {
    let dir = tempdir().unwrap();
    let spec = DatasetSpec::builtin("camvid-colors").unwrap();
    let labels = spec.usual_labels().unwrap();
    for (drive, color) in [("a", [128, 64, 128]), ("b", [128, 64, 129])] {
        let label = dir.path().join(format!("train_labels/{drive}_1_L.png"));
        picture(&dir.path().join(format!("train/{drive}_1.png")), (40, 20), u64::from(color[2]));
        fs::create_dir_all(label.parent().unwrap()).unwrap();
        RgbImage::from_pixel(40, 20, Rgb(color)).save(label).unwrap();
    }
    let report = check(dir.path(), &spec, Some(&labels), &|_| {}).unwrap();
    assert!(told(&report, 0).is_empty(), "{:?}", told(&report, 0));
    assert_eq!(told(&report, 1), ["unreadable-annotation error"]);
}
