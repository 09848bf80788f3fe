//! Fewer corners: outlines simplified by Douglas and Peucker's method, arc by arc.
//!
//! An arc is a piece of an outline between two junctions, so it has the same two components on its
//! sides all along. Both of their outlines run along it, in opposite directions; it is simplified in
//! one of them, which its own points decide, so that both get the same corners and no gap opens:
//!
//! ```text
//!        . B .                   o  junctions: kept
//!   o--.       .--o   A's and B's outlines share the arc from o to o;
//!   |    `-.-'    |   where it is simplified, it is for both
//!   |      A      |
//! ```
//!
//! Arcs along the frame's edge stay as they are, or corners of the frame would be cut off.
//!
//! Rules that paint the outline itself need corners *inside* of pixels, on one of the two sides. It
//! is that of the component which is painted later: the earlier one then reaches under it, and what
//! the two lines between corners cover joins up. Where that is not enough, `near_shapes` sees it.

use super::components::OUTSIDE;
use super::outline::{Node, Way};

/// A corner of a simplified outline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    /// The corner between the pixels.
    pub(super) x: i32,
    pub(super) y: i32,
    /// The pixel beside it that belongs to the component which is painted later.
    pub(super) column: i32,
    pub(super) row: i32,
}

/// The corners of an outline that stays within `tolerance` pixels of the full one. `is_later` tells
/// of a neighbour whether it is painted later than this component.
pub(super) fn simplify(
    nodes: &[Node],
    tolerance: f64,
    is_later: impl Fn(u32) -> bool,
) -> Vec<Spot> {
    let begin = nodes.iter().position(|node| node.junction).unwrap_or(0);
    let mut rotated: Vec<Node> = [&nodes[begin..], &nodes[..=begin]].concat();
    // Where an arc ends, only the way in belongs to it; where it begins, only the way out.
    let last = rotated.len() - 1;
    let is_loop = !rotated[last].junction;
    let mut spots = Vec::new();
    let mut from = 0;
    for to in 1..=last {
        if to < last && !rotated[to].junction {
            continue;
        }
        let arc = &mut rotated[from..=to];
        let later = is_later(arc[0].neighbour);
        for at in kept(arc, is_loop, tolerance) {
            spots.push(spot(arc, at, later, is_loop));
        }
        from = to;
    }
    spots.dedup();
    if spots.len() > 1 && spots.first() == spots.last() {
        spots.pop();
    }
    spots
}

/// Whether an outline of an area has lost more than half of what it held, or gained as much: its
/// component is thinner than the tolerance.
pub(super) fn has_collapsed(spots: &[Spot], area: u64) -> bool {
    let next = spots.iter().cycle().skip(1);
    let cross =
        |(a, b): (&Spot, &Spot)| i64::from(a.x) * i64::from(b.y) - i64::from(b.x) * i64::from(a.y);
    // Negative if the outline has turned inside out.
    let doubled: i64 = spots.iter().zip(next).map(cross).sum();
    spots.len() < 3 || doubled.abs_diff(2 * area as i64) > area
}

fn spot(arc: &[Node], at: usize, later: bool, is_loop: bool) -> Spot {
    let node = arc[at];
    let hand = usize::from(later);
    let (column, row) = if is_loop || (at > 0 && at + 1 < arc.len() && node.came != node.goes) {
        beside_turn(&node, hand)
    } else if at == 0 {
        beside_crack((node.x, node.y), node.goes, hand)
    } else {
        let (dx, dy) = node.came.step();
        beside_crack((node.x - dx, node.y - dy), node.came, hand)
    };
    Spot { x: node.x, y: node.y, column, row }
}

/// The pixel on one hand of a crack that begins at a corner.
fn beside_crack((x, y): (i32, i32), way: Way, hand: usize) -> (i32, i32) {
    let (dx, dy) = way.ahead()[hand];
    (x + dx, y + dy)
}

/// The column beside the vertical crack and the row beside the horizontal one.
fn beside_turn(node: &Node, hand: usize) -> (i32, i32) {
    let (vertical, horizontal) =
        if node.came.is_vertical() { (node.came, node.goes) } else { (node.goes, node.came) };
    (node.x + vertical.ahead()[hand].0, node.y + horizontal.ahead()[hand].1)
}

/// Which nodes of an arc are kept, in order.
fn kept(arc: &[Node], is_loop: bool, tolerance: f64) -> Vec<usize> {
    let last = arc.len() - 1;
    if arc[0].neighbour == OUTSIDE {
        return (0..=last).collect();
    }
    let points: Vec<(i32, i32)> = arc.iter().map(|node| (node.x, node.y)).collect();
    let is_reversed = points.iter().rev().lt(points.iter());
    let mut marks = vec![false; arc.len()];
    (marks[0], marks[last]) = (true, true);
    if is_reversed {
        let reversed: Vec<_> = points.iter().rev().copied().collect();
        douglas_peucker(&reversed, tolerance, &mut marks);
        marks.reverse();
    } else {
        douglas_peucker(&points, tolerance, &mut marks);
    }
    // A loop's end is its beginning.
    (0..arc.len() - usize::from(is_loop)).filter(|&at| marks[at]).collect()
}

/// Marks the points to keep between the first and the last one.
fn douglas_peucker(points: &[(i32, i32)], tolerance: f64, marks: &mut [bool]) {
    let mut pieces = vec![(0, points.len() - 1)];
    while let Some((from, to)) = pieces.pop() {
        let distance = |at: &usize| distance_squared(points[*at], points[from], points[to]);
        // The first of equals, so that the choice depends on nothing but the points.
        let farthest = (from + 1..to).rev().max_by(|a, b| distance(a).total_cmp(&distance(b)));
        if let Some(at) = farthest.filter(|at| distance(at) > tolerance * tolerance) {
            marks[at] = true;
            pieces.extend([(from, at), (at, to)]);
        }
    }
}

/// The squared distance of a point from the straight line between two others.
fn distance_squared(p: (i32, i32), a: (i32, i32), b: (i32, i32)) -> f64 {
    let along = (f64::from(b.0 - a.0), f64::from(b.1 - a.1));
    let (px, py) = (f64::from(p.0 - a.0), f64::from(p.1 - a.1));
    let length = along.0 * along.0 + along.1 * along.1;
    let share = if length > 0.0 { (px * along.0 + py * along.1) / length } else { 0.0 };
    let share = share.clamp(0.0, 1.0);
    (px - share * along.0).powi(2) + (py - share * along.1).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::components::Components;
    use crate::vector::outline::trace;
    use canet_core::Mask;
    use std::collections::BTreeSet;

    #[test]
    fn lines_lose_what_is_near_them() {
        let points = [(0, 0), (4, 1), (8, 0), (9, 7), (12, 0)];
        for (tolerance, expected) in [
            (0.5, [true, true, true, true, true]),
            (1.5, [true, false, true, true, true]),
            (9.0, [true, false, false, false, true]),
        ] {
            let mut marks = vec![true, false, false, false, true];
            douglas_peucker(&points, tolerance, &mut marks);
            assert_eq!(marks, expected, "{tolerance}");
        }
    }

    /// Two halves with a ragged border: both outlines keep the same corners of it.
    #[test]
    fn neighbours_keep_the_same_corners() {
        let rows = ["00001111", "00011111", "00000111", "00001111", "00000011", "00000001"];
        let ids: Vec<u8> = rows.concat().bytes().map(|digit| digit - b'0').collect();
        let components = Components::of(&Mask::from_ids(8, 6, ids));
        let corners = [0, 1].map(|label| {
            let (nodes, area) = trace(&components, label, |_, _, _| ());
            let spots = simplify(&nodes, 1.0, |other| other == 1);
            assert!(!has_collapsed(&spots, area) && has_collapsed(&spots[..2], area));
            let inner = |s: &&Spot| (1..8).contains(&s.x) && (0..7).contains(&s.y);
            let mut inner: Vec<_> = spots.iter().filter(inner).copied().collect();
            inner.sort_by_key(|spot| spot.y);
            inner
        });
        let places = |of: &[Spot]| of.iter().map(|s| (s.x, s.y)).collect::<BTreeSet<_>>();
        assert_eq!(places(&corners[0]), places(&corners[1]));
        // The full border turns ten times and has two ends.
        assert!((2..12).contains(&places(&corners[0]).len()), "{corners:?}");
    }
}
