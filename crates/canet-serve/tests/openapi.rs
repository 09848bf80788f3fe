//! The `OpenAPI` document says what the server does: its routes, statuses, codes and examples.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod common;

use canet_model::image::ImageFormat;
use canet_model::serde_json::{Value, from_slice};
use canet_serve::{Reason, Route};
use common::{Running, encoded, frame, model, settings};

fn document() -> Value {
    from_slice(include_bytes!("../src/openapi.json")).unwrap()
}

/// Follows a reference.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let Some(path) = value.get("$ref") else { return value };
    let path = path.as_str().unwrap().strip_prefix('#').unwrap();
    document.pointer(path).unwrap_or_else(|| panic!("{path} leads nowhere"))
}

#[test]
fn routes_and_statuses_are_those_of_the_server() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), Route::ALL.len());
    let mut statuses = 0;
    for route in Route::ALL {
        let operations = paths[route.path()].as_object().unwrap();
        assert_eq!(operations.keys().collect::<Vec<_>>(), [route.method()], "{route:?}");
        let responses = operations[route.method()]["responses"].as_object().unwrap();
        let mut told: Vec<u16> = responses.keys().map(|key| key.parse().unwrap()).collect();
        told.sort_unstable();
        assert_eq!(told, route.statuses(), "{route:?}");
        for response in responses.values() {
            assert!(resolved(&document, response)["description"].is_string());
            statuses += 1;
        }
    }
    assert!(statuses > 30, "{statuses}");
}

#[test]
fn every_reason_has_its_code_and_its_status() {
    let document = document();
    let codes = &document["components"]["schemas"]["Error"]["properties"]["error"]["properties"];
    let codes = codes["code"]["enum"].as_array().unwrap();
    assert_eq!(codes.len(), Reason::ALL.len());
    for reason in Reason::ALL {
        assert!(codes.contains(&reason.code().into()), "{reason:?}");
        let told = |route: &Route| route.statuses().contains(&reason.status());
        assert!(Route::ALL.iter().any(told), "{reason:?}");
    }
}

/// Checks a value against a schema, with what this document uses of JSON Schema; returns how many
/// parts were checked.
fn check(document: &Value, schema: &Value, value: &Value, at: &str) -> usize {
    let schema = resolved(document, schema);
    let mut checked = 1;
    if let Some(kind) = schema["type"].as_str() {
        let fits = match kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "null" => value.is_null(),
            other => panic!("{other} is not checked here"),
        };
        assert!(fits, "{at}: {value} is no {kind}");
    }
    if let Some(all) = schema["anyOf"].as_array() {
        let is = |kind: &Value| resolved(document, kind)["type"] == "null";
        let schema = all.iter().find(|kind| is(kind) == value.is_null()).unwrap();
        checked += check(document, schema, value, at);
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(key.as_str().unwrap()).is_some(), "{at}: lacks {key}");
    }
    if let Some(known) = schema["enum"].as_array() {
        assert!(known.contains(value), "{at}: {value}");
    }
    if let Some(known) = schema.get("const") {
        assert_eq!(known, value, "{at}");
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let Some(properties) = schema["properties"].as_object() else { break };
        let schema = properties.get(key).unwrap_or_else(|| panic!("{at}: {key} is not told"));
        checked += check(document, schema, value, &format!("{at}.{key}"));
    }
    for item in value.as_array().into_iter().flatten() {
        if let Some(items) = schema.get("items") {
            checked += check(document, items, item, at);
        }
    }
    checked
}

#[test]
fn examples_and_answers_fit_their_schemas() {
    let document = document();
    let (mut examples, mut parts) = (0, 0);
    let operations = document["paths"].as_object().unwrap().values();
    let responses = operations.flat_map(|path| path.as_object().unwrap().values());
    for response in responses.flat_map(|one| one["responses"].as_object().unwrap().values()) {
        let content = resolved(&document, response)["content"].as_object();
        for media in content.into_iter().flat_map(|content| content.values()) {
            if let Some(example) = media.get("example") {
                parts += check(&document, &media["schema"], example, "example");
                examples += 1;
            }
        }
    }
    assert!(examples > 20 && parts > 100, "{examples} {parts}");

    let server = Running::start(settings(), model());
    assert_eq!(server.get("/v1/openapi.json").body, include_bytes!("../src/openapi.json"));
    let schema = |path: &str, method: &str, status: &str| {
        let response = &document["paths"][path][method]["responses"][status];
        resolved(&document, response)["content"]["application/json"]["schema"].clone()
    };
    for path in ["/v1/model", "/v1/samples", "/v1/openapi.json"] {
        let answer: Value = from_slice(&server.get(path).body).unwrap();
        parts += check(&document, &schema(path, "get", "200"), &answer, path);
    }
    let png = encoded(&frame(40, 30, 1), ImageFormat::Png);
    let query = "?include=rle,polygons,confidence";
    for (body, query, status) in [
        (png.as_slice(), query, "200"),
        (&png, "", "200"),
        (&png, "?x", "400"),
        (b"x", "", "415"),
        (&png[..99], "", "422"),
    ] {
        let answer = server.segment(query, body);
        assert_eq!(answer.status.to_string(), status);
        let answer: Value = from_slice(&answer.body).unwrap();
        let before = parts;
        parts += check(&document, &schema("/v1/segment", "post", status), &answer, status);
        assert!(parts > before + 2);
    }
}
