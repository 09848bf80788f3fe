//! What is seen of each object once all are painted: exact, by the fill rule itself.
//!
//! The objects are painted from the last to the first, each on an empty sheet; what it has and the
//! later ones do not is what is seen of it. That needs no object numbers in the mask, so any fill
//! rule serves as it is.

use canet_core::{ClassId, Mask};
use geo::Coord;

use crate::raster::Rule;

/// How far from its corners' box, in pixels, a rule may paint.
const SPILL: f64 = 2.0;

/// How many pixels an object has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pixels {
    /// In the frame.
    pub(super) painted: u64,
    /// Not covered by later objects.
    pub(super) visible: u64,
}

/// Counts the pixels of each outline, given in painter's order.
pub(super) fn count(outlines: &[&[[f64; 2]]], size: (u32, u32), rule: Rule) -> Vec<Pixels> {
    let mut sheet = Mask::filled(size.0, size.1, ClassId(0));
    let mut covered = vec![0_u8; sheet.ids().len()];
    let mut counts: Vec<_> = outlines
        .iter()
        .rev()
        .map(|points| {
            let corners: Vec<_> = points.iter().map(|&[x, y]| Coord { x, y }).collect();
            rule.fill_polygon(&corners, ClassId(1), &mut sheet);
            take_off(&mut sheet, &mut covered, points)
        })
        .collect();
    counts.reverse();
    counts
}

/// Moves what is on the sheet to what is covered, and counts it.
fn take_off(sheet: &mut Mask, covered: &mut [u8], points: &[[f64; 2]]) -> Pixels {
    let mut pixels = Pixels::default();
    let Some([left, top, right, bottom]) = super::outline::bounds(points) else { return pixels };
    let (width, height) = (sheet.width() as usize, sheet.height() as usize);
    // Conversions of floats to whole numbers stop at the ends of the range.
    let (left, top) = ((left - SPILL) as usize, (top - SPILL) as usize);
    let right = ((right + SPILL).ceil() as usize).min(width - 1);
    let bottom = ((bottom + SPILL).ceil() as usize).min(height - 1);
    if left > right {
        return pixels;
    }
    for y in top..=bottom {
        let row = y * width + left..=y * width + right;
        let (mut painted, mut visible) = (0_u32, 0_u32);
        for (new, old) in sheet.ids_mut()[row.clone()].iter_mut().zip(&mut covered[row]) {
            painted += u32::from(*new);
            visible += u32::from(*new & !*old);
            *old |= *new;
            *new = 0;
        }
        pixels.painted += u64::from(painted);
        pixels.visible += u64::from(visible);
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::painting::{Painting, Shape};

    fn boxed(left: f64, top: f64, right: f64, bottom: f64) -> Vec<[f64; 2]> {
        vec![[left, top], [right, top], [right, bottom], [left, bottom]]
    }

    #[test]
    fn later_objects_hide_earlier_ones() {
        let outlines = [
            boxed(1.0, 1.0, 2.0, 2.0),     // 4 pixels, all under the next
            boxed(0.0, 0.0, 3.0, 2.0),     // 12, of which the third has 2 and the last 1
            boxed(3.0, 1.0, 3.0, 2.0),     // 2
            boxed(-5.0, -5.0, 0.5, 0.5),   // 1
            boxed(-9.0, -9.0, -4.0, -4.0), // outside
            boxed(90.0, 0.0, 94.0, 4.0),   // outside
        ];
        let outlines: Vec<_> = outlines.iter().map(Vec::as_slice).collect();
        let counts = count(&outlines, (5, 4), Rule::Pillow6);
        let counts: Vec<_> = counts.iter().map(|c| (c.painted, c.visible)).collect();
        assert_eq!(counts, [(4, 0), (12, 9), (2, 2), (1, 1), (0, 0), (0, 0)]);
    }

    /// Against painting class after class, for drawn outlines and every rule.
    #[test]
    fn what_is_seen_is_what_a_painting_shows() {
        let mut seen = 0;
        for rule in Rule::ALL {
            for round in 0..20_u64 {
                let draw =
                    move |i: u64| (canet_core::mix(round * 4096 + i) % 900) as f64 / 10.0 - 20.0;
                let outlines: Vec<Vec<[f64; 2]>> = (0..60)
                    .map(|n| (0..3 + n % 5).map(move |i| [draw(n * 16 + i), draw(n * 16 + i + 8)]))
                    .map(Iterator::collect)
                    .collect();
                let shapes = outlines.iter().zip(1..).map(|(points, id)| Shape {
                    class: ClassId(id),
                    points: points.iter().map(|&[x, y]| Coord { x, y }).collect(),
                });
                let (width, height) = (50, 40);
                let shapes = shapes.collect();
                let painting = Painting { width, height, background: ClassId(0), shapes };
                let outlines: Vec<_> = outlines.iter().map(Vec::as_slice).collect();
                let expected = painting.rasterise(rule).histogram();
                for (pixels, id) in count(&outlines, (width, height), rule).iter().zip(1..) {
                    assert_eq!(pixels.visible, expected[id], "{rule} {round} {id}");
                    seen += u64::from(pixels.visible > 0 && pixels.visible < pixels.painted);
                }
            }
        }
        assert!(seen > 100, "{seen}");
    }
}
