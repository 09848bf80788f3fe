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
use super::straight::Vertex;
use crate::raster::Rule;

/// How far from the far side of a pixel a corner stays, in pixels. Truncation and rounding need it;
/// two decimals are what people still like to read.
const SLACK: f64 = 0.01;

/// The points of an outline, for exactly the pixels inside.
pub(super) fn outline(vertices: &[Vertex], rule: Rule) -> Vec<Coord<f64>> {
    let place = |vertex: &Vertex| match vertex {
        Vertex::Corner(node) => corner(node, rule),
        Vertex::Side { x, row, is_right_border } => {
            let y = f64::from(*row) + 0.5;
            Coord { x: column(f64::from(*x), *is_right_border, rule), y }
        }
    };
    vertices.iter().map(place).collect()
}

/// Where a vertical crack is written.
fn column(x: f64, is_right_border: bool, rule: Rule) -> f64 {
    match rule {
        Rule::Centre => x,
        Rule::Pillow6 | Rule::Pillow11 => x - if is_right_border { SLACK } else { 0.0 },
        // Nothing needs to lie outside of the frame.
        Rule::Cityscapes => (x - 0.5 + if is_right_border { -SLACK } else { SLACK }).max(0.0),
    }
}

fn corner(node: &Node, rule: Rule) -> Coord<f64> {
    let (vertical, horizontal) =
        if node.came.is_vertical() { (node.came, node.goes) } else { (node.goes, node.came) };
    // Outlines run clockwise: down along right borders, and west along lower ones.
    let is_lower_border = horizontal == Way::West;
    let y = f64::from(node.y);
    let y = match rule {
        Rule::Pillow6 | Rule::Pillow11 if is_lower_border => y - SLACK,
        _ => y,
    };
    Coord { x: column(f64::from(node.x), vertical == Way::South, rule), y }
}

/// The points of a simplified outline in a frame of a size.
///
/// Neighbours share these corners, so nothing may depend on the side from which they are seen. For
/// rules that truncate or round, they stand at the middle of a pixel, or at the frame's edge in the
/// outermost ones.
pub(super) fn simplified(
    spots: &[Spot],
    rule: Rule,
    (width, height): (i32, i32),
) -> Vec<Coord<f64>> {
    let within = |pixel: i32, side: i32| {
        let is_last = pixel + 1 == side;
        let fraction = if is_last {
            1.0 - SLACK
        } else if pixel == 0 {
            0.0
        } else {
            0.5
        };
        f64::from(pixel) + fraction
    };
    let place = |spot: &Spot| match rule {
        Rule::Centre => Coord { x: f64::from(spot.x), y: f64::from(spot.y) },
        Rule::Pillow6 | Rule::Pillow11 => {
            Coord { x: within(spot.column, width), y: within(spot.row, height) }
        }
        Rule::Cityscapes => {
            Coord { x: (within(spot.column, width) - 0.5).max(0.0), y: f64::from(spot.y) }
        }
    };
    spots.iter().map(place).collect()
}
