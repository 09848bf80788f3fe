//! Annotation files that mean harm: mutated, absurd, huge. Each is refused with its place or painted,
//! in bounded memory and time.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

mod common;

use std::fmt::Write;
use std::time::Duration;

use canet_core::LabelMap;
use canet_data::raster::Rule;
use canet_hostile::peak::Counting;
use canet_hostile::{Fate, Mutator, Tally, bodies};
use common::busy;

#[global_allocator]
static COUNTING: Counting = Counting;

/// The frame that all annotations are for.
const SIZE: (u32, u32) = (192, 128);
/// What one file may take.
const MOST_BYTES: usize = 64_000_000;
const MOST_TIME: Duration = Duration::from_secs(1);

/// What matters in JSON, and in this form of it.
const WORDS: [&[u8]; 28] = [
    b"1e308",
    b"-1e308",
    b"1e999",
    b"1e-400",
    b"-0.0",
    b"NaN",
    b"Infinity",
    b"null",
    b"true",
    b"99999999999999999999",
    b"2147483648",
    b"-2147483649",
    b"\"\\ud800\"",
    b"\"\\udc00\\ud800\"",
    b"\\u0000",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":",
    b"]}",
    b",,",
    b"//",
    b"\"label\": \"car\", ",
    b"\"polygon\": [[0,0],[9,0],[9,9]], ",
    b"\"imgWidth\": 192, ",
    b"\"deleted\": 1, ",
    b"\"objects\": [], ",
    b"\"label\": \"cargroup\", ",
];

fn header(objects: &str) -> String {
    let (width, height) = SIZE;
    format!(r#"{{"imgHeight": {height}, "imgWidth": {width}, "objects": [{objects}]}}"#)
}

fn object(label: &str, polygon: &str) -> String {
    format!(r#"{{"label": "{label}", "polygon": [{polygon}]}}"#)
}

/// Files as annotation tools write them: a small one, one with every key, one with many points.
fn good_files() -> Vec<Vec<u8>> {
    let street = r#"
        {"date": "01-Jan-2019 12:00:00", "deleted": 0, "draw": true, "id": 0, "label": "sky",
         "polygon": [[0, 0], [192, 0], [192, 40.5], [0, 44.25]], "user": "a", "verified": 0},
        {"label": "road", "polygon": [[0, 90], [191, 80], [191, 127], [0, 127]], "deleted": false},
        {"label": "ghost", "polygon": [[1, 1], [2, 2], [3, 1]]},
        {"label": "autorickshaw", "polygon": [[-20, 60], [3e1, 55.5], [33, 101], [8, 2e1]]},
        {"label": "car", "polygon": [[1, 1], [2, 2]]},
        {"label": "cargroup", "polygon": [[100, 70], [140, 70], [120, 99]], "deleted": 1}"#;
    let ring = |label: &str, shift: f64| {
        let corner = |i: u32| {
            let (sin, cos) = (f64::from(i) * 0.11 + shift).sin_cos();
            format!("[{:.3}, {:.3}]", 96.0 + 90.0 * cos, 64.0 + 60.0 * sin)
        };
        object(label, &(0..57).map(corner).collect::<Vec<_>>().join(", "))
    };
    let rings = ["car", "rider", "road", "wall"].map(|label| ring(label, label.len() as f64));
    let small = header(&object("car", "[1, 1], [90, 4], [60, 100]"));
    [small, header(street), header(&rings.join(",\n"))].map(String::into_bytes).to_vec()
}

#[test]
fn twenty_thousand_mutants_do_no_harm() {
    let labels = LabelMap::builtin("idd-level3").unwrap();
    let files = good_files();
    for file in &files {
        assert_eq!(bodies::annotation(file, &labels, SIZE), Fate::Accepted);
    }
    let mutator = Mutator { seed: 9, words: &WORDS };
    let (mut tally, mut slowest) = (Tally::default(), Duration::ZERO);
    for number in 0..20_000 {
        let mutant = mutator.mutant(&files[number as usize % files.len()], number);
        let body = || bodies::annotation(&mutant, &labels, SIZE);
        let (fate, time) = busy(|| tally.case(body));
        slowest = slowest.max(time);
        assert!(fate.is_some(), "mutant {number}: {:?}", String::from_utf8_lossy(&mutant));
    }
    println!("annotations, mutated: {tally}, {slowest:.1?}");
    assert_eq!((tally.tried, tally.crashed), (20_000, 0));
    assert!(tally.refused > 5000 && tally.accepted > 1000, "{tally}");
    assert!(tally.peak > 0 && tally.peak <= MOST_BYTES && slowest <= MOST_TIME, "{slowest:?}");
}

type Body = fn(&[u8], &LabelMap, (u32, u32)) -> Fate;

/// The same of the files of other tools.
#[test]
fn mutants_of_other_formats_do_no_harm() {
    let labels = LabelMap::builtin("idd-level3").unwrap();
    let (width, height) = SIZE;
    let labelme = format!(
        r#"{{"version": "5.4.1", "flags": {{}}, "shapes": [
        {{"label": "road", "points": [[0, 90], [191.5, 80], [191, 127]], "group_id": null,
          "shape_type": "polygon", "flags": {{}}}},
        {{"label": "car", "points": [[10, 20], [60, 70]], "shape_type": "rectangle"}},
        {{"label": "bus", "points": [[10, 20]], "shape_type": "point"}}],
        "imagePath": "../a.jpg", "imageData": null, "imageHeight": {height}, "imageWidth": {width}}}"#
    );
    let coco = format!(
        r#"{{"info": {{}}, "images": [{{"id": 4, "file_name": "a/b.jpg", "width": {width}, "height": {height}}}],
        "annotations": [{{"id": 1, "image_id": 4, "category_id": 2, "iscrowd": 0, "area": 5.5,
          "bbox": [0, 0, 9, 9], "segmentation": [[1, 1, 90.5, 4, 60, 100], [3, 3, 9, 3, 9, 9]]}},
          {{"id": 2, "image_id": 4, "category_id": 2, "segmentation": {{"counts": [1], "size": [1, 1]}}}}],
        "categories": [{{"id": 2, "name": "car", "supercategory": "vehicle"}}]}}"#
    );
    let words =
        [&WORDS[..22], &[b"\"rectangle\"", b"\"circle\"", b"\"category_id\": 9, ", b"[1, 2, 3]"]]
            .concat();
    let mutator = Mutator { seed: 10, words: &words };
    let formats: [(&str, &[u8], Body); 2] =
        [("LabelMe", labelme.as_bytes(), bodies::labelme), ("COCO", coco.as_bytes(), bodies::coco)];
    for (name, file, body) in formats {
        assert_eq!(body(file, &labels, SIZE), Fate::Accepted, "{name}");
        let (mut tally, mut slowest) = (Tally::default(), Duration::ZERO);
        for number in 0..5000 {
            let mutant = mutator.mutant(file, number);
            let (fate, time) = busy(|| tally.case(|| body(&mutant, &labels, SIZE)));
            slowest = slowest.max(time);
            assert!(fate.is_some(), "{name} {number}: {:?}", String::from_utf8_lossy(&mutant));
        }
        println!("{name}, mutated: {tally}, {slowest:.1?}");
        assert_eq!((tally.tried, tally.crashed), (5000, 0));
        assert!(tally.refused > 1000 && tally.accepted > 300, "{tally}");
        assert!(tally.peak <= MOST_BYTES && slowest <= MOST_TIME, "{tally} {slowest:?}");
    }
}

/// Files of the greatest harm for their size.
fn giants() -> Vec<(&'static str, String, Option<&'static str>)> {
    let deep = 100_000;
    let many = |count: u32, one: &dyn Fn(u32) -> String| {
        let mut text = String::new();
        for i in 0..count {
            write!(text, "{}{}", if i > 0 { "," } else { "" }, one(i)).unwrap();
        }
        text
    };
    let corner = |i: u32| format!("[{},{}]", i % 192, i / 192 % 128);
    let zigzag = |i: u32| format!("[{},{}]", i % 192, if i.is_multiple_of(2) { -1e9 } else { 1e9 });
    let whole = "[0,0],[192,0],[192,128],[0,128]";
    let text = "x".repeat(5_000_000);
    vec![
        ("10^6 points", header(&object("car", &many(1_000_000, &corner))), None),
        ("200,000 points over all rows", header(&object("car", &many(200_000, &zigzag))), None),
        (
            "10^6 points over all rows",
            header(&object("car", &many(1_000_000, &zigzag))),
            Some("cross rows"),
        ),
        ("1,900 objects over all", header(&many(1900, &|_| object("car", whole))), None),
        (
            "50,000 objects over all",
            header(&many(50_000, &|_| object("car", whole))),
            Some("cover the frame"),
        ),
        (
            "100,000 small objects",
            header(&many(100_000, &|_| object("car", "[1,1],[3,1],[3,3]"))),
            None,
        ),
        ("10^6 empty objects", header(&many(1_000_000, &|_| "{}".into())), Some("missing field")),
        (
            "10^6 values that are ignored",
            header("")
                .replace("[]", &format!("[], \"x\": [{}]", many(1_000_000, &|_| "[1]".into()))),
            None,
        ),
        ("a label of 5 MB", header(&object(&text, whole)), None),
        ("a key of 5 MB", format!("{{\"{text}\": [}}"), Some("expected value")),
        ("a size of 5 MB", header("").replace("192", &format!("\"{text}\"")), Some("invalid type")),
        (
            "a number of 5 MB",
            header("").replace("192", &"9".repeat(5_000_000)),
            Some("at imgWidth"),
        ),
        ("nested lists", "[".repeat(deep), Some("at ")),
        ("nested points", header(&object("car", &"[".repeat(deep))), Some("polygon")),
        ("nested keys", format!("{{\"x\": {}", "{\"a\":".repeat(deep)), Some("at x: ")),
        ("1e308", header(&object("car", "[1e308,1e308],[-1e308,1e308],[-1e308,-1e308]")), None),
        ("1e309", header(&object("car", "[1e309,0],[0,1],[1,1]")), Some("out of range")),
        ("a lone surrogate", header(&object("\\ud800", whole)), Some("objects[0].label")),
        ("two lists", header("").replace("[]", "[], \"objects\": []"), Some("duplicate field")),
        ("two sizes", header("").replace('{', "{\"imgWidth\": 5, "), Some("duplicate field")),
        ("the largest frame", header("").replace("192", "16384"), Some("another size")),
        ("a byte order mark", format!("\u{feff}{}", header("")), Some("at ")),
        ("zeros", "\0".repeat(1000), Some("at ")),
        ("a page", "<html>quota exceeded</html>".into(), Some("at ")),
        ("nothing", String::new(), Some("EOF")),
    ]
}

#[test]
fn giants_are_bounded() {
    let labels = LabelMap::builtin("idd-level3").unwrap();
    let (mut tally, mut slowest) = (Tally::default(), Duration::ZERO);
    for (what, text, reason) in giants() {
        let before = tally.peak;
        tally.peak = 0;
        let body = || bodies::annotation(text.as_bytes(), &labels, SIZE);
        let (fate, time) = busy(|| tally.case(body));
        println!("{what}: {} bytes, at most {} more, {time:.1?}", text.len(), tally.peak);
        // Painted once by every rule; and twice that, as a core whose sibling works is half as fast.
        let most = 2 * MOST_TIME * Rule::ALL.len() as u32;
        assert!(tally.peak <= MOST_BYTES && time <= most, "{what}: {} {time:?}", tally.peak);
        match (fate, reason) {
            (Some(Fate::Accepted), None) => {}
            (Some(Fate::Refused(error)), Some(reason)) => {
                assert!(error.contains(reason), "{what}: {error}");
            }
            (fate, _) => panic!("{what}: {fate:?}"),
        }
        (tally.peak, slowest) = (tally.peak.max(before), slowest.max(time));
    }
    println!("annotations, crafted: {tally}, {slowest:.1?}");
    assert_eq!((tally.tried, tally.refused, tally.accepted, tally.crashed), (25, 18, 7, 0));
}
