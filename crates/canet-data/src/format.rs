//! Annotation formats: paintings as the files of annotation tools, and such files as annotations.
//!
//! People correct labels in tools of their own, so what is drawn here must open there, and come back
//! as training data. A writer takes a [`Painting`] and writes its shapes in painter's order, every
//! coordinate as the shortest number that reads back as the same bits. A reader gives the
//! same checked [`Annotation`](crate::annotation::Annotation) as IDD's own files do. Where a writer
//! and a reader exist, a painting goes through both and gives the same mask under every fill rule.
//!
//! What the painting's file should tell of its making (the fill rule, how closely a mask is met) is a
//! [`Note`], and stands where the format's own tools keep or pass over what they do not know.

pub mod coco;
mod cvat;
mod idd;
pub mod labelme;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use canet_core::{ClassId, LabelMap, MAX_SIDE};
use geo::Coord;

use crate::Error;
use crate::painting::Painting;
use crate::pattern::IMAGE_EXTENSIONS;

/// A form of annotation files that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// IDD's JSON of polygons, one file a frame, with IDD's keys for its annotation tool.
    Idd,
    /// The `_gtFine_polygons.json` of Cityscapes, one file a frame.
    Cityscapes,
    /// The JSON of `LabelMe` 5 and 6, one file a frame, beside the frame.
    LabelMe,
    /// "CVAT for images 1.1", one XML file for many frames.
    Cvat,
    /// COCO instances, one JSON file for many frames.
    Coco,
}

/// What a file tells of its making, by key, such as the fill rule. Tools do not read it.
pub type Note = serde_json::Map<String, serde_json::Value>;

impl Format {
    /// All formats.
    pub const ALL: [Self; 5] = [Self::Idd, Self::Cityscapes, Self::LabelMe, Self::Cvat, Self::Coco];

    /// The name, as people ask for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idd => "idd",
            Self::Cityscapes => "cityscapes",
            Self::LabelMe => "labelme",
            Self::Cvat => "cvat",
            Self::Coco => "coco",
        }
    }

    /// Whether each frame has a file of its own; the others gather all frames in one ([`Gathered`]).
    pub const fn is_per_frame(self) -> bool {
        matches!(self, Self::Idd | Self::Cityscapes | Self::LabelMe)
    }

    /// The usual name, without folders, of the file for a frame, given by its own file name. It is
    /// the same for all frames if they are gathered.
    pub fn file_name(self, frame: &str) -> String {
        match self {
            Self::Idd | Self::Cityscapes => {
                let stem = stem(frame);
                let stem = stem.strip_suffix("_leftImg8bit").unwrap_or(stem);
                format!("{stem}_gtFine_polygons.json")
            }
            Self::LabelMe => format!("{}.json", stem(frame)),
            Self::Cvat => "annotations.xml".to_owned(),
            Self::Coco => "instances.json".to_owned(),
        }
    }
}

/// A frame's file name without folders and extension.
fn stem(frame: &str) -> &str {
    let name = frame.rsplit('/').next().unwrap_or(frame);
    match name.rsplit_once('.') {
        Some((stem, extension))
            if IMAGE_EXTENSIONS.iter().any(|e| extension.eq_ignore_ascii_case(e)) =>
        {
            stem
        }
        _ => name,
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| Error::Options {
            option: "format",
            reason: format!(
                "{name:?} is not known; known are {}",
                Self::ALL.map(Self::name).join(", ")
            ),
        })
    }
}

/// Writes one painting as a file of its own, also in formats that can gather many. `frame` is the
/// name of the frame's image as the file should give it: relative to the file for `LabelMe`, to the
/// folder of images for `Cvat` and `Coco`, with `/` between folders; for the others it only stands
/// in errors.
///
/// Refused are sizes and coordinates that no reader takes, shapes of fewer than three points, and
/// classes for which the map has no label.
pub fn write(
    format: Format,
    painting: &Painting,
    labels: &LabelMap,
    frame: &str,
    note: Option<&Note>,
) -> Result<Vec<u8>, Error> {
    if let Some(mut gathered) = Gathered::new(format, labels) {
        gathered.add(painting, frame, note)?;
        return Ok(gathered.finish());
    }
    let outlines = outlines(painting, labels, frame)?;
    Ok(match format {
        Format::LabelMe => labelme::write(painting, &outlines, frame, note),
        Format::Cityscapes => idd::write_cityscapes(painting, &outlines, note),
        _ => idd::write(painting, &outlines, note),
    })
}

/// The paintings of many frames on their way to one file, in the order in which they are added.
pub struct Gathered<'a> {
    labels: &'a LabelMap,
    writer: Writer,
}

enum Writer {
    Cvat(cvat::Writer),
    Coco(coco::Writer),
}

impl<'a> Gathered<'a> {
    /// Begins a file; `None` for formats with a file for each frame.
    pub fn new(format: Format, labels: &'a LabelMap) -> Option<Self> {
        let writer = match format {
            Format::Cvat => Writer::Cvat(cvat::Writer::new(labels)),
            Format::Coco => Writer::Coco(coco::Writer::new(labels)),
            Format::Idd | Format::Cityscapes | Format::LabelMe => return None,
        };
        Some(Self { labels, writer })
    }

    /// Adds a frame, as [`write()`] does. After an error the file is as it was before.
    pub fn add(
        &mut self,
        painting: &Painting,
        frame: &str,
        note: Option<&Note>,
    ) -> Result<(), Error> {
        let outlines = outlines(painting, self.labels, frame)?;
        match &mut self.writer {
            Writer::Cvat(writer) => writer.add(painting, &outlines, frame, note),
            Writer::Coco(writer) => writer.add(painting, &outlines, frame, note),
        }
        Ok(())
    }

    /// The whole file.
    pub fn finish(self) -> Vec<u8> {
        match self.writer {
            Writer::Cvat(writer) => writer.finish(),
            Writer::Coco(writer) => writer.finish(),
        }
    }
}

/// A shape that can be written: its numbers are finite and its class has a label.
struct Outline<'a> {
    label: &'a str,
    class: ClassId,
    points: Cow<'a, [Coord<f64>]>,
}

/// Checks a painting and finds its labels. No format says what lies below all shapes, and readers
/// take the map's background for it; another one is painted as the first shape, over the whole frame.
fn outlines<'a>(
    painting: &'a Painting,
    labels: &'a LabelMap,
    frame: &str,
) -> Result<Vec<Outline<'a>>, Error> {
    let fail = |at: String, reason: String| Error::Annotation { path: frame.into(), at, reason };
    for (key, side) in [("its width", painting.width), ("its height", painting.height)] {
        if side == 0 || side > MAX_SIDE {
            return Err(fail(key.into(), format!("is {side}; 1 to {MAX_SIDE} are possible")));
        }
    }
    let mut outlines = Vec::with_capacity(painting.shapes.len() + 1);
    if painting.background != labels.background() {
        let label = label_of(painting.background, labels)?;
        let points = Cow::Owned(whole_frame(painting));
        outlines.push(Outline { label, class: painting.background, points });
    }
    for (index, shape) in painting.shapes.iter().enumerate() {
        let at = || format!("shapes[{index}]");
        if shape.points.len() < 3 {
            let points = shape.points.len();
            return Err(fail(at(), format!("has {points} points; an outline has 3 or more")));
        }
        if let Some(point) = shape.points.iter().find(|p| !(p.x.is_finite() && p.y.is_finite())) {
            return Err(fail(
                at(),
                format!("has the point ({}, {}) at no place", point.x, point.y),
            ));
        }
        let label = label_of(shape.class, labels)?;
        outlines.push(Outline { label, class: shape.class, points: Cow::Borrowed(&shape.points) });
    }
    Ok(outlines)
}

/// The frame's border, which under every fill rule has all pixels inside.
fn whole_frame(painting: &Painting) -> Vec<Coord<f64>> {
    let (width, height) = (f64::from(painting.width), f64::from(painting.height));
    let corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)];
    corners.map(|(x, y)| Coord { x, y }).to_vec()
}

fn label_of(class: ClassId, labels: &LabelMap) -> Result<&str, Error> {
    labels.label_of_class(class).ok_or_else(|| {
        let name = labels.classes().class_name(class);
        Error::Core(canet_core::Error::Spec {
            origin: format!("label map {}", labels.classes().name),
            reason: format!(
                "has no label for class {} ({name}), so its polygons cannot be written; add one to \
                 the map, or take another map",
                class.0
            ),
        })
    })
}

/// The points of an outline as pairs.
fn pairs(points: &[Coord<f64>]) -> Vec<[f64; 2]> {
    points.iter().map(|point| [point.x, point.y]).collect()
}

/// JSON of what is checked, on one line.
fn to_json(content: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(content).expect("text keys and finite numbers can be written")
}

#[cfg(test)]
mod tests;
