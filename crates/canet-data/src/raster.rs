//! Rasterisation: from an annotation to the mask that the official tool would draw.
//!
//! The rule has a name, because masks depend on it: Pillow changed its polygon fill four times, and
//! each change moved pixels. [`RULE`] is that of Pillow up to 6.2, the last that the official IDD
//! tool runs on. A prepared folder records it, and a change of it would be a new name.

mod pillow;

use canet_core::{LabelMap, Mask};

use crate::annotation::Annotation;

pub use pillow::fill_polygon;

/// The name of the fill rule, as manifests record it.
pub const RULE: &str = "pillow-6";

/// Paints an annotation: the background first, then each object over the earlier ones. Void objects
/// are painted too, and so erase what lies below them; there is no other region of interest.
pub fn rasterise(annotation: &Annotation, labels: &LabelMap) -> Mask {
    let mut mask = Mask::filled(annotation.width, annotation.height, labels.background());
    for object in &annotation.objects {
        fill_polygon(object.points(), object.class, &mut mask);
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
            assert_eq!(rasterise(&annotation, &map).ids(), expected);
        }
    }
}
