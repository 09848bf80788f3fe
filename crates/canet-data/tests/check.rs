//! The label check over made-up trees: every kind of finding at its place, and next to each a case
//! that is just not one.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod checked;

use std::collections::BTreeSet;
use std::fs;

use canet_data::check::kind::{Kind, Severity};
use canet_data::check::{html, text};
use checked::{picture, run, told, write};
use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// An object of frames of 200x100.
fn object(label: &str, points: &str, more: &str) -> String {
    format!(r#"{{"label": "{label}", "polygon": [{points}]{more}}}"#)
}

const ROAD: &str = "[0, 0], [199, 0], [199, 99], [0, 99]";
const BOX: &str = "[10, 10], [50, 10], [50, 50], [10, 50]";
const BOW: &str = "[10, 10], [50, 50], [50, 10], [10, 50]";

/// Objects over a road that fills the frame, and what is found of them.
fn objects() -> Vec<(String, Vec<&'static str>)> {
    let car = |points: &str| object("car", points, "");
    let crowd: Vec<_> = (0..30)
        .map(|i| car(&format!("[{0}, 10], [{1}, 10], [{1}, 14]", i * 6, i * 6 + 4)))
        .collect();
    let few = crowd[..4].join(", ");
    let cover = format!("{}, {}", car(BOX), car("[10, 10], [50, 10], [50, 50], [10, 50], [9, 30]"));
    let nearly = format!("{}, {}", car(BOX), car("[10, 10], [50, 10], [50, 49], [10, 50]"));
    vec![
        (car(BOX), vec![]),
        (object("cargroup", BOX, ""), vec![]),
        (object("carr", BOX, ""), vec!["unknown-label warning /objects/1/label"]),
        (car("[1, 1], [2, 2]"), vec!["few-points warning /objects/1"]),
        (car("[1, 1], [9, 9], [5, 5]"), vec!["zero-area warning /objects/1"]),
        (car("[300, 1], [309, 9], [309, 1]"), vec!["outside-frame warning /objects/1"]),
        // Its box meets the frame, but it does not.
        (car("[190, -9], [220, 30], [220, -9]"), vec!["beyond-frame warning /objects/1/polygon/1"]),
        (
            car("[150, -60], [240, 30], [240, -60]"),
            vec!["beyond-frame warning /objects/1/polygon/0", "outside-frame warning /objects/1"],
        ),
        (car("[10, 10], [50, 10], [50, 103]"), vec!["beyond-frame warning /objects/1/polygon/2"]),
        (car("[10, 10], [50, 10], [50, 102]"), vec![]),
        (car(BOW), vec!["self-crossing warning /objects/1/polygon/0"]),
        (car("[10, 10], [50, 50], [50, 10], [30, 30]"), vec![]),
        (cover, vec!["hidden-object warning /objects/1"]),
        (nearly, vec![]),
        (car("[1, 1], [1, 1], [9, 9], [5, 1]"), vec!["repeated-points note /objects/1/polygon/1"]),
        (car("[1, 1], [9, 9], [5, 1], [1, 1]"), vec!["closed-outline note /objects/1/polygon/3"]),
        (object("?", BOX, ", \"deleted\": 1"), vec!["deleted note /objects/1"]),
        (object("car", BOX, ", \"deleted\": 0"), vec![]),
        (
            object("car", BOW, ", \"deleted\": true"),
            vec!["self-crossing note /objects/1/polygon/0", "deleted note /objects/1"],
        ),
        (car("[1, 1], [9, null], [5, 1]"), vec!["not-a-number error /objects/1/polygon/1/1"]),
        (
            object("car", "[1, 1], [\"NaN\", 9], [5, 1]", ", \"deleted\": 1"),
            vec!["not-a-number error /objects/1/polygon/1/0", "deleted note /objects/1"],
        ),
        (car("[1, 1], [1e999, 9], [5, 1]"), vec!["not-a-number error /objects/1/polygon/1/0"]),
        (car("[1, 1], [9], [5, 1]"), vec!["unreadable-annotation error /objects/1/polygon/1"]),
        (crowd.join(", "), vec!["many-objects note"]),
        (few, vec![]),
    ]
}

/// Each object in a frame of its own drive.
fn tree_of(objects: &[(String, Vec<&str>)]) -> TempDir {
    let dir = tempdir().unwrap();
    for (n, (object, _)) in objects.iter().enumerate() {
        let road = self::object("road", ROAD, "");
        let json =
            format!(r#"{{"imgHeight": 100, "imgWidth": 200, "objects": [{road}, {object}]}}"#);
        write(&dir.path().join(format!("masks/{n:03}/f.json")), &json);
        picture(&dir.path().join(format!("images/{n:03}/f.png")), (200, 100), n as u64);
    }
    dir
}

#[test]
fn objects_are_found_at_their_place() {
    let cases = objects();
    let dir = tree_of(&cases);
    let report = run(dir.path(), "assignment", "idd-level3");
    assert_eq!(report.frames(), cases.len());
    for (subject, (object, expected)) in cases.iter().enumerate() {
        assert_eq!(told(&report, subject), *expected, "{object}");
    }
    let mut resolved = 0;
    for finding in &report.findings {
        let text = fs::read_to_string(dir.path().join(report.file(finding))).unwrap();
        let Ok(json) = serde_json::from_str::<Value>(&text) else { continue };
        let target = json.pointer(&finding.pointer).unwrap();
        match finding.what.kind() {
            Kind::UnknownLabel => assert_eq!(target, "carr"),
            Kind::Deleted => assert!(target["deleted"] == 1 || target["deleted"] == true),
            Kind::HiddenObject | Kind::FewPoints => assert_eq!(target["label"], "car"),
            Kind::RepeatedPoints | Kind::ClosedOutline => {
                assert_eq!(*target, serde_json::json!([1, 1]));
            }
            Kind::NotANumber => assert!(target.is_null() || target == "NaN"),
            _ => {}
        }
        resolved += 1;
    }
    assert!(resolved > 15, "{resolved}");
    let (objects, hint) = &report.unknown_labels["carr"];
    assert_eq!((*objects, hint.as_ref().unwrap().to_string().as_str()), (1, "is \"car\" meant?"));
}

/// What preparation refuses as a whole is no sound file here either.
#[test]
fn objects_that_would_paint_for_minutes_are_an_error() {
    for (objects, expected) in [(1_900, vec![]), (2_100, vec!["unreadable-annotation error"])] {
        let crowd = vec![object("road", ROAD, ""); objects].join(", ");
        let dir = tree_of(&[(crowd, Vec::new())]);
        let report = run(dir.path(), "assignment", "idd-level3");
        let told: Vec<_> = told(&report, 0);
        let errors: Vec<_> = told.iter().filter(|line| line.contains(" error")).collect();
        assert_eq!(errors, expected, "{objects}");
    }
}

/// Frames and files as wholes: each with what is found of it.
#[test]
fn frames_are_found() {
    let dir = tempdir().unwrap();
    let image = |name: &str| dir.path().join(format!("images/{name}.png"));
    let mask = |name: &str| dir.path().join(format!("masks/{name}.json"));
    let json = |size: (u32, u32), objects: &str| {
        format!(r#"{{"imgHeight": {}, "imgWidth": {}, "objects": [{objects}]}}"#, size.1, size.0)
    };
    let road = object("road", ROAD, "");
    let part = |bottom: u32| {
        object("road", &format!("[0, 0], [199, 0], [199, {bottom}], [0, {bottom}]"), "")
    };
    let size = (200, 100);
    let cases = [
        ("00/whole", json(size, &road), &[][..]),
        ("01/a", String::new(), &["unreadable-annotation error"]),
        ("02/a", json(size, &road)[..70].to_owned(), &["unreadable-annotation error /objects/0"]),
        ("03/a", json((199, 100), &road), &["size-mismatch error /imgWidth"]),
        ("04/a", json((200, 101), &road), &["size-mismatch error /imgHeight"]),
        ("05/a", json((200, 0), &road), &["unreadable-annotation error /imgHeight"]),
        ("06/a", json(size, ""), &["no-objects warning /objects", "mostly-unlabelled warning"]),
        ("07/a", json(size, &part(48)), &["mostly-unlabelled warning"]),
        ("08/a", json(size, &part(49)), &[]),
        ("09/black", json(size, &road), &["dark-frame warning"]),
        ("10/white", json(size, &road), &["bright-frame warning", "near-duplicate warning"]),
        ("11/dusk", json(size, &road), &["near-duplicate warning"]),
        ("12/cut", json(size, &road), &["unreadable-frame error"]),
        ("13/alone", String::new(), &["missing-annotation error"]),
        ("14/first", json(size, &road), &[]),
        ("15/again", json(size, &road), &["near-duplicate warning"]),
        ("15/again-in-its-drive", json(size, &road), &["near-duplicate warning"]),
    ];
    for (n, (name, json, _)) in cases.iter().enumerate() {
        let seed = if name.contains("again") { 14 } else { n as u64 };
        picture(&image(name), size, seed);
        write(&mask(name), json);
    }
    let plain = |name: &str, grey: u8| {
        RgbImage::from_pixel(200, 100, Rgb([grey; 3])).save(image(name)).unwrap();
    };
    plain("09/black", 29);
    plain("10/white", 226);
    // Not dark any more, but as plain as the other two: its hash is theirs.
    plain("11/dusk", 31);
    let whole = fs::read(image("12/cut")).unwrap();
    fs::write(image("12/cut"), &whole[..whole.len() / 2]).unwrap();
    fs::remove_file(mask("13/alone")).unwrap();
    write(&mask("99/orphan"), &json(size, &road));

    let report = run(dir.path(), "assignment", "idd-level3");
    for (subject, (name, _, expected)) in cases.iter().enumerate() {
        let got = told(&report, subject);
        assert_eq!(got, *expected, "{name}");
    }
    assert_eq!(told(&report, cases.len()), ["missing-frame error"]);
    assert_eq!(report.subjects[cases.len()].name(), "masks/99/orphan.json");
    // What cannot be used has no part in the balance.
    let used: u64 = report.balance.drives.iter().map(|drive| drive.frames).sum();
    assert_eq!(used, cases.len() as u64 - 7);
}

/// Every kind is found somewhere in these tests, but for the one that takes a hostile outline.
#[test]
fn every_kind_is_covered() {
    let source = concat!(include_str!("check.rs"), include_str!("check_forms.rs"));
    let missing: BTreeSet<_> = Kind::all()
        .map(Kind::name)
        .filter(|name| !source.contains(&format!("\"{name} ")))
        .collect();
    assert_eq!(missing, BTreeSet::from(["crossing-undecided"]));
}

#[test]
fn threads_change_nothing() {
    let dir = tree_of(&objects());
    let outputs: Vec<_> = [1, 2, 8]
        .into_iter()
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let report = pool.install(|| run(dir.path(), "assignment", "idd-level3"));
            let json = dir.path().join("report.json");
            report.write_json(&json).unwrap();
            (fs::read(json).unwrap(), html::page(&report, dir.path()), text::summary(&report))
        })
        .collect();
    assert!(outputs[0].0.len() > 5000 && outputs[0].1.len() > 20_000);
    assert!(outputs.iter().all(|output| *output == outputs[0]));
}

#[test]
fn json_has_its_format_and_every_finding() {
    let dir = tree_of(&objects());
    let report = run(dir.path(), "assignment", "idd-level3");
    let path = dir.path().join("report.json");
    report.write_json(&path).unwrap();
    let json: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!((&json["format"], &json["dataset"]), (&Value::from(1), &Value::from("assignment")));
    assert_eq!(json["findings"].as_array().unwrap().len(), report.findings.len());
    assert_eq!(json["severities"]["error"], report.count(Severity::Error));
    assert_eq!(json["subjects"].as_array().unwrap().len(), report.subjects.len());
    let first = &json["findings"][0];
    assert_eq!(first["kind"], "unknown-label");
    assert_eq!(first["file"], "masks/002/f.json");
    assert_eq!(first["pointer"], "/objects/1/label");
    assert_eq!(first["box"], serde_json::json!([10.0, 10.0, 50.0, 50.0]));
    // Nothing of this machine.
    assert!(!json.to_string().contains(dir.path().to_str().unwrap()));
}

/// Labels, drives and hints come from strangers.
#[test]
fn hostile_names_stay_text() {
    let dir = tempdir().unwrap();
    let label = "<script>alert('1')</script>\\u001b[2J\\\" onload=\\\"x";
    let drive = "<img src=x onerror=\"alert(1)\">&'";
    let objects = [object("road", BOW, ""), object(label, BOX, "")].join(", ");
    let json = format!(r#"{{"imgHeight": 100, "imgWidth": 200, "objects": [{objects}]}}"#);
    write(&dir.path().join(format!("masks/{drive}/f.json")), &json);
    picture(&dir.path().join(format!("images/{drive}/f.png")), (200, 100), 1);
    let report = run(dir.path(), "assignment", "idd-level3");
    assert_eq!(report.unknown_labels.len(), 1);
    let page = html::page(&report, dir.path());
    assert!(page.contains("&lt;script&gt;") && page.contains("&lt;img src=x"), "they are shown");
    for evil in ["<script", "<img", "onload=\"x", "onerror=\"", "\u{1b}"] {
        assert!(!page.contains(evil), "{evil}");
    }
    assert!(!text::summary(&report).contains('\u{1b}'));
}

#[test]
fn a_page_holds_all_it_needs() {
    let dir = tree_of(&objects());
    let page = html::page(&run(dir.path(), "assignment", "idd-level3"), dir.path());
    for needle in ["<html lang=\"en\">", "name=\"viewport\"", "<h1>", "data:image/jpeg;base64,/9j/"]
    {
        assert!(page.contains(needle), "{needle}");
    }
    let pictures = page.matches("<svg ").count();
    assert!((10..=24).contains(&pictures), "{pictures}");
    assert_eq!(page.matches("aria-label=").count(), page.matches("role=\"img\"").count());
    for foreign in ["http://", "https://", "<link", "@import", "<script", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // Twice as many frames with the same faults: no more pictures.
    let double: Vec<_> = objects().into_iter().chain(objects()).collect();
    let double = tree_of(&double);
    let page = html::page(&run(double.path(), "assignment", "idd-level3"), double.path());
    assert!(page.matches("<figure>").count() <= 24);
}
