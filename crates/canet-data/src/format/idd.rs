//! The polygons of IDD and of Cityscapes, whose JSON IDD took over and added keys to.
//!
//! [`crate::annotation`] reads both. Both tools' readers go by key and pass over the note.

use serde::Serialize;

use super::{Note, Outline, pairs, to_json};
use crate::painting::Painting;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a, T> {
    img_height: u32,
    img_width: u32,
    objects: Vec<T>,
    #[serde(rename = "canet", skip_serializing_if = "Option::is_none")]
    note: Option<&'a Note>,
}

#[derive(Serialize)]
struct CityscapesObject<'a> {
    label: &'a str,
    polygon: Vec<[f64; 2]>,
}

/// IDD's keys in IDD's order, but for `date` and `user`: nobody drew this on any day.
#[derive(Serialize)]
struct IddObject<'a> {
    deleted: u8,
    draw: bool,
    id: usize,
    label: &'a str,
    polygon: Vec<[f64; 2]>,
    verified: u8,
}

/// A file of Cityscapes.
pub(super) fn write_cityscapes<'a>(
    painting: &Painting,
    outlines: &'a [Outline<'a>],
    note: Option<&Note>,
) -> Vec<u8> {
    let object = |outline: &'a Outline<'a>| CityscapesObject {
        label: outline.label,
        polygon: pairs(&outline.points),
    };
    file(painting, outlines.iter().map(object).collect(), note)
}

/// A file of IDD.
pub(super) fn write<'a>(
    painting: &Painting,
    outlines: &'a [Outline<'a>],
    note: Option<&Note>,
) -> Vec<u8> {
    let object = |(id, outline): (usize, &'a Outline<'a>)| IddObject {
        deleted: 0,
        draw: true,
        id,
        label: outline.label,
        polygon: pairs(&outline.points),
        verified: 0,
    };
    file(painting, outlines.iter().enumerate().map(object).collect(), note)
}

fn file<T: Serialize>(painting: &Painting, objects: Vec<T>, note: Option<&Note>) -> Vec<u8> {
    to_json(&File { img_height: painting.height, img_width: painting.width, objects, note })
}
