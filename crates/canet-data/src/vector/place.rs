//! Where the corners of an outline are written, so that a rule fills just the pixels inside.
//!
//! A corner lies between a vertical crack, whose inner pixel is in column `c`, and a horizontal one,
//! whose inner pixel is in row `r`:
//!
//! | rule | left of `c` | right of `c` | above `r` | below `r` |
//! |---|---|---|---|---|
//! | `centre` | c | c + 1 | r | r + 1 |
//! | those of Pillow | c | c + 0.99 | r | r + 0.99 |
//! | `cityscapes` | c - 0.49 | c + 0.49 | r | r + 1 |
//!
//! `centre` takes the pixels whose centres are inside, so outlines are the pixels' own borders and
//! neighbours share them. Pillow truncates to pixels and paints the border as well, so a corner must
//! fall into the outermost pixel that is to be painted, and may lie at the far side of it: viewers,
//! which draw what is written, then show gaps of a hundredth of a pixel, which is none. Zero-width
//! parts do not vanish, for Pillow paints both ends of each span. `cityscapes` samples rows at
//! their middle and rounds both ends of a span to the nearer pixel, so half a pixel less a hundredth
//! is the most that may be written, and neighbours again meet but for two hundredths.

use geo::Coord;

use super::outline::{Node, Way};
use super::simplify::Spot;
use crate::raster::Rule;

/// How far from the far side of a pixel a corner stays, in pixels. Truncation and rounding need it;
/// two decimals are what people still like to read.
const SLACK: f64 = 0.01;

/// The column and row of a node's inner pixel, and whether that is left of the vertical crack and
/// above the horizontal one.
struct Inner {
    column: i32,
    row: i32,
    is_right_border: bool,
    is_lower_border: bool,
}

impl Inner {
    /// For a node where the outline turns.
    fn of(node: &Node) -> Self {
        let (vertical, horizontal) =
            if node.came.is_vertical() { (node.came, node.goes) } else { (node.goes, node.came) };
        let is_right_border = vertical == Way::South;
        let is_lower_border = horizontal == Way::West;
        Self {
            column: node.x - i32::from(is_right_border),
            row: node.y - i32::from(is_lower_border),
            is_right_border,
            is_lower_border,
        }
    }
}

/// Where a rule wants a corner, for exactly the pixels inside.
pub(super) fn corner(node: &Node, rule: Rule) -> Coord<f64> {
    let inner = Inner::of(node);
    let far = |pixel: i32, is_far: bool| f64::from(pixel) + if is_far { 1.0 - SLACK } else { 0.0 };
    match rule {
        Rule::Pillow6 => Coord {
            x: far(inner.column, inner.is_right_border),
            y: far(inner.row, inner.is_lower_border),
        },
    }
}

/// The corners of a simplified outline, for a frame of a size.
///
/// Neighbours share them, so nothing may depend on the side from which they are seen. For rules that
/// truncate or round, they stand at the middle of a pixel, or at the frame's edge in the outermost
/// ones.
pub(super) fn simplified(
    spots: &[Spot],
    rule: Rule,
    (width, height): (u32, u32),
) -> Vec<Coord<f64>> {
    let within = |pixel: i32, side: u32| {
        let fraction = match pixel {
            0 => 0.0,
            last if last + 1 == side as i32 => 1.0 - SLACK,
            _ => 0.5,
        };
        f64::from(pixel) + fraction
    };
    let place = |spot: &Spot| match rule {
        Rule::Pillow6 => Coord { x: within(spot.column, width), y: within(spot.row, height) },
    };
    spots.iter().map(place).collect()
}

/// The points of an outline.
pub(super) fn outline(nodes: &[Node], rule: Rule) -> Vec<Coord<f64>> {
    nodes.iter().filter(|node| node.came != node.goes).map(|node| corner(node, rule)).collect()
}
