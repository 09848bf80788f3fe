//! What is promised to clients: every address and status; `answers.rs` has the formats.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]
#![expect(clippy::float_cmp, reason = "counters are whole numbers")]

mod common;

use canet_core::ClassId;
use canet_model::image::ImageFormat;
use canet_model::serde_json::{Value, from_slice};
use canet_serve::{Settings, Token};
use common::client::{Client, ask};
use common::{FORM, Running, classes, encoded, form, frame, model, settings};

fn error_code(body: &[u8]) -> String {
    let error: Value = from_slice(body).unwrap();
    let error = &error["error"];
    assert!(!error["message"].as_str().unwrap().is_empty(), "{error}");
    error["code"].as_str().unwrap().to_owned()
}

/// What it is, the body, the headers, and the status and code of the answer.
type Case<'a> = (&'a str, Vec<u8>, &'a [(&'a str, &'a str)], u16, &'a str);

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
    let cases: [Case; 19] = [
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
