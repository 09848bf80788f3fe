//! Outlines: the closed paths of cracks around components.
//!
//! A crack is the side between two neighbouring pixels; its ends are corners of pixels, counted from
//! the frame's upper left corner. An outline runs clockwise, so that its component lies on the right
//! hand. Where two pixels of a component touch by their corners only, the path turns toward the
//! pixel that it is at, as only sides connect:
//!
//! ```text
//!   0   1   2   3
//! 0     o--->---o         the outline of a ring that is open at a corner:
//!       | #   # |         it passes (1, 1) twice and never crosses itself,
//! 1 o->-o---o   |         and the pixel in the middle lies outside of it
//!   | # | . | # |
//! 2 |   o---o   |
//!   | #   #   # |
//! 3 o-----<-----o
//! ```
//!
//! Holes need no outline: what lies in them is painted later.

use super::components::Components;

/// The way a path goes; the order is clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    East,
    South,
    West,
    North,
}

impl Way {
    const CLOCKWISE: [Self; 4] = [Self::East, Self::South, Self::West, Self::North];

    fn turned(self, quarters: usize) -> Self {
        Self::CLOCKWISE[(self as usize + quarters) % 4]
    }

    /// Whether paths go up or down this way.
    pub(super) fn is_vertical(self) -> bool {
        matches!(self, Self::South | Self::North)
    }

    /// One crack on, in columns and rows.
    pub(super) fn step(self) -> (i32, i32) {
        match self {
            Self::East => (1, 0),
            Self::South => (0, 1),
            Self::West => (-1, 0),
            Self::North => (0, -1),
        }
    }

    /// The pixels ahead on the right and on the left hand of a corner, relative to it.
    pub(super) fn ahead(self) -> [(i32, i32); 2] {
        match self {
            Self::East => [(0, 0), (0, -1)],
            Self::South => [(-1, 0), (0, 0)],
            Self::West => [(-1, -1), (-1, 0)],
            Self::North => [(0, -1), (-1, -1)],
        }
    }
}

/// A place on an outline where it turns, or where a third component (or the frame's edge) begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) x: i32,
    pub(super) y: i32,
    /// How the path comes here, and how it goes on.
    pub(super) came: Way,
    pub(super) goes: Way,
    /// Whether more than two components, or parts of them, meet here.
    pub(super) junction: bool,
    /// The component on the left hand from here to the next node, or `OUTSIDE`. Only between
    /// junctions it is the same all along.
    pub(super) neighbour: u32,
}

/// Follows the outline of a component once around; `visit` is told each crack's first end and way.
/// Returns the nodes and the area inside, holes included.
pub(super) fn trace(
    components: &Components,
    label: u32,
    mut visit: impl FnMut(i32, i32, Way),
) -> (Vec<Node>, u64) {
    let begin = components.list[label as usize].first;
    let (mut nodes, mut area) = (Vec::new(), 0_i64);
    // The first pixel's upper side is where the path begins; it came up along the left side.
    let ((mut x, mut y), mut came) = (begin, Way::North);
    loop {
        let goes = next_way(components, label, (x, y), came);
        let junction = is_junction(components, x, y);
        if came != goes || junction {
            let [_, (dx, dy)] = goes.ahead();
            let neighbour = components.at(x + dx, y + dy);
            nodes.push(Node { x, y, came, goes, junction, neighbour });
        }
        visit(x, y, goes);
        let (dx, dy) = goes.step();
        area += i64::from(x) * i64::from(dy);
        (x, y, came) = (x + dx, y + dy, goes);
        // Nothing lies above the first pixel's row, so no other part of the path comes by here.
        if (x, y) == begin {
            return (nodes, area.unsigned_abs());
        }
    }
}

fn next_way(components: &Components, label: u32, (x, y): (i32, i32), came: Way) -> Way {
    let [right, left] = came.ahead().map(|(dx, dy)| components.at(x + dx, y + dy) == label);
    match (right, left) {
        (false, _) => came.turned(1),
        (true, true) => came.turned(3),
        (true, false) => came,
    }
}

fn is_junction(components: &Components, x: i32, y: i32) -> bool {
    let around = [(-1, -1), (0, -1), (0, 0), (-1, 0)].map(|(dx, dy)| components.at(x + dx, y + dy));
    let cracks = (0..4).filter(|&i| around[i] != around[(i + 1) % 4]).count();
    // At a corner of the frame three of the four pixels are outside: two cracks, no junction.
    cracks > 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::components::OUTSIDE;
    use canet_core::Mask;

    /// Digits are classes; each text is a row.
    fn components(rows: &[&str]) -> Components {
        let ids = rows.concat().bytes().map(|digit| digit - b'0').collect();
        Components::of(&Mask::from_ids(rows[0].len() as u32, rows.len() as u32, ids))
    }

    #[test]
    fn outlines_turn_where_they_should() {
        for (rows, label, corners, area) in [
            (&["1"][..], 0, &[(0, 0), (1, 0), (1, 1), (0, 1)][..], 1),
            (&["11", "10"], 0, &[(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)], 3),
            (&["000", "010", "000"], 0, &[(0, 0), (3, 0), (3, 3), (0, 3)], 9),
            (&["000", "010", "000"], 1, &[(1, 1), (2, 1), (2, 2), (1, 2)], 1),
            (
                &["011", "101", "111"],
                1,
                &[(1, 0), (3, 0), (3, 3), (0, 3), (0, 1), (1, 1), (1, 2), (2, 2), (2, 1), (1, 1)],
                7,
            ),
        ] {
            let mut cracks = 0;
            let (nodes, inside) = trace(&components(rows), label, |_, _, _| cracks += 1);
            let turns = nodes.iter().filter(|node| node.came != node.goes);
            assert_eq!(turns.map(|n| (n.x, n.y)).collect::<Vec<_>>(), corners, "{rows:?}");
            assert_eq!(inside, area, "{rows:?}");
            assert!(cracks >= nodes.len());
        }
    }

    #[test]
    fn junctions_are_where_three_meet() {
        let components = components(&["112", "112", "333"]);
        for (label, junctions) in [
            (0, &[(2, 0), (2, 2), (0, 2)][..]),
            (1, &[(2, 0), (3, 2), (2, 2)]),
            (2, &[(0, 2), (2, 2), (3, 2)]),
        ] {
            let (nodes, _) = trace(&components, label, |_, _, _| ());
            let found: Vec<_> = nodes.iter().filter(|n| n.junction).map(|n| (n.x, n.y)).collect();
            assert_eq!(found, junctions);
            assert!(nodes.iter().any(|n| n.neighbour == OUTSIDE));
        }
    }
}
