//! Annotations: from the JSON of an annotation tool to checked polygons.
//!
//! The file is parsed once, here. What is wrong with its form (cut or foreign JSON, missing keys,
//! absurd sizes, a coordinate that is no number) refuses the whole file, for then nothing in it can
//! be trusted. What the official IDD tool would leave out (a deleted object, fewer than three
//! points, an unknown label) is left out too, and told as a [`Finding`]. Readers of other formats
//! ([`crate::format`]) ask the same questions in the same order.

use std::fmt;
use std::path::Path;

use canet_core::{ClassId, LabelMap, MAX_SIDE};
use geo::{Coord, LineString, Polygon};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Unexpected, Visitor};

use crate::Error;
use crate::findings::{Finding, FindingCounts, FindingKind};

/// How often all objects together may cover the frame; those of a crowded street do some dozen times.
const MAX_COVERED: u64 = 2000;

/// How often outlines may cross rows, for each pixel of the frame, or for a small one in all; those of
/// a crowded street do some hundred thousand times, and those of noise twice for each pixel.
const MAX_CROSSINGS: u64 = 8;
const FEWEST_CROSSINGS: u64 = 1 << 25;

/// A parser's message may repeat what is in the file, and so may a place made of keys.
const LONGEST_TEXT: usize = 300;

/// A checked annotation: the size of its frame and the objects to paint, in painter's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation {
    /// Width of the frame in pixels.
    pub width: u32,
    /// Height of the frame in pixels.
    pub height: u32,
    /// What is painted; later objects cover earlier ones.
    pub objects: Vec<Object>,
    /// What is not painted, and why.
    pub findings: Vec<Finding>,
}

/// An object to paint.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its place in the file.
    pub index: usize,
    /// Its label as written.
    pub label: String,
    /// The class it is painted with, which may be void.
    pub class: ClassId,
    /// Its outline, a closed ring.
    pub polygon: Polygon<f64>,
    /// Whether the file itself repeats the first point at the end.
    closed: bool,
}

impl Object {
    /// The points as they stand in the file.
    ///
    /// `geo` closes every ring, and nothing else; this takes that one point away again if it was
    /// added. The fill rule closes outlines itself *after* truncating them to pixels, and looks at
    /// whether the last pixel is the first one, so it must see what was written.
    pub fn points(&self) -> &[Coord<f64>] {
        let ring = &self.polygon.exterior().0;
        if self.closed { ring } else { &ring[..ring.len() - 1] }
    }
}

/// The file form. Keys that do not change pixels (`draw`, `id`, `verified`, `user`, `date`, and any
/// other) may stand there and are not read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAnnotation {
    img_height: u32,
    img_width: u32,
    objects: Vec<RawObject>,
}

/// An object as it stands in a file.
#[derive(Deserialize)]
pub(crate) struct RawObject {
    pub(crate) label: String,
    pub(crate) polygon: Vec<[f64; 2]>,
    #[serde(default, deserialize_with = "truthy")]
    pub(crate) deleted: bool,
}

impl Annotation {
    /// Parses an annotation; `path` names it in errors.
    pub fn parse(bytes: &[u8], path: &Path, labels: &LabelMap) -> Result<Self, Error> {
        let raw: RawAnnotation = from_json(bytes, path)?;
        check_side(raw.img_width, path, || "imgWidth".into())?;
        check_side(raw.img_height, path, || "imgHeight".into())?;
        let mut annotation = Self::empty(raw.img_width, raw.img_height);
        for (index, raw) in raw.objects.into_iter().enumerate() {
            annotation.add(index, raw, labels);
        }
        annotation.affordable(path)?;
        Ok(annotation)
    }

    /// Refuses what would be painted for minutes: each object may cover the frame, and each side of
    /// an outline is looked at in every row that it crosses.
    pub(crate) fn affordable(&self, path: &Path) -> Result<(), Error> {
        let fail = |reason: String| Error::Annotation {
            path: path.into(),
            at: "its objects".into(),
            reason,
        };
        let pixels = u64::from(self.width) * u64::from(self.height);
        let column = |point: &Coord<f64>| point.x.clamp(0.0, f64::from(self.width)) as u64;
        let row = |point: &Coord<f64>| point.y.clamp(0.0, f64::from(self.height)) as u64;
        let span = |values: &mut dyn Iterator<Item = u64>| {
            let (low, high) = values.fold((u64::MAX, 0), |(a, b), v| (a.min(v), b.max(v)));
            high.saturating_sub(low) + 1
        };
        let (mut covered, mut crossings) = (0, 0);
        for ring in self.objects.iter().map(|object| &object.polygon.exterior().0) {
            covered += span(&mut ring.iter().map(column)) * span(&mut ring.iter().map(row));
            let sides = ring.windows(2);
            crossings += sides.map(|side| row(&side[0]).abs_diff(row(&side[1]))).sum::<u64>();
        }
        if covered / MAX_COVERED > pixels {
            return Err(fail(format!(
                "cover the frame {} times; {MAX_COVERED} are possible",
                covered / pixels
            )));
        }
        let most = FEWEST_CROSSINGS.max(MAX_CROSSINGS * pixels);
        if crossings > most {
            return Err(fail(format!("cross rows {crossings} times; {most} are possible")));
        }
        Ok(())
    }

    /// The annotation of a frame without objects.
    pub(crate) fn empty(width: u32, height: u32) -> Self {
        Self { width, height, objects: Vec::new(), findings: Vec::new() }
    }

    /// Adds an object over the earlier ones, or notes why it is not painted.
    pub(crate) fn add(&mut self, index: usize, raw: RawObject, labels: &LabelMap) {
        match check(index, raw, labels) {
            Ok(object) => self.objects.push(object),
            Err(kind) => self.add_finding(index, kind),
        }
    }

    /// Notes why an entry of the file is not painted.
    pub(crate) fn add_finding(&mut self, index: usize, kind: FindingKind) {
        self.findings.push(Finding { object: index, kind });
    }

    /// How many objects were not painted, by reason.
    pub fn finding_counts(&self) -> FindingCounts {
        FindingCounts::of(&self.findings)
    }
}

/// The beginning of a text from a file.
pub(crate) fn shortened(text: String) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Parses JSON; an error says where in it. That takes as long as the parsing itself, so it is only
/// asked of files that are refused.
pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<T, Error> {
    if let Ok(raw) = serde_json::from_slice(bytes) {
        return Ok(raw);
    }
    let fail = |at: String, reason: String| Error::Annotation {
        path: path.into(),
        at: shortened(at),
        reason: shortened(reason),
    };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let raw = serde_path_to_error::deserialize(&mut json)
        .map_err(|e| fail(e.path().to_string(), e.inner().to_string()))?;
    json.end().map_err(|e| fail("its end".into(), e.to_string()))?;
    Ok(raw)
}

/// Refuses a side of a frame that no mask has.
pub(crate) fn check_side(side: u32, path: &Path, at: impl FnOnce() -> String) -> Result<(), Error> {
    if (1..=MAX_SIDE).contains(&side) {
        return Ok(());
    }
    let reason = format!("is {side}; 1 to {MAX_SIDE} are possible");
    Err(Error::Annotation { path: path.into(), at: at(), reason })
}

/// Decides whether an object is painted, in the official tool's order of questions.
fn check(index: usize, raw: RawObject, labels: &LabelMap) -> Result<Object, FindingKind> {
    if raw.deleted {
        return Err(FindingKind::Deleted);
    }
    if raw.polygon.len() < 3 {
        return Err(FindingKind::FewPoints(raw.polygon.len()));
    }
    let Some(class) = class_of(&raw.label, labels) else {
        return Err(FindingKind::unknown_label(shortened(raw.label), labels));
    };
    let ring: LineString<f64> = raw.polygon.into_iter().collect();
    let closed = ring.is_closed();
    let polygon = Polygon::new(ring, Vec::new());
    Ok(Object { index, label: raw.label, class, polygon, closed })
}

/// The class of a label; an unknown label that ends in `group` counts as one of its members, so
/// `cargroup` is a `car`. The suffix is taken off once, and `polegroup` is a label of its own.
pub(crate) fn class_of(label: &str, labels: &LabelMap) -> Option<ClassId> {
    labels.class_of_label(label).or_else(|| labels.class_of_label(label.strip_suffix("group")?))
}

/// IDD writes `deleted` as 0 or 1, other tools as a boolean; like the official tool, anything that
/// is neither false, zero nor null counts as deleted.
pub(crate) fn truthy<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    struct Truth;
    impl Visitor<'_> for Truth {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("true, false, 0 or 1")
        }
        fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
            Ok(value)
        }
        fn visit_u64<E>(self, value: u64) -> Result<bool, E> {
            Ok(value != 0)
        }
        fn visit_i64<E>(self, value: i64) -> Result<bool, E> {
            Ok(value != 0)
        }
        fn visit_unit<E>(self) -> Result<bool, E> {
            Ok(false)
        }
        fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<bool, E> {
            // Python takes any text for true, even "0": certainly not what its writer meant.
            Err(E::invalid_type(Unexpected::Str(value), &self))
        }
    }
    from.deserialize_any(Truth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Hint;

    fn parse(text: &str) -> Result<Annotation, String> {
        let map = LabelMap::builtin("idd-level3").unwrap();
        Annotation::parse(text.as_bytes(), Path::new("a.json"), &map).map_err(|e| e.to_string())
    }

    fn with_objects(objects: &str) -> String {
        format!("{{\"imgHeight\": 4, \"imgWidth\": 6, \"objects\": [{objects}]}}")
    }

    const TRIANGLE: &str = "\"polygon\": [[0, 0], [5.5, 0], [0, 3]]";

    #[test]
    fn objects_are_painted_or_found() {
        let unknown = |label: &str, lookalike: Option<&str>| FindingKind::UnknownLabel {
            label: label.into(),
            hint: lookalike.map(|known| Hint::Lookalike(known.into())),
        };
        for (object, expected) in [
            (format!("\"label\": \"car\", {TRIANGLE}"), Ok(9)),
            (format!("\"label\": \"cargroup\", {TRIANGLE}"), Ok(9)),
            (format!("\"label\": \"polegroup\", {TRIANGLE}"), Ok(20)),
            (format!("\"label\": \"ego vehicle\", {TRIANGLE}"), Ok(255)),
            (format!("\"label\": \"car\", \"deleted\": 0, \"draw\": false, {TRIANGLE}"), Ok(9)),
            (format!("\"label\": \"car\", \"deleted\": null, {TRIANGLE}"), Ok(9)),
            (format!("\"label\": \"car\", \"deleted\": 1, {TRIANGLE}"), Err(FindingKind::Deleted)),
            (format!("\"label\": \"?\", \"deleted\": true, {TRIANGLE}"), Err(FindingKind::Deleted)),
            (
                format!("\"label\": \"cargroupgroup\", {TRIANGLE}"),
                Err(unknown("cargroupgroup", None)),
            ),
            (format!("\"label\": \"group\", {TRIANGLE}"), Err(unknown("group", None))),
            (
                format!("\"label\": \"Guard_rail\", {TRIANGLE}"),
                Err(unknown("Guard_rail", Some("guard rail"))),
            ),
            ("\"label\": \"car\", \"polygon\": []".into(), Err(FindingKind::FewPoints(0))),
            (
                "\"label\": \"?\", \"polygon\": [[1, 1], [2, 2]]".into(),
                Err(FindingKind::FewPoints(2)),
            ),
        ] {
            let annotation = parse(&with_objects(&format!("{{{object}}}"))).unwrap();
            let got = match (&annotation.objects[..], &annotation.findings[..]) {
                ([painted], []) => Ok(painted.class.0),
                ([], [finding]) => Err(finding.kind.clone()),
                other => panic!("{other:?}"),
            };
            assert_eq!(got, expected, "{object}");
        }
    }

    #[test]
    fn points_are_those_written() {
        for (points, count) in [
            ("[0, 0], [5, 0], [5, 3]", 3),
            ("[0, 0], [5, 0], [5, 3], [0, 0]", 4),
            ("[0, 0], [5, 0], [5, 3], [0, 0], [0, 0]", 5),
            ("[0, 0], [5, 0], [5, 3], [0, 0.5]", 4),
            ("[1, 1], [1, 1], [1, 1]", 3),
        ] {
            let object = format!("{{\"label\": \"car\", \"polygon\": [{points}]}}");
            let annotation = parse(&with_objects(&object)).unwrap();
            assert_eq!(annotation.objects[0].points().len(), count, "{points}");
            assert!(annotation.objects[0].polygon.exterior().is_closed());
        }
    }

    #[test]
    fn faults_of_form_refuse_the_file_and_say_where() {
        let good = with_objects(&format!("{{\"label\": \"car\", {TRIANGLE}}}"));
        for (text, needle) in [
            (String::new(), "EOF"),
            ("[]".into(), "a.json: at "),
            (good.replace("imgWidth", "width"), "missing field `imgWidth`"),
            (good.replace("\"imgWidth\": 6", "\"imgWidth\": 0"), "at imgWidth: is 0; 1 to 16384"),
            (good.replace("\"imgHeight\": 4", "\"imgHeight\": 16385"), "at imgHeight: is 16385"),
            (good.replace("\"imgWidth\": 6", "\"imgWidth\": -6"), "at imgWidth: invalid value"),
            (good.replace("\"imgWidth\": 6", "\"imgWidth\": 6e3"), "at imgWidth: invalid type"),
            (good.replace("5.5", "null"), "at objects[0].polygon[1][0]: invalid type: null"),
            (good.replace("5.5", "NaN"), "at objects[0].polygon[1][0]"),
            (good.replace("5.5", "1e999"), "at objects[0].polygon[1][0]: number out of range"),
            (good.replace("5.5", "\"5\""), "at objects[0].polygon[1][0]: invalid type: string"),
            (good.replace("5.5, 0", "5.5"), "at objects[0].polygon[1]"),
            (good.replace("5.5, 0", "5.5, 0, 0"), "at objects[0].polygon[1]"),
            (good.replace("\"car\"", "\"car\", \"label\": \"bus\""), "duplicate field `label`"),
            (good.replace("\"car\"", "\"car\", \"deleted\": \"0\""), "at objects[0].deleted"),
            (format!("{good} x"), "at its end: trailing characters"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(needle), "{text}\n{error}");
        }
    }
}
