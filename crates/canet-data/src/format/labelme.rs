//! `LabelMe`'s JSON, one file beside each frame.
//!
//! `LabelMe` keeps keys that it does not know, at the top as in shapes, and writes them again when a
//! person saves the file, so the note has a key of its own there.
//!
//! Read are outlines: polygons, also those of old files that do not say what a shape is, rectangles
//! by their four corners, and oriented rectangles. Circles are not made polygons, because their corners
//! would come from sines, which are not the same on every machine; they are findings, as are points,
//! lines and masks.

use std::path::Path;

use canet_core::LabelMap;
use serde::{Deserialize, Serialize};

use super::{Note, Outline, pairs, to_json};
use crate::Error;
use crate::annotation::{self, Annotation, RawObject};
use crate::findings::FindingKind;
use crate::painting::Painting;

/// The version whose form this is; `LabelMe` writes its own when a person saves the file.
const VERSION: &str = "5.5.0";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    version: &'static str,
    flags: Empty,
    shapes: Vec<Shape<'a>>,
    image_path: &'a str,
    image_data: (),
    image_height: u32,
    image_width: u32,
    #[serde(rename = "canet", skip_serializing_if = "Option::is_none")]
    note: Option<&'a Note>,
}

#[derive(Serialize)]
struct Shape<'a> {
    label: &'a str,
    points: Vec<[f64; 2]>,
    group_id: (),
    description: &'static str,
    #[serde(rename = "shape_type")]
    kind: &'static str,
    flags: Empty,
    mask: (),
}

#[derive(Serialize)]
struct Empty {}

/// A file; `frame` is the image's path from the file's folder. `LabelMe` draws shapes in the order of
/// the file, which is painter's order.
pub(super) fn write<'a>(
    painting: &Painting,
    outlines: &'a [Outline<'a>],
    frame: &str,
    note: Option<&Note>,
) -> Vec<u8> {
    let shape = |outline: &'a Outline<'a>| Shape {
        label: outline.label,
        points: pairs(&outline.points),
        group_id: (),
        description: "",
        kind: "polygon",
        flags: Empty {},
        mask: (),
    };
    to_json(&File {
        version: VERSION,
        flags: Empty {},
        shapes: outlines.iter().map(shape).collect(),
        image_path: frame,
        image_data: (),
        image_height: painting.height,
        image_width: painting.width,
        note,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFile {
    image_height: u32,
    image_width: u32,
    shapes: Vec<RawShape>,
}

#[derive(Deserialize)]
struct RawShape {
    label: String,
    points: Vec<[f64; 2]>,
    shape_type: Option<String>,
}

/// Parses a file; `path` names it in errors. Objects and findings are counted by shape.
pub fn parse(bytes: &[u8], path: &Path, labels: &LabelMap) -> Result<Annotation, Error> {
    let raw: RawFile = annotation::from_json(bytes, path)?;
    annotation::check_side(raw.image_width, path, || "imageWidth".into())?;
    annotation::check_side(raw.image_height, path, || "imageHeight".into())?;
    let mut annotation = Annotation::empty(raw.image_width, raw.image_height);
    for (index, shape) in raw.shapes.into_iter().enumerate() {
        match outline(shape) {
            Ok(object) => annotation.add(index, object, labels),
            Err(kind) => annotation.add_finding(index, kind),
        }
    }
    annotation.affordable(path)?;
    Ok(annotation)
}

fn outline(shape: RawShape) -> Result<RawObject, FindingKind> {
    let polygon = match (shape.shape_type.as_deref(), &shape.points[..]) {
        // Two corners that lie opposite each other.
        (Some("rectangle"), &[[x0, y0], [x1, y1]]) => vec![[x0, y0], [x1, y0], [x1, y1], [x0, y1]],
        (None | Some("polygon" | "rectangle" | "oriented_rectangle"), _) => shape.points,
        (Some(other), _) => {
            return Err(FindingKind::NotAPolygon(annotation::shortened(other.to_owned())));
        }
    };
    Ok(RawObject { label: shape.label, polygon, deleted: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Finding;

    fn parse_text(text: &str) -> Result<Annotation, String> {
        let map = LabelMap::builtin("idd-level3").unwrap();
        parse(text.as_bytes(), Path::new("a.json"), &map).map_err(|e| e.to_string())
    }

    fn with_shapes(shapes: &str) -> String {
        format!(
            r#"{{"version": "5.4.1", "flags": {{"night": true}}, "shapes": [{shapes}],
            "imagePath": "..\\a.jpg", "imageData": "iVBORw0KGgo=", "imageHeight": 4, "imageWidth": 6}}"#
        )
    }

    fn shape(kind: &str, points: &str) -> String {
        format!(
            r#"{{"label": "car", "points": [{points}], "group_id": 3, "shape_type": {kind}, "flags": {{}}}}"#
        )
    }

    #[test]
    fn outlines_are_painted_and_the_rest_is_found() {
        let other = |what: &str| Err(FindingKind::NotAPolygon(what.to_owned()));
        for (kind, points, expected) in [
            ("\"polygon\"", "[0, 0], [5.5, 0], [0, 3]", Ok(3)),
            ("null", "[0, 0], [5.5, 0], [0, 3]", Ok(3)),
            ("\"oriented_rectangle\"", "[1, 0], [2, 1], [1, 2], [0, 1]", Ok(4)),
            ("\"rectangle\"", "[5, 3], [1, 1]", Ok(4)),
            ("\"rectangle\"", "[5, 3]", Err(FindingKind::FewPoints(1))),
            ("\"polygon\"", "[5, 3], [1, 1]", Err(FindingKind::FewPoints(2))),
            ("\"circle\"", "[3, 3], [1, 1]", other("circle")),
            ("\"point\"", "[3, 3]", other("point")),
            ("\"mask\"", "[1, 1], [3, 3]", other("mask")),
            ("\"linestrip\"", "[1, 1], [3, 3], [4, 1]", other("linestrip")),
        ] {
            let annotation = parse_text(&with_shapes(&shape(kind, points))).unwrap();
            let got = match (&annotation.objects[..], &annotation.findings[..]) {
                ([painted], []) => Ok(painted.points().len()),
                ([], [finding]) => Err(finding.kind.clone()),
                other => panic!("{other:?}"),
            };
            assert_eq!(got, expected, "{kind} {points}");
        }
    }

    #[test]
    fn places_are_those_of_shapes_and_labels_are_asked_as_everywhere() {
        let good = shape("\"polygon\"", "[0, 0], [5, 0], [5, 3]");
        let unknown = good.replace("car", "ghost");
        let shapes = [shape("\"point\"", "[1, 1]"), good.replace("car", "cargroup"), unknown];
        let annotation = parse_text(&with_shapes(&shapes.join(","))).unwrap();
        assert_eq!((annotation.width, annotation.height), (6, 4));
        assert_eq!((annotation.objects[0].index, annotation.objects[0].class.0), (1, 9));
        let places: Vec<_> =
            annotation.findings.iter().map(|Finding { object, .. }| object).collect();
        assert_eq!(places, [&0, &2]);
        let rectangle =
            parse_text(&with_shapes(&shape("\"rectangle\"", "[5, 3], [1, 1]"))).unwrap();
        let corners: Vec<_> = rectangle.objects[0].points().iter().map(|p| (p.x, p.y)).collect();
        assert_eq!(corners, [(5.0, 3.0), (1.0, 3.0), (1.0, 1.0), (5.0, 1.0)]);
    }

    #[test]
    fn faults_of_form_refuse_the_file_and_say_where() {
        let good = with_shapes(&shape("\"polygon\"", "[0, 0], [5.5, 0], [0, 3]"));
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        // What is not read may lie as deep as it likes.
        parse_text(&good.replace("\"iVBORw0KGgo=\"", &deep)).unwrap();
        for (text, needle) in [
            (good[..good.len() / 2].to_owned(), "EOF"),
            (
                good.replace("\"imageWidth\": 6", "\"imageWidth\": null"),
                "at imageWidth: invalid type",
            ),
            (
                good.replace("\"imageWidth\": 6", "\"imageWidth\": 0"),
                "at imageWidth: is 0; 1 to 16384",
            ),
            (
                good.replace("\"imageHeight\": 4", "\"imageHeight\": 99999"),
                "at imageHeight: is 99999",
            ),
            (good.replace("shapes", "objects"), "missing field `shapes`"),
            (good.replace("5.5", "NaN"), "at shapes[0].points[1][0]"),
            (good.replace("5.5", "1e999"), "at shapes[0].points[1][0]: number out of range"),
            (good.replace("5.5", "null"), "at shapes[0].points[1][0]: invalid type: null"),
            (good.replace("5.5, 0", "5.5, 0, 1"), "at shapes[0].points[1]"),
            (good.replace("\"polygon\"", "7"), "at shapes[0].shape_type"),
            (good.replace("5.5", &deep), "at shapes[0].points[1][0]"),
            (format!("{good}{good}"), "at its end: trailing characters"),
        ] {
            let error = parse_text(&text).unwrap_err();
            assert!(error.contains(needle), "{text}\n{error}");
        }
    }
}
