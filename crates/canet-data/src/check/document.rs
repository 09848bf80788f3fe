//! The annotation file as it stands: every object, the ones that are not painted included.
//!
//! [`Annotation`](crate::annotation::Annotation) keeps what is painted and refuses a file at the first
//! fault of form, which is right for training. A check wants all faults and their places, so this
//! reads the same form, but takes what is no number in the place of a coordinate as NaN and goes on.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_path_to_error::{Path, Segment};

use super::finding::What;
use crate::annotation::truthy;
use canet_core::MAX_SIDE;

/// An annotation file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    img_height: u32,
    img_width: u32,
    /// The objects, in the file's order.
    pub(super) objects: Vec<Object>,
}

/// An object of the file.
#[derive(Deserialize)]
pub(super) struct Object {
    /// The label as written.
    pub(super) label: String,
    polygon: Vec<[Number; 2]>,
    /// Whether the annotator deleted it.
    #[serde(default, deserialize_with = "truthy")]
    pub(super) deleted: bool,
}

/// A coordinate; NaN stands for whatever was no number.
struct Number(f64);

impl Object {
    /// The outline as written.
    pub(super) fn points(&self) -> Vec<[f64; 2]> {
        self.polygon.iter().map(|[x, y]| [x.0, y.0]).collect()
    }
}

impl Document {
    /// Reads a file, or tells its first fault and the pointer to it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, (String, What)> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let document: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let (pointer, reason) = (pointer(error.path()), error.inner().to_string());
            // A number out of range or a bare NaN ends the reading; it stands where a coordinate does.
            let coordinate = pointer.starts_with("/objects/") && pointer.split('/').count() == 6;
            let what = if coordinate && !error.inner().is_eof() {
                What::NotANumber { reason: format!("has a coordinate that is no number: {reason}") }
            } else {
                What::UnreadableAnnotation { reason }
            };
            (pointer, what)
        })?;
        let foreign = |pointer: &str, reason| {
            Err((pointer.to_owned(), What::UnreadableAnnotation { reason }))
        };
        if let Err(error) = json.end() {
            return foreign("", error.to_string());
        }
        for (pointer, side) in
            [("/imgWidth", document.img_width), ("/imgHeight", document.img_height)]
        {
            if side == 0 || side > MAX_SIDE {
                return foreign(pointer, format!("is {side}; 1 to {MAX_SIDE} are possible"));
            }
        }
        Ok(document)
    }

    /// Width and height as the file tells them, from 1 to [`MAX_SIDE`].
    pub(super) fn size(&self) -> (u32, u32) {
        (self.img_width, self.img_height)
    }
}

/// A path of the deserialiser as a JSON pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&part);
    }
    pointer
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Lenient;
        impl Visitor<'_> for Lenient {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
            // JavaScript writes NaN as null.
            fn visit_unit<E>(self) -> Result<Number, E> {
                Ok(Number(f64::NAN))
            }
            fn visit_str<E>(self, _: &str) -> Result<Number, E> {
                Ok(Number(f64::NAN))
            }
        }
        from.deserialize_any(Lenient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotation::Annotation;
    use canet_core::LabelMap;

    const GOOD: &str = r#"{"imgHeight": 4, "imgWidth": 6, "objects": [
        {"label": "car", "polygon": [[0, 0], [5.5, 0], [0, 3]], "deleted": 0}]}"#;

    /// What preparation refuses is an error here, with its place, and the other way round.
    #[test]
    fn the_check_and_the_preparation_refuse_the_same_files() {
        let map = LabelMap::builtin("idd-level3").unwrap();
        for (from, to, expected) in [
            ("car", "car", None),
            ("0}]", "0}], \"user\": 1", None),
            ("[[0, 0], [5.5, 0], [0, 3]]", "[]", None),
            ("0}]", "0}", Some("")),
            ("0}]}", "0}]} x", Some("")),
            ("imgWidth", "imgwidth", Some("")),
            ("\"imgWidth\": 6", "\"imgWidth\": 0", Some("/imgWidth")),
            ("\"imgHeight\": 4", "\"imgHeight\": 16385", Some("/imgHeight")),
            ("\"label\": \"car\", ", "", Some("/objects/0")),
            ("\"deleted\": 0", "\"deleted\": \"0\"", Some("/objects/0/deleted")),
            ("[5.5, 0]", "[5.5]", Some("/objects/0/polygon/1")),
            ("5.5", "NaN", Some("/objects/0/polygon/1/0")),
            ("5.5", "1e999", Some("/objects/0/polygon/1/0")),
            ("5.5", "null", Some("NaN")),
            ("5.5", "\"Infinity\"", Some("NaN")),
            ("5.5", "true", Some("/objects/0/polygon/1/0")),
        ] {
            let text = GOOD.replacen(from, to, 1);
            let path = std::path::Path::new("a.json");
            let refused = Annotation::parse(text.as_bytes(), path, &map).is_err();
            assert_eq!(refused, expected.is_some(), "{text}");
            match Document::parse(text.as_bytes()) {
                Ok(document) => {
                    let points = document.objects[0].points();
                    let nan = points.iter().flatten().any(|x| x.is_nan());
                    assert_eq!(nan.then_some("NaN"), expected, "{text}");
                }
                Err((pointer, what)) => {
                    let kind = what.kind().name();
                    let is_number = expected.is_some_and(|p| p.ends_with("/1/0"));
                    assert_eq!(kind == "not-a-number", is_number, "{text}: {kind}");
                    if !to.ends_with('}') {
                        assert_eq!(Some(pointer.as_str()), expected, "{text}");
                    }
                }
            }
        }
    }
}
