//! Small trees of each layout and kind of annotation, prepared from end to end.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

use std::fs;
use std::path::Path;

use canet_core::{ClassId, LabelMap, Mask, atomic};
use canet_data::dataset_spec::DatasetSpec;
use canet_data::manifest::Manifest;
use canet_data::prepare::{PrepareOptions, prepare};
use canet_data::split::Split;
use image::{Rgb, RgbImage};
use tempfile::TempDir;

/// A frame of 4x2 pixels.
fn frame(dir: &Path, name: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_fn(4, 2, |x, y| Rgb([x as u8, y as u8, 9])).save(path).unwrap();
}

/// Prepares a tree and returns the manifest with the folder that it lies in.
fn prepared(dataset: &str, raw: &Path, map: Option<&str>) -> (Manifest, TempDir) {
    let out = tempfile::tempdir().unwrap();
    let label_map = map.map(|name| LabelMap::builtin(name).unwrap());
    let options = PrepareOptions { label_map, ..PrepareOptions::new(out.path()) };
    let spec = DatasetSpec::builtin(dataset).unwrap();
    let manifest = prepare(raw, &spec, &options, &|_| {}).unwrap().manifest;
    assert_eq!(Manifest::read(out.path()).unwrap(), manifest);
    (manifest, out)
}

fn mask_of(manifest: &Manifest, out: &TempDir, split: Split, at: usize) -> Vec<u8> {
    let path = out.path().join(&manifest.entries(split)[at].mask);
    Mask::read(&path, &manifest.classes).unwrap().into_ids()
}

#[test]
fn colours_become_classes_and_a_smoothed_image_is_skipped() {
    let raw = tempfile::tempdir().unwrap();
    for name in ["train/0001TP_1.png", "train/0001TP_2.png", "val/0016E5_1.png"] {
        frame(raw.path(), name);
        let label = name.replacen('/', "_labels/", 1).replace(".png", "_L.png");
        let colors = [[128, 64, 128], [192, 0, 64], [0, 0, 0], [64, 192, 128]];
        let mut image = RgbImage::from_fn(4, 2, |x, _| Rgb(colors[x as usize]));
        if name.contains("_2") {
            image.put_pixel(3, 1, Rgb([63, 192, 128]));
        }
        let path = raw.path().join(label);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image.save(path).unwrap();
    }
    let (manifest, out) = prepared("camvid-colors", raw.path(), None);
    assert_eq!(manifest.rule, "color-images");
    assert_eq!(manifest.left_out.len(), 0);
    for split in [Split::Train, Split::Val] {
        assert_eq!(mask_of(&manifest, &out, split, 0), [3, 3, 255, 4, 3, 3, 255, 4]);
    }
    let [skipped] = &manifest.skipped[..] else { panic!("{:?}", manifest.skipped) };
    assert_eq!(skipped.path, "train_labels/0001TP_2_L.png");
    assert!(
        skipped.reason.contains("pixel (3, 1) has the colour #3fc080")
            && skipped.reason.ends_with("the nearest that it knows is #40c080, pavement"),
        "{}",
        skipped.reason
    );
}

/// Indices count, not the palette; of 4 bits, too.
#[test]
fn voc_folders_are_split_by_their_lists() {
    let raw = tempfile::tempdir().unwrap();
    let root = raw.path().join("VOCdevkit/VOC2012");
    let map = LabelMap::builtin("voc-21").unwrap();
    for name in ["2007_1", "2007_2", "2007_3"] {
        frame(&root, &format!("JPEGImages/{name}.jpg"));
        let mask = Mask::from_ids(4, 2, vec![0, 15, 15, 255, 0, 0, 20, 255]).to_png(map.classes());
        atomic::write(&root.join(format!("SegmentationClass/{name}.png")), &mask).unwrap();
    }
    frame(&root, "JPEGImages/2007_4.jpg");
    for (list, lines) in [("train", "2007_1\n2007_3\n"), ("val", "2007_2\n2007_8\n")] {
        let path = root.join(format!("ImageSets/Segmentation/{list}.txt"));
        atomic::write(&path, lines.as_bytes()).unwrap();
    }
    let (manifest, out) = prepared("voc", raw.path(), None);
    assert!(manifest.official_splits);
    assert_eq!(manifest.rule, "label-images");
    let names = |split| manifest.entries(split).iter().map(|e| e.mask.as_str()).collect::<Vec<_>>();
    assert_eq!(names(Split::Train), ["masks/train/all/2007_1.png", "masks/train/all/2007_3.png"]);
    assert_eq!(names(Split::Val), ["masks/val/all/2007_2.png"]);
    assert_eq!(mask_of(&manifest, &out, Split::Val, 0), [0, 15, 15, 255, 0, 0, 20, 255]);
    let [skipped] = &manifest.skipped[..] else { panic!("{:?}", manifest.skipped) };
    assert_eq!(skipped.path, "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt");
    assert_eq!(skipped.reason, "line 2: there is no frame 2007_8");
    assert_eq!(manifest.left_out["in no list"], 1);
}

/// Rows of one polygon each over the frame of Cityscapes: what the official tool paints.
const CITY: &str = r#"{"imgHeight": 2, "imgWidth": 4, "objects": [
    {"label": "car", "polygon": [[0, 0], [3, 0], [3, 0]]},
    {"label": "license plate", "polygon": [[1, 0], [1, 0], [1, 0]]},
    {"label": "persongroup", "polygon": [[2, 0], [2, 0], [2, 0]]},
    {"label": "dynamic", "polygon": [[3, 0], [3, 0], [3, 0]]},
    {"label": "polegroup", "polygon": [[0, 1], [1, 1], [1, 1]]},
    {"label": "terrain", "polygon": [[2, 1], [2, 1], [2, 1]]}]}"#;

#[test]
fn cityscapes_polygons_become_both_official_encodings() {
    let raw = tempfile::tempdir().unwrap();
    for (split, city) in [("train", "aachen"), ("val", "ulm")] {
        let name = format!("{split}/{city}/{city}_0_0");
        frame(raw.path(), &format!("leftImg8bit/{name}_leftImg8bit.png"));
        let json = raw.path().join(format!("gtFine/{name}_gtFine_polygons.json"));
        atomic::write(&json, CITY.as_bytes()).unwrap();
    }
    for (map, expected) in [
        ("cityscapes-ids", [26, 26, 24, 5, 18, 18, 22, 0]),
        ("cityscapes-19", [13, 13, 11, 255, 255, 255, 9, 255]),
    ] {
        let (manifest, out) = prepared("cityscapes-polygons", raw.path(), Some(map));
        assert_eq!(mask_of(&manifest, &out, Split::Val, 0), expected, "{map}");
        // The plate is left to the car, as by the official tool, and counted.
        assert_eq!(manifest.findings.unknown_labels["license plate"], 2);
        assert_eq!(manifest.skipped, []);
    }
}

/// IDD's polygons in Cityscapes' ids, and those masks read back as label images.
#[test]
fn idd_polygons_become_cityscapes_ids() {
    let raw = tempfile::tempdir().unwrap();
    let json = CITY.replace("dynamic", "vehicle fallback").replace("terrain", "autorickshaw");
    for split in ["train", "val"] {
        frame(raw.path(), &format!("leftImg8bit/{split}/7/0_leftImg8bit.jpg"));
        let path = raw.path().join(format!("gtFine/{split}/7/0_gtFine_polygons.json"));
        atomic::write(&path, json.as_bytes()).unwrap();
    }
    for (map, expected) in [
        ("idd-cs-ids", [26, 255, 24, 255, 18, 18, 255, 0]),
        ("idd-cs-train-ids", [13, 255, 11, 255, 255, 255, 255, 255]),
        ("idd-ids", [12, 39, 6, 18, 27, 27, 11, 35]),
        ("idd-level4", [11, 255, 5, 15, 23, 23, 10, 255]),
    ] {
        let (manifest, out) = prepared("idd-20k", raw.path(), Some(map));
        let ids = mask_of(&manifest, &out, Split::Train, 0);
        assert_eq!(ids, expected, "{map}");
        let map = LabelMap::builtin(map).unwrap();
        assert!(ids.iter().all(|id| map.class_of_value(*id) == Some(ClassId(*id))));
    }
}
