//! Fewer corners without another pixel: staircases become straight lines.
//!
//! A fill rule looks at an outline only where a row's scan line crosses it, and moves the crossing to
//! the next pixel. So a stretch of an outline that goes down (or up) all the time may be replaced by
//! a line which crosses each scan line less than half a pixel from where the stretch does:
//!
//! ```text
//!   o-.              o at the middles of the stairs' sides: the line from
//!   |# `-.           the first to the last o crosses both rows between them
//!   +--+  `-.        in the same pixels as the stairs do
//!    # |# #  `-o
//!      +--+    |
//! ```
//!
//! This is the recognition of digital straight segments, with a cone of slopes that shrinks from row
//! to row, started again where no slope is left. It is done from top to bottom between junctions, so
//! that both neighbours get the same lines.

use super::outline::{Node, Way};

/// How far from its place a line may cross a scan line, in pixels: less than the half that a rule
/// rounds away, by more than single precision loses in the largest frames.
const ROOM: f64 = 0.49;

/// How many stairs are looked at for one line, against outlines made to take long.
const LONGEST: usize = 2048;

/// A point of an outline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vertex {
    /// A corner of pixels.
    Corner(Node),
    /// The middle of the side of a pixel: on the crack at column `x` beside `row`.
    Side { x: i32, row: i32, is_right_border: bool },
}

/// A vertical piece of an outline: the node that it begins at, its column, its rows.
struct Run {
    node: usize,
    x: i32,
    first: i32,
    last: i32,
}

impl Run {
    fn middle(&self) -> i32 {
        self.first.midpoint(self.last)
    }
}

/// The corners of an outline where it turns.
pub(super) fn corners(nodes: &[Node]) -> Vec<Vertex> {
    nodes.iter().filter(|node| node.came != node.goes).copied().map(Vertex::Corner).collect()
}

/// The points of an outline whose staircases are straight lines, for rules that sample rows.
pub(super) fn straightened(nodes: &[Node]) -> Vec<Vertex> {
    let mut is_kept: Vec<bool> = nodes.iter().map(|node| node.came != node.goes).collect();
    let mut sides: Vec<Vec<i32>> = vec![Vec::new(); nodes.len()];
    for stretch in stretches(nodes) {
        for ((from, from_row), (to, to_row)) in lines(&stretch) {
            let (a, b) = (stretch[from].node, stretch[to].node);
            is_kept[a.min(b) + 1..=a.max(b)].fill(false);
            sides[a].push(from_row);
            sides[b].push(to_row);
        }
    }
    let mut vertices = Vec::new();
    for (at, (node, rows)) in nodes.iter().zip(&mut sides).enumerate() {
        if is_kept[at] {
            vertices.push(Vertex::Corner(*node));
        }
        rows.sort_unstable();
        rows.dedup();
        let is_right_border = node.goes == Way::South;
        if !is_right_border {
            rows.reverse();
        }
        let side = |&row: &i32| Vertex::Side { x: node.x, row, is_right_border };
        vertices.extend(rows.iter().map(side));
    }
    vertices
}

/// The vertical runs between which an outline always goes down, or always up, without a junction;
/// from top to bottom.
fn stretches(nodes: &[Node]) -> Vec<Vec<Run>> {
    let mut stretches: Vec<Vec<Run>> = Vec::new();
    // An outline begins at its uppermost row, where it turns from up to down, so that no stretch
    // goes past the beginning.
    let mut way = None;
    for (at, node) in nodes.iter().enumerate() {
        if node.junction {
            way = None;
        }
        if !node.goes.is_vertical() {
            continue;
        }
        let end = nodes[(at + 1) % nodes.len()].y;
        let run = Run { node: at, x: node.x, first: node.y.min(end), last: node.y.max(end) - 1 };
        match stretches.last_mut() {
            Some(stretch) if way == Some(node.goes) => stretch.push(run),
            _ => stretches.push(vec![run]),
        }
        way = Some(node.goes);
    }
    for stretch in &mut stretches {
        if stretch[0].first > stretch[stretch.len() - 1].first {
            stretch.reverse();
        }
    }
    stretches
}

/// A run of a stretch and a row of it.
type Place = (usize, i32);

/// The lines that replace two stairs or more; each goes from one place to a lower one.
fn lines(stretch: &[Run]) -> Vec<(Place, Place)> {
    let mut lines = Vec::new();
    let mut from = (0, stretch[0].middle());
    while from.0 + 2 < stretch.len() {
        match farthest(stretch, from) {
            Some(to) if to.0 >= from.0 + 2 => {
                lines.push((from, to));
                from = to;
            }
            _ if from.1 < stretch[from.0].last => from.1 = stretch[from.0].last,
            _ => from = (from.0 + 1, stretch[from.0 + 1].middle()),
        }
    }
    lines
}

/// The lowest place to which a line may go.
fn farthest(stretch: &[Run], (from, row): Place) -> Option<Place> {
    let (mut least, mut most) = (f64::NEG_INFINITY, f64::INFINITY);
    let mut found = None;
    for (at, run) in stretch.iter().enumerate().skip(from).take(LONGEST) {
        let across = f64::from(run.x - stretch[from].x);
        for end in [run.first, run.middle(), run.last] {
            if end <= row {
                continue;
            }
            let down = f64::from(end - row);
            least = least.max((across - ROOM) / down);
            most = most.min((across + ROOM) / down);
            if (least..=most).contains(&(across / down)) {
                found = Some((at, end));
            }
        }
        if least > most {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::components::Components;
    use crate::vector::outline::trace;
    use canet_core::Mask;

    /// The outline of a region of columns, one number of pixels a row, over nothing.
    fn points(rows: &[usize]) -> (usize, usize) {
        let width = rows.iter().max().unwrap() + 1;
        let ids = rows.iter().flat_map(|&n| (0..width).map(move |x| u8::from(x < n)));
        let mask = Mask::from_ids(width as u32, rows.len() as u32, ids.collect());
        let (nodes, _) = trace(&Components::of(&mask), 0, |_, _, _| ());
        (corners(&nodes).len(), straightened(&nodes).len())
    }

    #[test]
    fn stairs_become_lines_and_boxes_stay() {
        for (rows, full, fewer) in [
            (&[5, 5, 5][..], 4, 4),
            (&[5, 3, 3], 6, 6),
            (&[1, 2, 3, 4, 5, 6, 7, 8], 18, 6),
            (&[3, 6, 9, 12, 15, 18], 14, 6),
            (&[1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4], 10, 6),
            (&[9, 9, 9, 1, 9, 9, 9], 8, 8),
        ] {
            assert_eq!(points(rows), (full, fewer), "{rows:?}");
        }
    }
}
