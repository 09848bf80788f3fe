//! COCO instances as annotations: one file, read once, for all images that it names.
//!
//! A region may be several polygons; each becomes an object of its own, so where they overlap they
//! stay painted, as in COCO's own tools. Regions that are pixels (run lengths, as all crowds are) or nothing but a box
//! are findings: to make them polygons would be to invent an outline.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::path::Path;

use canet_core::LabelMap;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::Error;
use crate::annotation::{self, Annotation, RawObject};
use crate::findings::FindingKind;

/// The images of a file, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Instances {
    /// The images, also those without any annotation.
    pub images: Vec<Image>,
}

/// An image and what is drawn on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Its file, with `/` between folders; where it begins is up to who wrote it.
    pub file_name: String,
    /// Its objects; they and the findings are counted as in the file's list of annotations.
    pub annotation: Annotation,
}

#[derive(Deserialize)]
struct RawFile {
    images: Vec<RawImage>,
    annotations: Vec<RawAnnotation>,
    categories: Vec<RawCategory>,
}

#[derive(Deserialize)]
struct RawImage {
    id: i64,
    file_name: String,
    width: u32,
    height: u32,
}

#[derive(Deserialize)]
struct RawCategory {
    id: i64,
    name: String,
}

#[derive(Deserialize)]
struct RawAnnotation {
    image_id: i64,
    category_id: i64,
    #[serde(default)]
    segmentation: Segmentation,
}

/// How a region is told.
#[derive(Default)]
enum Segmentation {
    #[default]
    Missing,
    RunLengths,
    Polygons(Vec<Points>),
}

/// Points as one list of numbers, x and y in turn.
struct Points(Vec<[f64; 2]>);

impl Instances {
    /// Parses a file; `path` names it in errors.
    pub fn parse(bytes: &[u8], path: &Path, labels: &LabelMap) -> Result<Self, Error> {
        let mut raw: RawFile = annotation::from_json(bytes, path)?;
        let fail = |at: String, reason: String| Error::Annotation { path: path.into(), at, reason };
        let places = unique(raw.images.iter().map(|image| image.id))
            .map_err(|(n, id)| fail(format!("images[{n}].id"), second(id)))?;
        let categories = unique(raw.categories.iter().map(|category| category.id))
            .map_err(|(n, id)| fail(format!("categories[{n}].id"), second(id)))?;
        // Each object gets a copy of its name; one of megabytes is no label anyway.
        for category in &mut raw.categories {
            category.name = annotation::shortened(std::mem::take(&mut category.name));
        }
        let mut images = Vec::with_capacity(raw.images.len());
        for (n, image) in raw.images.into_iter().enumerate() {
            annotation::check_side(image.width, path, || format!("images[{n}].width"))?;
            annotation::check_side(image.height, path, || format!("images[{n}].height"))?;
            let annotation = Annotation::empty(image.width, image.height);
            images.push(Image { file_name: image.file_name, annotation });
        }
        for (n, object) in raw.annotations.into_iter().enumerate() {
            let unknown = |key: &str, id: i64, list: &str| {
                fail(format!("annotations[{n}].{key}"), format!("{id} is no id in {list}"))
            };
            let place = places.get(&object.image_id);
            let place = place.ok_or_else(|| unknown("image_id", object.image_id, "images"))?;
            let category = categories.get(&object.category_id);
            let category =
                category.ok_or_else(|| unknown("category_id", object.category_id, "categories"))?;
            let label = &raw.categories[*category].name;
            object.add_to(&mut images[*place].annotation, n, label, labels);
        }
        for image in &images {
            image.annotation.affordable(path)?;
        }
        Ok(Self { images })
    }
}

fn second(id: i64) -> String {
    format!("{id} is the id of an earlier one")
}

/// The places of ids, or the place of the first that was there before.
fn unique(ids: impl Iterator<Item = i64>) -> Result<BTreeMap<i64, usize>, (usize, i64)> {
    let mut places = BTreeMap::new();
    for (place, id) in ids.enumerate() {
        match places.entry(id) {
            Entry::Vacant(vacant) => vacant.insert(place),
            Entry::Occupied(_) => return Err((place, id)),
        };
    }
    Ok(places)
}

impl RawAnnotation {
    fn add_to(self, annotation: &mut Annotation, index: usize, label: &str, labels: &LabelMap) {
        let mut not = |what: &str| {
            annotation.add_finding(index, FindingKind::NotAPolygon(what.to_owned()));
        };
        match self.segmentation {
            Segmentation::RunLengths => not("run-length mask"),
            Segmentation::Missing => not("box"),
            Segmentation::Polygons(polygons) if polygons.is_empty() => not("box"),
            Segmentation::Polygons(polygons) => {
                for Points(polygon) in polygons {
                    let label = label.to_owned();
                    annotation.add(index, RawObject { label, polygon, deleted: false }, labels);
                }
            }
        }
    }
}

impl<'de> Deserialize<'de> for Segmentation {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Segmentation;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of polygons, or a mask of run lengths")
            }
            fn visit_unit<E>(self) -> Result<Segmentation, E> {
                Ok(Segmentation::Missing)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Segmentation, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Segmentation::RunLengths)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Segmentation, A::Error> {
                let mut polygons = Vec::new();
                while let Some(points) = list.next_element()? {
                    polygons.push(points);
                }
                Ok(Segmentation::Polygons(polygons))
            }
        }
        from.deserialize_any(Form)
    }
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Points;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of numbers, x and y in turn")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Points, A::Error> {
                let mut points = Vec::new();
                while let Some(x) = list.next_element()? {
                    let y = list.next_element()?.ok_or_else(|| {
                        de::Error::custom("the last x has no y; numbers are x and y in turn")
                    })?;
                    points.push([x, y]);
                }
                Ok(Points(points))
            }
        }
        from.deserialize_seq(Form)
    }
}

#[cfg(test)]
mod tests;
