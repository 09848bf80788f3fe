//! What a picture's answer is, in every format: all of them say the same mask.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod common;

use std::path::Path;

use canet_core::{ClassId, LabelMap, Mask};
use canet_data::annotation::Annotation;
use canet_data::format::{coco, labelme};
use canet_data::painting::{Painting, Shape};
use canet_data::raster::{Rule, rasterise};
use canet_model::image::{self, ImageFormat};
use canet_model::serde_json::{Value, from_slice};
use common::{Running, classes, encoded, frame, model, segmenter, settings};
use geo::Coord;

#[test]
fn every_format_has_its_type_and_its_pixels() {
    let server = Running::start(settings(), model());
    let picture = frame(90, 61, 1);
    let png = encoded(&picture, ImageFormat::Png);
    let expected = segmenter().with_confidence(true).segment(&picture).unwrap();
    let shown = expected.mask.histogram().iter().filter(|count| **count > 0).count();
    assert!(shown > 1, "a mask of one class would hide mistakes");
    let get = |query: &str, kind: &str| {
        let answer = server.segment(query, &png);
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some(kind), "{query}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
        answer.body
    };
    let rgb = |bytes: &[u8]| image::load_from_memory(bytes).unwrap().into_rgb8();
    let mask = Mask::from_png(&get("?format=mask", "image/png"), Path::new("m.png")).unwrap();
    assert_eq!(mask, expected.mask);
    assert_eq!(rgb(&get("?format=color", "image/png")), expected.color_image());
    for (query, opacity) in [("", 0.5), ("&opacity=0", 0.0), ("&opacity=0.75", 0.75)] {
        let overlay = rgb(&get(&format!("?format=overlay{query}"), "image/png"));
        assert_eq!(overlay, expected.overlay(&picture, opacity).unwrap(), "{query}");
    }
    let grey = expected.confidence.as_ref().unwrap().to_gray();
    let confidence = image::load_from_memory(&get("?format=confidence", "image/png")).unwrap();
    assert_eq!(confidence.into_luma8(), grey);

    let labels = LabelMap::of_classes(&classes()).unwrap();
    let path = Path::new("a.json");
    let idd = Annotation::parse(&get("?format=idd", "application/json"), path, &labels).unwrap();
    assert_eq!(rasterise(&idd, &labels, Rule::Pillow6), mask);
    let text = get("?format=labelme", "application/json");
    let labelme = labelme::parse(&text, path, &labels).unwrap();
    assert_eq!(rasterise(&labelme, &labels, Rule::Centre), mask);
    let text = get("?format=coco", "application/json");
    let coco = coco::Instances::parse(&text, path, &labels).unwrap();
    assert_eq!(coco.images.len(), 1);
    assert_eq!(rasterise(&coco.images[0].annotation, &labels, Rule::Centre), mask);
    let cvat = String::from_utf8(get("?format=cvat", "application/xml")).unwrap();
    assert!(cvat.starts_with("<?xml") && cvat.contains("frame.png"), "{cvat}");
}

#[test]
fn json_gives_the_mask_exactly_in_each_way() {
    let server = Running::start(settings(), model());
    let mut checked = 0;
    for (width, height, kind) in [
        (90, 61, ImageFormat::Png),
        (1, 1, ImageFormat::Png),
        (3, 200, ImageFormat::Png),
        (128, 96, ImageFormat::Jpeg),
    ] {
        let body = encoded(&frame(width, height, 5), kind);
        let mask = server.segment("?format=mask", &body).body;
        let mask = Mask::from_png(&mask, Path::new("m.png")).unwrap();
        let answer = server.segment("?include=rle,polygons,confidence", &body);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let json: Value = from_slice(&answer.body).unwrap();
        assert_eq!([&json["width"], &json["height"]], [width, height]);
        let runs: Vec<usize> = numbers(&json["rle"]["runs"]);
        assert_eq!(json["rle"]["order"], "row-major");
        let ids = runs.chunks(2).flat_map(|run| vec![run[0] as u8; run[1]]).collect();
        assert_eq!(Mask::from_ids(width, height, ids), mask);
        assert_eq!(painted(&json, width, height), mask);
        let sum: u64 = json["classes"].as_array().unwrap().iter().map(of_class(&mask)).sum();
        assert_eq!(sum, u64::from(width) * u64::from(height));
        let mean = json["mean_confidence"].as_f64().unwrap();
        assert!(mean > 0.0 && mean <= 1.0, "{mean}");
        for stage in ["decode", "queue", "network", "encode"] {
            assert!(json["milliseconds"][stage].as_f64().unwrap() >= 0.0, "{stage}");
        }
        let base64 = json["confidence"].as_str().unwrap();
        let confidence = unpacked(base64);
        assert_eq!(confidence, server.segment("?format=confidence", &body).body);
        let plain: Value = from_slice(&server.segment("", &body).body).unwrap();
        for key in ["rle", "polygons", "background", "confidence"] {
            assert!(plain.get(key).is_none(), "{key}");
        }
        assert_eq!(plain["classes"], json["classes"]);
        checked += 1;
    }
    assert_eq!(checked, 4);
}

fn numbers(list: &Value) -> Vec<usize> {
    list.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
}

/// Checks a class' numbers, and returns its pixels.
fn of_class(mask: &Mask) -> impl Fn(&Value) -> u64 + '_ {
    |class| {
        let id = class["id"].as_u64().unwrap() as u8;
        let pixels = class["pixels"].as_u64().unwrap();
        assert_eq!(pixels, mask.histogram()[usize::from(id)]);
        assert_eq!(class["name"], classes().class_name(ClassId(id)));
        assert_eq!(class["color"], classes().color(ClassId(id)).to_string());
        let share = pixels as f64 / mask.ids().len() as f64;
        assert!((class["share"].as_f64().unwrap() - share).abs() < 1e-6);
        pixels
    }
}

/// The mask of an answer's polygons.
fn painted(json: &Value, width: u32, height: u32) -> Mask {
    let point = |point: &Value| {
        let [x, y] = [0, 1].map(|axis| point[axis].as_f64().unwrap());
        Coord { x, y }
    };
    let shape = |polygon: &Value| Shape {
        class: ClassId(polygon["class"].as_u64().unwrap() as u8),
        points: polygon["points"].as_array().unwrap().iter().map(point).collect(),
    };
    let shapes = json["polygons"].as_array().unwrap().iter().map(shape).collect();
    let background = ClassId(json["background"].as_u64().unwrap() as u8);
    Painting { width, height, background, shapes }.rasterise(Rule::Centre)
}

/// Base64, written once more.
fn unpacked(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter(|byte| *byte != b'=');
    let values = digits.map(|byte| DIGITS.iter().position(|digit| *digit == byte).unwrap());
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_usize, 0);
    for value in values {
        (bits, count) = ((bits << 6 | value) & 0xFFFF, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
