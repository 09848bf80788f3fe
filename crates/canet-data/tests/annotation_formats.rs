//! The same streets, labelled in three tools' formats, become the same prepared folder.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

use std::fs;
use std::path::Path;

use canet_core::{Fault, LabelMap, atomic};
use canet_data::Error;
use canet_data::annotation::Annotation;
use canet_data::dataset_spec::DatasetSpec;
use canet_data::format::{self, Format, Gathered};
use canet_data::painting::Painting;
use canet_data::prepare::{Outcome, PrepareOptions, prepare};
use canet_data::sample::{self, SampleOptions};
use tempfile::{TempDir, tempdir};

fn labels() -> LabelMap {
    LabelMap::builtin("idd-level3").unwrap()
}

fn run(raw: &Path, dataset: &str, out: &Path) -> Result<Outcome, Error> {
    let options = PrepareOptions { label_map: Some(labels()), ..PrepareOptions::new(out) };
    prepare(raw, &DatasetSpec::builtin(dataset).unwrap(), &options, &|_| {})
}

/// Drawn streets with IDD's polygons and one COCO file, and once more with files of `LabelMe` beside them.
fn raw_tree() -> TempDir {
    let dir = tempdir().unwrap();
    let root = dir.path();
    let options = SampleOptions { width: 96, height: 64, drives: 3, frames_per_drive: 2, seed: 5 };
    assert_eq!(sample::write_tree(&options, root).unwrap(), 6);
    let labels = labels();
    let mut coco = Gathered::new(Format::Coco, &labels).unwrap();
    for (drive, frame) in (0..3).flat_map(|drive| [(drive, 0), (drive, 1)]) {
        let stem = format!("{drive:03}/frame{frame:04}");
        let json = root.join(format!("masks/{stem}.json"));
        let annotation = Annotation::parse(&fs::read(&json).unwrap(), &json, &labels).unwrap();
        let painting = Painting::of(&annotation, &labels);
        let image = format!("{stem}.jpg");
        coco.add(&painting, &image, None).unwrap();
        let json = format::write(Format::LabelMe, &painting, &labels, &image, None).unwrap();
        atomic::write(&root.join(format!("{stem}.json")), &json).unwrap();
        fs::copy(root.join("images").join(&image), root.join(&image)).unwrap();
    }
    atomic::write(&root.join("instances.json"), &coco.finish()).unwrap();
    dir
}

#[test]
fn every_readable_format_gives_the_same_prepared_folder() {
    let raw = raw_tree();
    let mut hashes = Vec::new();
    for dataset in ["assignment", "coco", "labelme"] {
        let out = tempdir().unwrap();
        if dataset == "labelme" {
            // Its frames lie in folders of drives, as those in `images` do.
            for folder in ["images", "masks"] {
                fs::remove_dir_all(raw.path().join(folder)).unwrap();
            }
        }
        let outcome = run(raw.path(), dataset, out.path()).unwrap();
        assert!(outcome.manifest.skipped.is_empty(), "{dataset}: {:?}", outcome.manifest.skipped);
        assert_eq!((outcome.work_done, outcome.manifest.rule.as_str()), (6, "pillow-6"));
        let again = run(raw.path(), dataset, out.path()).unwrap();
        assert_eq!((again.work_done, again.reused), (0, 6), "{dataset}");
        hashes.push(outcome.manifest.hash);
    }
    assert!(hashes[0] == hashes[1] && hashes[0] == hashes[2], "the format shows: {hashes:?}");
}

#[test]
fn what_a_gathered_file_does_not_name_or_names_wrongly_is_told() {
    let raw = raw_tree();
    let path = raw.path().join("instances.json");
    let good = fs::read_to_string(&path).unwrap();
    let change = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        fs::write(&path, good.replacen(from, to, 1)).unwrap();
    };
    let out = tempdir().unwrap();

    let masks_made = || run(raw.path(), "coco", out.path()).unwrap().masks_made;
    assert_eq!(masks_made(), 6);
    change("\"category_id\":17", "\"category_id\":16");
    assert_eq!(
        masks_made(),
        1,
        "the file is another one, but the other frames' parts are the same"
    );

    change("001/frame0000.jpg", "9/lost.jpg");
    let manifest = run(raw.path(), "coco", out.path()).unwrap().manifest;
    let skipped: Vec<_> = manifest.skipped.iter().map(|s| (&*s.path, &*s.reason)).collect();
    let strangers = "names 1 images that are no frames here, such as \"9/lost.jpg\"";
    assert_eq!(
        skipped,
        [("images/001/frame0000.jpg", "has no annotation"), ("instances.json", strangers)]
    );

    change("\"width\":96", "\"width\":95");
    let manifest = run(raw.path(), "coco", out.path()).unwrap().manifest;
    assert_eq!(manifest.skipped.len(), 1);
    assert!(manifest.skipped[0].reason.contains("95x64 pixels, but its frame has 96x64"));

    change("\"segmentation\":[[", "\"segmentation\":[],\"old\":[[");
    let manifest = run(raw.path(), "coco", out.path()).unwrap().manifest;
    assert_eq!((manifest.skipped.len(), manifest.findings.not_polygons), (0, 1));
    assert_eq!(manifest.listed_findings[0].finding, "objects[0] is a box, not a polygon");

    for (from, to, needle) in [
        ("001/frame0000.jpg", "frame0000.jpg", "write more of the path"),
        ("001/frame0000.jpg", "000/frame0000.jpg", "has an annotation already"),
        ("\"iscrowd\"", "\"image_id\":1,\"iscrowd\"", "annotations[0]: duplicate field"),
    ] {
        change(from, to);
        let error = run(raw.path(), "coco", out.path()).unwrap_err();
        assert!(error.to_string().contains(needle), "{error}");
        assert!(error.to_string().contains("instances.json"), "{error}");
        assert_eq!(error.fault(), Fault::Data);
    }
}
