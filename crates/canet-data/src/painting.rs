//! Paintings: the polygons of one frame with classes instead of labels, in painter's order.
//!
//! This is what lies between a mask and the files of annotation tools, on the way out as on the way
//! in: it has no gaps by construction, because later shapes cover earlier ones.

use canet_core::{ClassId, Mask};
use geo::Coord;

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
