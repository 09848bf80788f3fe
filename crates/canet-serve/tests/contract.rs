//! What is promised to clients: every address, format and status.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod common;

use std::path::Path;
use std::time::Duration;

use canet_core::{ClassId, LabelMap, Mask};
use canet_data::annotation::Annotation;
use canet_data::format::{coco, labelme};
use canet_data::painting::{Painting, Shape};
use canet_data::raster::{Rule, rasterise};
use canet_model::image::{self, ImageFormat};
use canet_model::serde_json::{Value, from_slice};
use canet_serve::{Settings, Token};
use common::client::{Client, ask};
use common::{FORM, Running, classes, encoded, form, frame, model, segmenter, settings};
use geo::Coord;

fn error_code(body: &[u8]) -> String {
    let error: Value = from_slice(body).unwrap();
    let error = &error["error"];
    assert!(!error["message"].as_str().unwrap().is_empty(), "{error}");
    error["code"].as_str().unwrap().to_owned()
}

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

#[test]
fn bodies_are_pictures_or_forms() {
    let server = Running::start(settings(), model());
    let png = encoded(&frame(40, 30, 1), ImageFormat::Png);
    let jpeg = encoded(&frame(40, 30, 1), ImageFormat::Jpeg);
    let gif = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;".as_slice();
    let (cut, cut_jpeg) = (&png[..png.len() / 2], &jpeg[..jpeg.len() - 9]);
    let plain = ("Content-Type", "application/x-www-form-urlencoded");
    let packed = ("Content-Encoding", "gzip");
    let no_boundary = ("Content-Type", "multipart/form-data");
    let cases: [(&str, Vec<u8>, &[(&str, &str)], u16, &str); 19] = [
        ("png", png.clone(), &[], 200, ""),
        ("jpeg", jpeg.clone(), &[], 200, ""),
        ("png by another name", png.clone(), &[("Content-Type", "image/jpeg")], 200, ""),
        ("curl --data-binary", png.clone(), &[plain], 200, ""),
        ("identity", png.clone(), &[("Content-Encoding", "identity")], 200, ""),
        ("form", form(&[("image", &png)]), &[FORM], 200, ""),
        ("form of nothing", form(&[]), &[FORM], 400, "bad_body"),
        ("form of two", form(&[("image", &png), ("image", &png)]), &[FORM], 400, "bad_body"),
        ("form of another", form(&[("picture", &png)]), &[FORM], 400, "bad_body"),
        ("form, cut", form(&[("image", &png)])[..200].to_vec(), &[FORM], 400, "bad_body"),
        ("form, no boundary", form(&[("image", &png)]), &[no_boundary], 400, "bad_body"),
        ("form with a gif", form(&[("image", gif)]), &[FORM], 415, "not_a_picture"),
        ("nothing", vec![], &[], 415, "not_a_picture"),
        ("text", b"not a picture".to_vec(), &[], 415, "not_a_picture"),
        ("gif", gif.to_vec(), &[], 415, "not_a_picture"),
        ("packed", png.clone(), &[packed], 415, "encoded_body"),
        ("png, cut", cut.to_vec(), &[], 422, "broken_picture"),
        ("jpeg, cut", cut_jpeg.to_vec(), &[], 422, "broken_picture"),
        ("png, head only", png[..16].to_vec(), &[], 422, "broken_picture"),
    ];
    let mut mask = None;
    for (name, body, headers, status, code) in cases {
        let answer = ask(server.address, "POST", "/v1/segment?format=mask", headers, &body);
        let answer = answer.unwrap();
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        if status == 200 {
            if name != "jpeg" {
                assert_eq!(mask.get_or_insert(answer.body.clone()), &answer.body, "{name}");
            }
        } else {
            assert_eq!(error_code(&answer.body), code, "{name}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
}

#[test]
fn other_addresses_and_methods_are_told() {
    let server = Running::start(settings(), model());
    for (method, path, status, allow) in [
        ("GET", "/", 200, None),
        ("HEAD", "/", 200, None),
        ("GET", "/healthz", 200, None),
        ("GET", "/metrics", 200, None),
        ("GET", "/v1/openapi.json", 200, None),
        ("GET", "/v1/model", 200, None),
        ("GET", "/v1/samples", 200, None),
        ("GET", "/v1/samples/0", 200, None),
        ("GET", "/v1/samples/5", 200, None),
        ("GET", "/v1/samples/6", 404, None),
        ("GET", "/v1/samples/00", 404, None),
        ("GET", "/v1/samples/-1", 404, None),
        ("GET", "/v1/samples/%ff", 404, None),
        ("GET", "/v1/samples/../model", 404, None),
        ("GET", "/nothing", 404, None),
        ("GET", "/../../etc/passwd", 404, None),
        ("POST", "/nothing", 404, None),
        ("GET", "/v1/segment", 405, Some("POST")),
        ("PUT", "/v1/segment", 405, Some("POST")),
        ("OPTIONS", "/v1/segment", 405, Some("POST")),
        ("POST", "/v1/model", 405, Some("GET, HEAD")),
        ("DELETE", "/", 405, Some("GET, HEAD")),
        ("BREW", "/healthz", 405, Some("GET, HEAD")),
        ("POST", "/v1/segment?format=bmp", 400, None),
        ("POST", "/v1/segment?opacity=x", 400, None),
    ] {
        let answer = ask(server.address, method, path, &[], b"").unwrap();
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
        if status >= 400 {
            assert!(!error_code(&answer.body).is_empty());
        }
    }
    let ok = server.get("/healthz");
    assert_eq!(
        (ok.text().as_str(), ok.header("content-type").unwrap()),
        ("ok", "text/plain; charset=utf-8")
    );
    let page = server.get("/");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self'; script-src 'sha256-"), "{policy}");
}

#[test]
fn the_model_and_the_samples_are_told() {
    let server = Running::start(settings(), model());
    let told: Value = from_slice(&server.get("/v1/model").body).unwrap();
    assert_eq!((&told["name"], &told["network"]), (&"seeded".into(), &"canet-assignment".into()));
    assert_eq!(told["weights"], common::checkpoint().weight_hash().unwrap());
    assert!(told["parameters"].as_u64().unwrap() > 100_000, "{told}");
    assert_eq!(told["classes"].as_array().unwrap().len(), classes().len());
    assert_eq!(told["classes"][1]["color"], classes().color(ClassId(1)).to_string());
    assert!(told["input"].is_null() && told["training"].is_null());
    assert_eq!(told["limits"]["body_bytes"], Settings::default().max_body);
    let samples: Value = from_slice(&server.get("/v1/samples").body).unwrap();
    let samples = samples.as_array().unwrap();
    assert!(samples.len() > 2);
    for sample in samples {
        let answer = server.get(sample["url"].as_str().unwrap());
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/png")));
        assert_eq!(server.segment("?format=mask", &answer.body).status, 200);
    }
}

#[test]
fn the_token_opens_what_it_should() {
    const SECRET: &str = "tok-en.0123456789";
    let token = Some(Token::new(SECRET).unwrap());
    let server = Running::start(Settings { token, ..settings() }, model());
    let png = encoded(&frame(20, 20, 1), ImageFormat::Png);
    let (right, wrong) = (format!("Bearer {SECRET}"), format!("Bearer {SECRET}0"));
    let mut checked = 0;
    for (method, path, needs) in [
        ("GET", "/", false),
        ("GET", "/healthz", false),
        ("GET", "/metrics", true),
        ("GET", "/v1/openapi.json", true),
        ("GET", "/v1/model", true),
        ("GET", "/v1/samples", true),
        ("GET", "/v1/samples/0", true),
        ("GET", "/v1/nothing", true),
        ("POST", "/v1/segment", true),
    ] {
        for (shown, opens) in [("", !needs), (wrong.as_str(), !needs), (right.as_str(), true)] {
            let headers: &[_] = if shown.is_empty() { &[] } else { &[("Authorization", shown)] };
            let body = if method == "POST" { png.as_slice() } else { b"" };
            let answer = ask(server.address, method, path, headers, body).unwrap();
            assert_eq!(answer.status != 401, opens, "{path} {shown}");
            if !opens {
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
                assert_eq!(error_code(&answer.body), "unauthorized");
                assert!(!answer.text().contains(SECRET));
            }
            checked += 1;
        }
    }
    assert_eq!(checked, 27);
}

#[test]
fn what_is_too_large_is_refused_before_it_costs_anything() {
    let limits = Settings { max_body: 20_000, max_pixels: 10_000, ..settings() };
    let server = Running::start(limits, model());
    let bytes = |width, height| encoded(&frame(width, height, 1), ImageFormat::Png);
    let (right, too_many) = (bytes(100, 100), bytes(101, 100));
    assert_eq!(server.segment("", &right).status, 200);
    let answer = server.segment("", &too_many);
    assert_eq!((answer.status, error_code(&answer.body).as_str()), (413, "picture_too_large"));
    assert!(answer.text().contains("101x100 = 10100 pixels; 10000 are taken"));
    // By its header: nothing of that size is decoded, as the rest of the file is not there.
    let mut bomb = bytes(30, 30);
    bomb[16..24].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0]);
    let sum = crc32(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&sum.to_be_bytes());
    let answer = server.segment("", &bomb);
    assert_eq!((answer.status, error_code(&answer.body).as_str()), (413, "picture_too_large"));
    assert_eq!(server.metric("canet_stage_seconds_count{stage=\"decode\"}"), 1.0);
    // A body that says its length is not read at all, one in chunks until it is too long.
    let mut client = Client::connect(server.address).unwrap();
    client.send(b"POST /v1/segment HTTP/1.1\r\nHost: a\r\nContent-Length: 20001\r\n\r\n").unwrap();
    let answer = client.answer("POST").unwrap();
    assert_eq!((answer.status, error_code(&answer.body).as_str()), (413, "body_too_large"));
    let mut client = Client::connect(server.address).unwrap();
    let head = b"POST /v1/segment HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(head).unwrap();
    let chunk = [b"1000\r\n".as_slice(), &[7; 0x1000], b"\r\n"].concat();
    // More than the limit, and then more that nobody reads: the answer comes through all the same.
    (0..40).try_for_each(|_| client.send(&chunk)).ok();
    assert_eq!(client.answer("POST").unwrap().status, 413);
    // A large body in one piece, from a client that reads only afterwards.
    let answer = server.segment("", &vec![0; 3_000_000]);
    assert_eq!(answer.status, 413);
    std::thread::sleep(Duration::from_millis(1));
    assert_eq!(server.segment("", &right).status, 200);
}

/// The checksum of PNG chunks.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1))
        })
    })
}

#[test]
fn the_counters_count() {
    let server = Running::start(settings(), model());
    let png = encoded(&frame(50, 20, 1), ImageFormat::Png);
    for _ in 0..3 {
        server.segment("?format=mask", &png);
    }
    server.segment("", b"x");
    server.get("/nothing");
    for (line, value) in [
        ("canet_requests_total{route=\"/v1/segment\",status=\"200\"}", 3.0),
        ("canet_requests_total{route=\"/v1/segment\",status=\"415\"}", 1.0),
        ("canet_requests_total{route=\"other\",status=\"404\"}", 1.0),
        ("canet_refusals_total{reason=\"not_a_picture\"}", 1.0),
        ("canet_stage_seconds_count{stage=\"decode\"}", 3.0),
        ("canet_stage_seconds_count{stage=\"queue\"}", 3.0),
        ("canet_stage_seconds_count{stage=\"network\"}", 3.0),
        ("canet_stage_seconds_count{stage=\"encode\"}", 3.0),
        ("canet_pixels_total", 3000.0),
        ("canet_queue_length", 0.0),
        ("canet_frames_in_flight", 0.0),
    ] {
        assert_eq!(server.metric(line), value, "{line}");
    }
    assert!(server.metric("canet_connections") >= 1.0);
    let answer = server.get("/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
}
