//! Rasterisation: from an annotation to a mask, by a rule that has a name.
//!
//! Masks depend on how polygons are filled: Pillow, which the official tools use, changed its fill
//! four times, and each change moved pixels. So a rule has a name, which every manifest records, and
//! for ever means the same pixels. `data-spec/rasterisation.md` tells them to people.

mod centre;
mod cityscapes;
pub mod files;
mod pillow;
mod scan;

use std::fmt;
use std::str::FromStr;

use canet_core::{ClassId, LabelMap, Mask};
use geo::Coord;

use crate::Error;
use crate::annotation::Annotation;

/// How a polygon becomes pixels. A change of a rule would be a new rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Rule {
    /// That of Pillow up to 6.2, the last that the official IDD tool runs on.
    #[default]
    Pillow6,
    /// That of Pillow 11.3 to 13.
    Pillow11,
    /// Spans along the middles of the rows, both ends included.
    Cityscapes,
    /// A pixel belongs to the polygon that its centre lies in; decided exactly.
    Centre,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 4] = [Self::Pillow6, Self::Pillow11, Self::Cityscapes, Self::Centre];

    /// The name, as manifests record it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pillow6 => "pillow-6",
            Self::Pillow11 => "pillow-11",
            Self::Cityscapes => "cityscapes",
            Self::Centre => "centre",
        }
    }

    /// Paints a polygon with one class. `points` is the outline as written; a rule closes it by
    /// itself. What lies outside the mask is cut off, never moved. For many polygons, a [`Brush`] is
    /// faster.
    pub fn fill_polygon(self, points: &[Coord<f64>], id: ClassId, mask: &mut Mask) {
        Brush::new(self).fill(points, id, mask);
    }
}

/// Fills polygons by one rule, and keeps its buffers from one to the next.
pub struct Brush(Filler);

enum Filler {
    Pillow(pillow::Filler),
    Cityscapes(cityscapes::Filler),
    Centre(centre::Filler),
}

impl Brush {
    /// A brush for a rule.
    pub fn new(rule: Rule) -> Self {
        Self(match rule {
            Rule::Pillow6 => Filler::Pillow(pillow::Filler::new(pillow::Family::Six)),
            Rule::Pillow11 => Filler::Pillow(pillow::Filler::new(pillow::Family::Eleven)),
            Rule::Cityscapes => Filler::Cityscapes(cityscapes::Filler::default()),
            Rule::Centre => Filler::Centre(centre::Filler::default()),
        })
    }

    /// Paints a polygon with one class, as [`Rule::fill_polygon`] does.
    pub fn fill(&mut self, points: &[Coord<f64>], id: ClassId, mask: &mut Mask) {
        match &mut self.0 {
            Filler::Pillow(filler) => filler.fill(points, id, mask),
            Filler::Cityscapes(filler) => filler.fill(points, id, mask),
            Filler::Centre(filler) => filler.fill(points, id, mask),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|rule| rule.name() == name).ok_or_else(|| Error::Options {
            option: "rule",
            reason: format!(
                "{name:?} is not known; known are {}",
                Self::ALL.map(Self::name).join(", ")
            ),
        })
    }
}

/// Paints an annotation: the background first, then each object over the earlier ones. Void objects
/// are painted too, and so erase what lies below them; there is no other region of interest.
pub fn rasterise(annotation: &Annotation, labels: &LabelMap, rule: Rule) -> Mask {
    let mut mask = Mask::filled(annotation.width, annotation.height, labels.background());
    let mut brush = Brush::new(rule);
    for object in &annotation.objects {
        brush.fill(object.points(), object.class, &mut mask);
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// A void object over a road over nothing, all as the painter leaves them.
    #[test]
    fn later_objects_cover_and_void_erases() {
        let json = br#"{"imgHeight": 3, "imgWidth": 5, "objects": [
            {"label": "road", "polygon": [[0, 1], [4, 1], [4, 2], [0, 2]]},
            {"label": "car", "polygon": [[1, 0], [2, 0], [2, 2], [1, 2]]},
            {"label": "ego vehicle", "polygon": [[2, 2], [3, 2], [3, 9], [2, 9]]}
        ]}"#;
        for (map, expected) in [
            ("idd-level3", [255, 9, 9, 255, 255, 0, 9, 9, 0, 0, 0, 9, 255, 255, 0]),
            ("assignment-21", [0, 8, 8, 0, 0, 1, 8, 8, 1, 1, 1, 8, 17, 17, 1]),
        ] {
            let map = LabelMap::builtin(map).unwrap();
            let annotation = Annotation::parse(json, Path::new("a.json"), &map).unwrap();
            assert_eq!(rasterise(&annotation, &map, Rule::Pillow6).ids(), expected);
        }
    }

    #[test]
    fn rules_are_found_by_name() {
        for rule in Rule::ALL {
            assert_eq!(rule.to_string().parse::<Rule>().unwrap(), rule);
        }
        let error = "pillow".parse::<Rule>().unwrap_err().to_string();
        assert!(
            error.contains("\"pillow\" is not known; known are pillow-6, pillow-11, "),
            "{error}"
        );
    }
}
