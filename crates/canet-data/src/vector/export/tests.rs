//! Trees of masks to files and back.

use super::*;
use crate::annotation::Annotation;
use crate::format::{coco::Instances, labelme};
use crate::raster::rasterise;
use canet_core::ClassId;
use std::fs;
use tempfile::{TempDir, tempdir};

fn labels() -> LabelMap {
    LabelMap::builtin("idd-level3").unwrap()
}

/// Two frames in folders, a picture of `canet segment`'s, and what is no mask.
fn tree() -> (TempDir, [Mask; 2]) {
    let dir = tempdir().unwrap();
    let ids = |shift: usize| (0..150).map(move |at| [255, 0, 9, 9, 4][at * at / (11 + shift) % 5]);
    let masks = [0, 5].map(|shift| Mask::from_ids(15, 10, ids(shift).collect()));
    for (mask, name) in masks.iter().zip(["007/a_mask.png", "b.png"]) {
        atomic::write(&dir.path().join(name), &mask.to_png(labels().classes())).unwrap();
    }
    for name in ["007/a_color.png", "notes.txt", ".hidden.png"] {
        atomic::write(&dir.path().join(name), b"no mask").unwrap();
    }
    (dir, masks)
}

fn run(masks: &Path, out: &Path, what: &Export) -> Result<Report, Error> {
    export(masks, out, what, &mut |_| {})
}

#[test]
fn files_of_every_format_give_the_masks_back() {
    let ((dir, masks), labels) = (tree(), labels());
    let mut compared = 0;
    for format in Format::ALL {
        let (out, what) = (tempdir().unwrap(), Export::exact(&labels, format));
        let report = run(dir.path(), out.path(), &what).unwrap();
        assert_eq!((report.frames.len(), report.skipped.len()), (2, 0));
        assert_eq!((report.rule, report.deviation.changed), (usual_rule(format).name(), 0));
        assert!(out.path().join(REPORT_FILE).exists());
        for (frame, mask) in report.frames.iter().zip(&masks) {
            let path = out.path().join(&frame.file);
            let bytes = fs::read(&path).unwrap();
            let annotation = match format {
                Format::Idd | Format::Cityscapes => Annotation::parse(&bytes, &path, &labels),
                Format::LabelMe => labelme::parse(&bytes, &path, &labels),
                Format::Coco => {
                    let mut instances = Instances::parse(&bytes, &path, &labels).unwrap();
                    Ok(instances.images.remove(usize::from(mask == &masks[1])).annotation)
                }
                // There is no reader of this one.
                Format::Cvat => {
                    assert!(bytes.starts_with(b"<?xml"));
                    continue;
                }
            };
            assert_eq!(&rasterise(&annotation.unwrap(), &labels, what.options.rule), mask);
            compared += 1;
        }
    }
    assert_eq!(compared, 8);
}

#[test]
fn broken_masks_are_told_and_the_rest_goes_on() {
    let ((dir, _), labels) = (tree(), labels());
    fs::write(dir.path().join("aa.png"), b"no PNG").unwrap();
    let foreign = Mask::filled(2, 2, ClassId(99)).to_png(labels.classes());
    fs::write(dir.path().join("z.png"), foreign).unwrap();
    let mut told = Vec::new();
    // The output folder may lie in the folder of masks.
    let out = dir.path().join("out");
    let what = Export::exact(&labels, Format::Idd);
    for _ in 0..2 {
        told.clear();
        let report = export(dir.path(), &out, &what, &mut |frame| {
            told.push(match frame {
                Ok(frame) => frame.mask.clone(),
                Err(skipped) => format!("!{}: {}", skipped.mask, skipped.reason),
            });
        })
        .unwrap();
        assert_eq!((report.frames.len(), report.skipped.len()), (2, 2));
    }
    assert_eq!(told[0], "007/a_mask.png");
    assert!(told[1].starts_with("!aa.png: is not a readable PNG"), "{}", told[1]);
    assert_eq!(told[2], "b.png");
    assert!(told[3].starts_with("!z.png: pixel (0, 0) has value 99"), "{}", told[3]);
}

#[test]
fn threads_change_nothing() {
    let ((dir, _), labels) = (tree(), labels());
    let mut trees = Vec::new();
    for threads in [1, 2, 8] {
        let out = tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for format in Format::ALL {
            pool.install(|| run(dir.path(), out.path(), &Export::exact(&labels, format))).unwrap();
        }
        let names = ["007/a.json", "b_gtFine_polygons.json", "annotations.xml", "instances.json"];
        trees.push(names.map(|name| fs::read(out.path().join(name)).unwrap()));
    }
    assert!(trees[0] == trees[1] && trees[0] == trees[2]);
}

#[test]
fn simplified_files_say_how_near_they_are() {
    let ((dir, _), labels) = (tree(), labels());
    let out = tempdir().unwrap();
    let mut what = Export::exact(&labels, Format::Idd);
    what.options = Options { simplify: 2.0, min_area: 3, ..what.options };
    let report = run(&dir.path().join("b.png"), out.path(), &what).unwrap();
    assert!(report.deviation.changed > 0 && report.frames[0].absorbed > 0);
    let file = fs::read(out.path().join("b_gtFine_polygons.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let note = &json["canet"];
    assert_eq!(note["changed_pixels"], report.deviation.changed);
    assert_eq!((&note["rule"], &note["min_area"]), (&json!("pillow-6"), &json!(3)));
}

#[test]
fn useless_inputs_are_refused_before_anything_is_written() {
    let ((dir, _), labels) = (tree(), labels());
    let out = dir.path().join("out");
    fs::create_dir(dir.path().join("empty")).unwrap();
    let idd = Export::exact(&labels, Format::Idd);
    let labelme = Export::exact(&labels, Format::LabelMe);
    for (name, copy, what, fault, words) in [
        ("none", None, &idd, Fault::Usage, "none"),
        ("empty", None, &idd, Fault::Data, "holds no mask"),
        ("", Some("b_label.png"), &idd, Fault::Usage, "would both become b_gtFine_polygons.json"),
        ("", Some("vectorise.png"), &labelme, Fault::Usage, "and the report would both become"),
    ] {
        let copy = copy.map(|name| dir.path().join(name));
        if let Some(copy) = &copy {
            fs::copy(dir.path().join("b.png"), copy).unwrap();
        }
        let error = run(&dir.path().join(name), &out, what).unwrap_err();
        assert_eq!(error.fault(), fault, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!out.exists());
        copy.map(fs::remove_file).transpose().unwrap();
    }
}
