//! Broken, foreign and hostile input: a clear error or a counted skip, never a panic.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use canet_core::{ClassId, Fault, LabelMap, Mask, atomic};
use canet_data::Error;
use canet_data::annotation::Annotation;
use canet_data::dataset_spec::DatasetSpec;
use canet_data::prepare::{PrepareOptions, prepare};
use canet_data::raster::{Rule, rasterise};
use canet_data::split::Split;
use common::{SIZE, annotation_json, content, options, picture, prepare_assignment, raw_tree};
use tempfile::tempdir;

fn parse(bytes: &[u8]) -> Result<Annotation, Error> {
    Annotation::parse(bytes, Path::new("a.json"), &LabelMap::builtin("idd-level3").unwrap())
}

#[test]
fn an_annotation_cut_anywhere_is_refused() {
    let json = annotation_json(4).into_bytes();
    assert_eq!(parse(&json).unwrap().objects.len(), 3);
    for length in 0..json.len() {
        let error = parse(&json[..length]).unwrap_err();
        assert!(matches!(error, Error::Annotation { .. }), "{length}: {error}");
    }
}

/// Each byte is replaced by each of a few that matter in JSON: an error or an annotation, no panic.
#[test]
fn an_annotation_changed_anywhere_does_no_harm() {
    let map = LabelMap::builtin("idd-level3").unwrap();
    let json = annotation_json(4).into_bytes();
    let (mut refused, mut read) = (0, 0);
    for at in 0..json.len() {
        for byte in [b'"', b'[', b'}', b'-', b'9', b'e', b'\\', 0xFF, 0] {
            let mut json = json.clone();
            json[at] = byte;
            match parse(&json) {
                Err(_) => refused += 1,
                Ok(annotation) => {
                    let mask = rasterise(&annotation, &map, Rule::Pillow6);
                    assert_eq!(mask.first_foreign(map.classes()), None);
                    read += 1;
                }
            }
        }
    }
    assert!(refused > 1000 && read > 300, "{refused} refused, {read} read");
}

#[test]
fn foreign_and_absurd_json_is_refused() {
    let deep = "[".repeat(100_000);
    let deep_key = format!("{{\"imgWidth\": 1, \"imgHeight\": 1, \"objects\": [{deep}");
    let deep_extra = format!("{{\"extra\": {deep}");
    for text in [
        "null",
        "3",
        "\"text\"",
        "[]",
        "{}",
        "<html>quota exceeded</html>",
        "\u{feff}{}",
        r#"{"imgHeight": 1, "imgWidth": 1, "objects": {}}"#,
        r#"{"imgHeight": 1, "imgWidth": 1, "objects": [[]]}"#,
        r#"{"imgHeight": 1, "imgWidth": 1, "objects": [{"label": 3, "polygon": []}]}"#,
        r#"{"imgHeight": 1, "imgWidth": 1, "objects": [{"label": "\ud800", "polygon": []}]}"#,
        r#"{"imgHeight": 1, "imgWidth": 1, "objects": [], "objects": []}"#,
        r#"{"imgHeight": 99999999999, "imgWidth": 1, "objects": []}"#,
        r#"{"version": "5.0", "shapes": [], "imagePath": "x.jpg"}"#,
        &deep,
        &deep_key,
        &deep_extra,
    ] {
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("a.json: at "), "{error}");
        assert!(error.len() < 400, "{error}");
    }
}

#[test]
fn huge_coordinates_and_empty_lists_are_painted_as_far_as_they_reach() {
    let map = LabelMap::builtin("idd-level3").unwrap();
    let far = ["1e9", "-1e9", "1e308", "-1e308", "4294967296", "-2147483649", "1e-320"];
    let mut painted = 0;
    for a in far {
        for b in far {
            let json = format!(
                r#"{{"imgHeight": 9, "imgWidth": 9, "objects": [{{"label": "car", "polygon": [[{a}, {b}], [{b}, 4], [3, {a}]]}}]}}"#
            );
            let mask = rasterise(&parse(json.as_bytes()).unwrap(), &map, Rule::Pillow6);
            assert_eq!(mask.first_foreign(map.classes()), None);
            painted += mask.histogram()[9];
        }
    }
    assert!(painted > 0);
    let empty = parse(br#"{"imgHeight": 2, "imgWidth": 2, "objects": []}"#).unwrap();
    assert_eq!(rasterise(&empty, &map, Rule::Pillow6), Mask::filled(2, 2, ClassId::VOID));
}

#[test]
fn a_million_points_are_painted_soon() {
    let corner = |i: u32| {
        let turn = f64::from(i) * 0.05;
        let radius = f64::from(i % 1000) + turn % 7.0;
        format!("[{:.1}, {:.1}]", 960.0 + radius * turn.cos(), 540.0 + radius * turn.sin())
    };
    let corners: Vec<_> = (0..1_000_000).map(corner).collect();
    let json = format!(
        r#"{{"imgHeight": 1080, "imgWidth": 1920, "objects": [{{"label": "car", "polygon": [{}]}}]}}"#,
        corners.join(",")
    );
    let begin = Instant::now();
    let annotation = parse(json.as_bytes()).unwrap();
    let parsed = begin.elapsed();
    rasterise(&annotation, &LabelMap::builtin("idd-level3").unwrap(), Rule::Pillow6);
    println!("parsed in {parsed:.2?}, all in {:.2?}", begin.elapsed());
    assert_eq!(annotation.objects[0].points().len(), 1_000_000);
}

#[test]
fn bad_frames_are_skipped_listed_and_not_tried_again() {
    let (raw, out) = (raw_tree(2), tempdir().unwrap());
    let data = raw.path().join("data");
    let cut = |name: &str, bytes_off: usize| {
        let bytes = fs::read(data.join(name)).unwrap();
        fs::write(data.join(name), &bytes[..bytes.len() - bytes_off]).unwrap();
    };
    cut("images/0/0000.jpg", 20);
    cut("images/0/0001.png", 40);
    cut("masks/1/0002.json", 200);
    picture(&data.join("images/1/0003.png"), (32, 48), 0);
    fs::remove_file(data.join("masks/2/0004.json")).unwrap();
    fs::remove_file(data.join("images/2/0005.png")).unwrap();
    fs::write(data.join("images/3/0006.jpg"), b"<html>quota exceeded</html>").unwrap();

    let first = prepare_assignment(raw.path(), &options(out.path())).unwrap();
    let skipped: Vec<_> =
        first.manifest.skipped.iter().map(|s| (s.path.as_str(), s.reason.as_str())).collect();
    let expected = [
        ("data/images/0/0000.jpg", "cut short"),
        ("data/images/0/0001.png", "no readable"),
        ("data/images/2/0004.jpg", "no annotation"),
        ("data/images/3/0006.jpg", "no readable"),
        ("data/masks/1/0002.json", "EOF"),
        ("data/masks/1/0003.json", "is for 48x32 pixels, but its frame has 32x48"),
        ("data/masks/2/0005.json", "without a frame"),
    ];
    assert_eq!(skipped.len(), expected.len(), "{skipped:?}");
    for ((path, reason), (expected_path, needle)) in skipped.iter().zip(expected) {
        assert!(*path == expected_path && reason.contains(needle), "{path}: {reason}");
    }
    let findings = &first.manifest.findings;
    assert_eq!((findings.deleted, findings.few_points), (3, 3));
    assert_eq!(findings.unknown_labels, BTreeMap::from([("ground".to_owned(), 3)]));
    let listed: Vec<_> = first
        .manifest
        .listed_findings
        .iter()
        .map(|l| format!("{} {}", l.path, l.finding))
        .collect();
    assert_eq!(listed.len(), 6, "{listed:?}");
    assert_eq!(listed[0], "data/masks/3/0007.json objects[3] has the unknown label \"ground\"");
    assert_eq!(listed[1], "data/masks/3/0007.json objects[4] has 2 points, fewer than 3");
    let again = prepare_assignment(raw.path(), &options(out.path())).unwrap();
    assert_eq!((again.work_done, again.reused), (0, 8));
    assert_eq!(again.manifest, first.manifest);
}

#[test]
fn label_values_outside_the_map_are_skips() {
    let (raw, out) = (tempdir().unwrap(), tempdir().unwrap());
    let map = LabelMap::builtin("camvid-11").unwrap();
    for (name, value) in [("0001TP_1", 3), ("0001TP_2", 77)] {
        picture(&raw.path().join(format!("camvid/images/train/{name}.png")), SIZE, 0);
        let mask = Mask::filled(SIZE.0, SIZE.1, ClassId(value)).to_png(map.classes());
        let path = raw.path().join(format!("camvid/labels/train/{name}.png"));
        atomic::write(&path, &mask).unwrap();
    }
    let spec = DatasetSpec::builtin("camvid").unwrap();
    let options = PrepareOptions { label_map: None, ..options(out.path()) };
    let manifest = prepare(raw.path(), &spec, &options, &|_| {}).unwrap().manifest;
    assert_eq!(manifest.entries(Split::Train).len(), 1);
    assert_eq!(manifest.statistics[&Split::Train].classes[3].pixels, u64::from(SIZE.0 * SIZE.1));
    assert_eq!(manifest.skipped.len(), 1);
    assert!(manifest.skipped[0].reason.contains("value 77"), "{:?}", manifest.skipped);
}

#[test]
fn folders_without_a_usable_frame_are_data_errors() {
    let out = tempdir().unwrap();
    let empty = tempdir().unwrap();
    let error = prepare_assignment(empty.path(), &options(out.path())).unwrap_err();
    assert!(error.to_string().contains("the folder is empty"), "{error}");
    let raw = raw_tree(1);
    for drive in 0..5 {
        fs::write(raw.path().join(format!("data/masks/{drive}/{drive:04}.json")), "{}").unwrap();
    }
    let error = prepare_assignment(raw.path(), &options(out.path())).unwrap_err();
    assert!(error.to_string().contains("none of its frames can be used; 5 files"), "{error}");
    assert_eq!(error.fault(), Fault::Data);
    assert!(!out.path().join("manifest.json").exists());
}

#[test]
fn folders_that_are_not_ours_are_left_alone() {
    let raw = raw_tree(1);
    let foreign = tempdir().unwrap();
    picture(&foreign.path().join("images/holiday.jpg"), SIZE, 1);
    for out in [raw.path().join("out"), raw.path().to_owned(), foreign.path().to_owned()] {
        let error = prepare_assignment(raw.path(), &options(&out)).unwrap_err();
        assert_eq!(error.fault(), Fault::Usage, "{error}");
    }
    assert_eq!(content(foreign.path()).len(), 1);
    let error = prepare_assignment(&raw.path().join("data"), &options(raw.path())).unwrap_err();
    assert!(error.to_string().contains("but holds data; choose an empty folder"), "{error}");
}
