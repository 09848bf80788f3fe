//! Paintings: the polygons of one frame with classes instead of labels, in painter's order.
//!
//! This is what lies between a mask and the files of annotation tools, on the way out as on the way
//! in: it has no gaps by construction, because later shapes cover earlier ones.

use canet_core::{ClassId, LabelMap, Mask};
use geo::Coord;

use crate::annotation::{Annotation, Object};
use crate::raster::{Brush, Rule};

/// The polygons of one frame; later shapes cover earlier ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Painting {
    /// Width of the frame in pixels.
    pub width: u32,
    /// Height of the frame in pixels.
    pub height: u32,
    /// The class of what no shape covers.
    pub background: ClassId,
    /// What is painted, the lowest first.
    pub shapes: Vec<Shape>,
}

/// A polygon and the class it is painted with.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The class, which may be void.
    pub class: ClassId,
    /// The corners of the outline in pixels, the first one not repeated at the end.
    pub points: Vec<Coord<f64>>,
}

impl Painting {
    /// What an annotation paints, under the label map that it was read with.
    pub fn of(annotation: &Annotation, labels: &LabelMap) -> Self {
        let shape = |object: &Object| {
            let points = match object.points() {
                // Rules close outlines by themselves.
                [first, middle @ .., last] if first == last && middle.len() > 1 => {
                    [&[*first], middle].concat()
                }
                points => points.to_vec(),
            };
            Shape { class: object.class, points }
        };
        Self {
            width: annotation.width,
            height: annotation.height,
            background: labels.background(),
            shapes: annotation.objects.iter().map(shape).collect(),
        }
    }

    /// The mask that a rule makes of the painting.
    pub fn rasterise(&self, rule: Rule) -> Mask {
        let mut mask = Mask::filled(self.width, self.height, self.background);
        let mut brush = Brush::new(rule);
        for shape in &self.shapes {
            brush.fill(&shape.points, shape.class, &mut mask);
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::rasterise;

    #[test]
    fn an_annotation_paints_the_same_as_a_painting() {
        let json = br#"{"imgHeight": 9, "imgWidth": 12, "objects": [
            {"label": "road", "polygon": [[0.5, 1], [11, 2.7], [6, 8], [0.5, 1]]},
            {"label": "car", "polygon": [[4, 0], [9, 6.5], [4, 0]]},
            {"label": "sky", "polygon": [[1, 3], [2.9, 3], [1, 7], [1.2, 3.4]]}]}"#;
        let labels = LabelMap::builtin("idd-level3").unwrap();
        let annotation = Annotation::parse(json, "a.json".as_ref(), &labels).unwrap();
        let painting = Painting::of(&annotation, &labels);
        let corners: Vec<_> = painting.shapes.iter().map(|shape| shape.points.len()).collect();
        assert_eq!(corners, [3, 3, 4]);
        for rule in Rule::ALL {
            let mask = rasterise(&annotation, &labels, rule);
            assert_eq!(painting.rasterise(rule).ids(), mask.ids(), "{rule}");
        }
    }

    #[test]
    fn later_shapes_cover_earlier_ones() {
        let square = |class, low: f64, high: f64| Shape {
            class: ClassId(class),
            points: [(low, low), (high, low), (high, high), (low, high)]
                .map(|(x, y)| Coord { x, y })
                .to_vec(),
        };
        let shapes = vec![square(1, 0.0, 2.0), square(2, 1.0, 1.0)];
        let painting = Painting { width: 3, height: 3, background: ClassId(0), shapes };
        assert_eq!(painting.rasterise(Rule::Pillow6).ids(), [1, 1, 1, 1, 2, 1, 1, 1, 1]);
    }
}
