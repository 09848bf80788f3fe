//! The answer in JSON: numbers, and on demand everything else.

use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use canet_core::{ClassId, Mask, Rgb};
use canet_data::painting::{Painting, Shape};
use canet_data::raster::Rule;
use canet_data::vector::{self, vectorise};
use canet_model::Segmentation;
use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};

use super::{Times, bug, confidence};
use crate::query::Include;
use crate::refusal::Refusal;
use crate::segment::milliseconds;

/// The class of what no polygon covers.
const BACKGROUND: ClassId = ClassId::VOID;

#[derive(Serialize)]
struct Answer<'a> {
    width: u32,
    height: u32,
    classes: Vec<Class<'a>>,
    mean_confidence: f64,
    milliseconds: Milliseconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    rle: Option<Rle<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    polygons: Option<Polygons>,
    #[serde(skip_serializing_if = "Option::is_none")]
    background: Option<ClassId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<String>,
}

#[derive(Serialize)]
struct Class<'a> {
    id: u8,
    name: &'a str,
    color: Rgb,
    pixels: u64,
    share: f64,
}

#[derive(Serialize)]
struct Milliseconds {
    decode: f64,
    queue: f64,
    network: f64,
    encode: f64,
}

/// Encodes what was found.
pub(super) fn encode(
    include: Include,
    found: &Segmentation,
    times: Times,
) -> Result<Vec<u8>, Refusal> {
    let started = Instant::now();
    let mask = &found.mask;
    let polygons = if include.polygons {
        let exact = vector::Options::exact(Rule::Centre, BACKGROUND);
        Some(Polygons(vectorise(mask, &exact).map_err(bug)?.painting))
    } else {
        None
    };
    let map = include.confidence.then(|| confidence(found)).transpose()?;
    let mut answer = Answer {
        width: mask.width(),
        height: mask.height(),
        classes: classes(found),
        mean_confidence: found.confidence.as_ref().map_or(0.0, |map| rounded(map.mean())),
        milliseconds: Milliseconds {
            decode: milliseconds(times.decode),
            queue: milliseconds(times.queue),
            network: milliseconds(times.network),
            encode: 0.0,
        },
        rle: include.rle.then_some(Rle { order: "row-major", runs: Runs(mask) }),
        background: polygons.as_ref().map(|_| BACKGROUND),
        polygons,
        confidence: map.map(|png| BASE64_STANDARD.encode(png)),
    };
    answer.milliseconds.encode = milliseconds(started.elapsed());
    serde_json::to_vec(&answer).map_err(bug)
}

/// The classes that occur, the largest first.
fn classes(found: &Segmentation) -> Vec<Class<'_>> {
    let counts = found.mask.histogram();
    let all = found.mask.ids().len().max(1) as f64;
    let class = |(id, &pixels): (u8, &u64)| Class {
        id,
        name: found.classes.class_name(ClassId(id)),
        color: found.classes.color(ClassId(id)),
        pixels,
        share: rounded(pixels as f64 / all),
    };
    let mut classes: Vec<_> =
        (0..=u8::MAX).zip(&counts).filter(|(_, pixels)| **pixels > 0).map(class).collect();
    classes.sort_by_key(|class| (std::cmp::Reverse(class.pixels), class.id));
    classes
}

/// To what means something.
fn rounded(share: f64) -> f64 {
    (share * 1e6).round() / 1e6
}

#[derive(Serialize)]
struct Rle<'a> {
    order: &'static str,
    runs: Runs<'a>,
}

/// A mask as `[id, length, id, length, ...]`, row by row; a run goes on from row to row.
struct Runs<'a>(&'a Mask);

impl Serialize for Runs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut runs = serializer.serialize_seq(None)?;
        for run in self.0.ids().chunk_by(|a, b| a == b) {
            runs.serialize_element(&run[0])?;
            runs.serialize_element(&run.len())?;
        }
        runs.end()
    }
}

struct Polygons(Painting);

impl Serialize for Polygons {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.shapes.iter().map(Polygon))
    }
}

struct Polygon<'a>(&'a Shape);

impl Serialize for Polygon<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            class: u8,
            points: Points<'a>,
        }
        Fields { class: self.0.class.0, points: Points(self.0) }.serialize(serializer)
    }
}

struct Points<'a>(&'a Shape);

impl Serialize for Points<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let points = self.0.points.iter();
        serializer.collect_seq(points.map(|point| [Number(point.x), Number(point.y)]))
    }
}

/// A number without `.0` where it is whole, which nearly all are.
#[derive(Clone, Copy)]
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const WHOLE: f64 = (1_u64 << 53) as f64;
        if self.0.fract() == 0.0 && self.0.abs() < WHOLE {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_numbers_are_short() {
        let mask = Mask::from_ids(3, 2, vec![1, 1, 2, 2, 255, 1]);
        assert_eq!(serde_json::to_string(&Runs(&mask)).unwrap(), "[1,2,2,2,255,1,1,1]");
        let numbers = [3.0, 0.5, -0.0, -2.0, 1234.5].map(Number);
        assert_eq!(serde_json::to_string(&numbers).unwrap(), "[3,0.5,0,-2,1234.5]");
    }
}
