//! `LabelMe`'s JSON, one file beside each frame.
//!
//! `LabelMe` keeps keys that it does not know, at the top as in shapes, and writes them again when a
//! person saves the file, so the note has a key of its own there.

use serde::Serialize;

use super::{Note, Outline, pairs, to_json};
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
