//! COCO instances: one JSON file for many frames.
//!
//! COCO knows no painter's order: its tools take each annotation for a region of its own. Here the
//! order in the file is painter's order, and `info.painter_order` says so; a tool that draws the
//! annotations of an image one after the other draws the painting. Categories are the classes of the
//! label map by their labels, class `i` with id `i + 1`, and void after the last; `area` is that of
//! the polygon, also where later ones cover it.
//!
//! Read ([`Instances`]) are the polygons of all images at once, in the order of the file, because that
//! is the only order there is.

mod read;

pub use read::{Image, Instances};

use canet_core::{ClassId, ClassSet, LabelMap};
use geo::Coord;
use serde::Serialize;

use super::{Note, Outline, to_json};
use crate::painting::Painting;

const PAINTER_ORDER: &str = "annotations of an image cover earlier ones of it";

#[derive(Serialize)]
struct File<'a> {
    info: Info,
    licenses: [(); 0],
    images: &'a [ImageRecord],
    annotations: &'a [Annotation],
    categories: &'a [Category],
}

#[derive(Serialize)]
struct Info {
    description: &'static str,
    painter_order: &'static str,
}

#[derive(Serialize)]
struct ImageRecord {
    id: usize,
    file_name: String,
    width: u32,
    height: u32,
    #[serde(rename = "canet", skip_serializing_if = "Option::is_none")]
    note: Option<Note>,
}

#[derive(Serialize)]
struct Annotation {
    id: usize,
    image_id: usize,
    category_id: usize,
    segmentation: [Vec<f64>; 1],
    area: f64,
    bbox: [f64; 4],
    iscrowd: u8,
}

#[derive(Serialize)]
struct Category {
    id: usize,
    name: String,
    supercategory: &'static str,
}

/// A file that is being gathered.
pub(super) struct Writer {
    classes: ClassSet,
    images: Vec<ImageRecord>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

impl Writer {
    pub(super) fn new(labels: &LabelMap) -> Self {
        let classes = labels.classes().clone();
        let category = |class| {
            let name = labels.label_of_class(class)?.to_owned();
            Some(Category { id: category_id(&classes, class), name, supercategory: "" })
        };
        let ids = (0..=ClassId::VOID.0).map(ClassId);
        let categories = ids.filter(|id| classes.allows(*id)).filter_map(category).collect();
        Self { classes, images: Vec::new(), annotations: Vec::new(), categories }
    }

    pub(super) fn add(
        &mut self,
        painting: &Painting,
        outlines: &[Outline],
        frame: &str,
        note: Option<&Note>,
    ) {
        let image_id = self.images.len() + 1;
        self.images.push(ImageRecord {
            id: image_id,
            file_name: frame.to_owned(),
            width: painting.width,
            height: painting.height,
            note: note.cloned(),
        });
        for outline in outlines {
            self.annotations.push(Annotation {
                id: self.annotations.len() + 1,
                image_id,
                category_id: category_id(&self.classes, outline.class),
                segmentation: [outline.points.iter().flat_map(|p| [p.x, p.y]).collect()],
                area: area(&outline.points),
                bbox: bounds(&outline.points),
                iscrowd: 0,
            });
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let info =
            Info { description: "Polygons in painter's order", painter_order: PAINTER_ORDER };
        to_json(&File {
            info,
            licenses: [],
            images: &self.images,
            annotations: &self.annotations,
            categories: &self.categories,
        })
    }
}

/// COCO keeps 0 for what is no category.
fn category_id(classes: &ClassSet, class: ClassId) -> usize {
    1 + if class == ClassId::VOID { classes.len() } else { usize::from(class.0) }
}

/// What the outline encloses, in square pixels; what it runs around twice counts twice.
fn area(points: &[Coord<f64>]) -> f64 {
    let next = points.iter().cycle().skip(1);
    let twice: f64 = points.iter().zip(next).map(|(a, b)| a.x * b.y - b.x * a.y).sum();
    twice.abs() / 2.0
}

/// Left, top, width and height.
fn bounds(points: &[Coord<f64>]) -> [f64; 4] {
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for point in points {
        for (axis, value) in [point.x, point.y].into_iter().enumerate() {
            low[axis] = low[axis].min(value);
            high[axis] = high[axis].max(value);
        }
    }
    [low[0], low[1], high[0] - low[0], high[1] - low[1]]
}
