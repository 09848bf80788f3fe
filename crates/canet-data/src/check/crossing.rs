//! Does an outline cross itself?
//!
//! A crossing is *proper*: two sides that are not neighbours meet in one point inside of both.
//! Sides that only touch, or lie on each other, do not count: annotators follow an edge there and
//! back, and the fill is what they meant. Signs of areas are exact (Shewchuk's predicates, by `geo`).
//!
//! The sides are the leaves of a binary tree of boxes, in the outline's own order, which is also the
//! order of space, nearly; the tree is joined with itself until the first crossing. That takes
//! O(n log n) for outlines that people and programs draw. It would take n^2 / 2 for a million long
//! diagonal teeth, so the work is bounded: after [`BUDGET`] comparisons, about half a second, the
//! answer is that it is not decided.

use std::ops::Range;

use geo::kernels::{Kernel, Orientation, RobustKernel};
use geo::{Coord, coord};

/// How many pairs of boxes and of sides are compared at most.
const BUDGET: u64 = 50_000_000;

/// How many sides share a box: fewer cost more boxes, more cost more pairs.
const LEAF: usize = 4;

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crossing {
    /// There is none.
    None,
    /// These two sides cross; each is named by the place of its first point.
    Sides(usize, usize),
    /// The outline is too tangled to find out in the time there is.
    Undecided,
}

/// Looks for a crossing of the closed outline through `points`, which are finite.
pub(super) fn find(points: &[[f64; 2]]) -> Crossing {
    find_within(points, BUDGET)
}

fn find_within(points: &[[f64; 2]], budget: u64) -> Crossing {
    let sides = sides(points);
    if sides.len() < 4 {
        return Crossing::None;
    }
    let mut search = Search { boxes: boxes(&sides), sides: &sides, left: budget };
    match search.within(1, 0..sides.len().next_power_of_two()) {
        Ok(()) => Crossing::None,
        Err(answer) => answer,
    }
}

struct Side {
    /// The place of the first point in the outline.
    from: usize,
    a: Coord<f64>,
    b: Coord<f64>,
}

/// The sides that have a length, the closing one included.
fn sides(points: &[[f64; 2]]) -> Vec<Side> {
    let next = points.iter().cycle().skip(1);
    let sides = points.iter().zip(next).enumerate().map(|(from, (a, b))| Side {
        from,
        a: coord! { x: a[0], y: a[1] },
        b: coord! { x: b[0], y: b[1] },
    });
    sides.filter(|side| side.a != side.b).collect()
}

/// Left, top, right, bottom.
type Bounds = [f64; 4];

const NOWHERE: Bounds = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];

fn union(a: Bounds, b: Bounds) -> Bounds {
    [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]
}

fn meet(a: Bounds, b: Bounds) -> bool {
    a[0] <= b[2] && b[0] <= a[2] && a[1] <= b[3] && b[1] <= a[3]
}

/// A binary tree in an array: node 1 is all, the children of `n` are `2n` and `2n + 1`.
fn boxes(sides: &[Side]) -> Vec<Bounds> {
    let leaves = (sides.len().next_power_of_two() / LEAF).max(1);
    let mut boxes = vec![NOWHERE; 2 * leaves];
    for (leaf, sides) in sides.chunks(LEAF).enumerate() {
        let of_side =
            |s: &Side| [s.a.x.min(s.b.x), s.a.y.min(s.b.y), s.a.x.max(s.b.x), s.a.y.max(s.b.y)];
        boxes[leaves + leaf] = sides.iter().map(of_side).fold(NOWHERE, union);
    }
    for node in (1..leaves).rev() {
        boxes[node] = union(boxes[2 * node], boxes[2 * node + 1]);
    }
    boxes
}

struct Search<'a> {
    sides: &'a [Side],
    boxes: Vec<Bounds>,
    left: u64,
}

impl Search<'_> {
    /// Compares the sides below a node with each other; the range is the sides that it is over.
    fn within(&mut self, node: usize, range: Range<usize>) -> Result<(), Crossing> {
        if range.start >= self.sides.len() {
            return Ok(());
        }
        if range.len() <= LEAF {
            return self.compare(range.clone(), range);
        }
        let middle = range.start + range.len() / 2;
        self.within(2 * node, range.start..middle)?;
        self.within(2 * node + 1, middle..range.end)?;
        self.between((2 * node, range.start..middle), (2 * node + 1, middle..range.end))
    }

    /// Compares the sides below two nodes of one level.
    fn between(
        &mut self,
        (a, of_a): (usize, Range<usize>),
        (b, of_b): (usize, Range<usize>),
    ) -> Result<(), Crossing> {
        self.spend(1)?;
        if !meet(self.boxes[a], self.boxes[b]) {
            return Ok(());
        }
        if of_a.len() <= LEAF {
            return self.compare(of_a, of_b);
        }
        let halves = |node: usize, range: Range<usize>| {
            let middle = range.start + range.len() / 2;
            [(2 * node, range.start..middle), (2 * node + 1, middle..range.end)]
        };
        for half_a in halves(a, of_a) {
            for half_b in halves(b, of_b.clone()) {
                self.between(half_a.clone(), half_b)?;
            }
        }
        Ok(())
    }

    fn compare(&mut self, of_a: Range<usize>, of_b: Range<usize>) -> Result<(), Crossing> {
        self.spend((of_a.len() * of_b.len()) as u64)?;
        let end = self.sides.len();
        for i in of_a.start..of_a.end.min(end) {
            for j in of_b.start.max(i + 1)..of_b.end.min(end) {
                let (a, b) = (&self.sides[i], &self.sides[j]);
                if cross(a, b) {
                    return Err(Crossing::Sides(a.from, b.from));
                }
            }
        }
        Ok(())
    }

    fn spend(&mut self, work: u64) -> Result<(), Crossing> {
        self.left = self.left.checked_sub(work).ok_or(Crossing::Undecided)?;
        Ok(())
    }
}

/// Whether two sides meet in one point inside of both. Neighbours share an end, which is a sign of
/// zero, and so need no rule of their own.
fn cross(s: &Side, t: &Side) -> bool {
    let opposite = |a, b, c, d| {
        let (c, d) = (RobustKernel::orient2d(a, b, c), RobustKernel::orient2d(a, b, d));
        c != Orientation::Collinear && d != Orientation::Collinear && c != d
    };
    opposite(s.a, s.b, t.a, t.b) && opposite(t.a, t.b, s.a, s.b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proper_crossings_are_found_and_touching_is_none() {
        for (name, points, expected) in [
            ("a box", &[[0., 0.], [4., 0.], [4., 4.], [0., 4.]][..], Crossing::None),
            ("a bow", &[[0., 0.], [4., 4.], [4., 0.], [0., 4.]], Crossing::Sides(0, 2)),
            (
                "the closing side",
                &[[0., 0.], [4., 4.], [6., 0.], [6., -4.], [0., 4.], [0., 9.], [3., 9.]],
                Crossing::Sides(0, 3),
            ),
            (
                "there and back",
                &[[0., 0.], [2., 0.], [2., 3.], [2., 0.], [4., 0.], [4., -4.]],
                Crossing::None,
            ),
            ("a point twice", &[[0., 0.], [4., 0.], [4., 0.], [4., 4.], [0., 0.]], Crossing::None),
            (
                "a corner on a side",
                &[[0., 0.], [8., 0.], [8., 8.], [4., 0.], [0., 8.]],
                Crossing::None,
            ),
            (
                "a corner just beyond a side",
                &[[0., 0.], [8., 0.], [8., 8.], [4., -1e-9], [0., 8.]],
                Crossing::Sides(0, 2),
            ),
            ("a triangle", &[[0., 0.], [4., 4.], [4., 0.]], Crossing::None),
            ("nothing", &[], Crossing::None),
        ] {
            assert_eq!(find(points), expected, "{name}");
        }
    }

    /// Random walks, against every pair of sides.
    #[test]
    fn the_tree_misses_nothing() {
        let (mut crossed, mut plain) = (0, 0);
        for n in 0..400_u64 {
            let draw = |i: u64| canet_core::mix(n * 1000 + i) % 60;
            // Points around a centre, with growing disorder.
            let points: Vec<[f64; 2]> = (0..5 + n % 60)
                .map(|i| {
                    let angle = i as f64 / (5 + n % 60) as f64 * std::f64::consts::TAU;
                    let radius = 100.0 + (draw(i) * (n % 5)) as f64;
                    let wobble = |i: u64| (draw(i) * (n % 3)) as f64;
                    [radius * angle.cos() + wobble(i + 500), radius * angle.sin() + wobble(i + 700)]
                })
                .collect();
            let sides = sides(&points);
            let all = (0..sides.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
            let any = all.filter(|&(i, j)| cross(&sides[i], &sides[j])).count() > 0;
            let found = find(&points);
            assert_eq!(matches!(found, Crossing::Sides(..)), any, "{n}");
            if any { crossed += 1 } else { plain += 1 }
        }
        assert!(crossed > 50 && plain > 50, "{crossed} {plain}");
    }

    /// The work for a million points is counted, not timed: a circle, a comb, a spiral.
    #[test]
    fn a_million_points_take_some_comparisons_each() {
        let n = 1_000_000;
        let angle = |i: usize| i as f64 / n as f64 * std::f64::consts::TAU;
        let circle = |i: usize| [5000.0 * angle(i).cos(), 5000.0 * angle(i).sin()];
        // Teeth of full height; the last two points lead around below.
        let comb = |i: usize| match n - i {
            1 => [0.0, 9000.0],
            2 => [n as f64, 9000.0],
            _ => [i as f64, if i.is_multiple_of(2) { 0.0 } else { 8000.0 }],
        };
        for points in [(0..n).map(circle).collect::<Vec<_>>(), (0..n).map(comb).collect()] {
            assert_eq!(find_within(&points, 20 * n as u64), Crossing::None);
        }
        // Long teeth at 45 degrees defeat boxes: the answer comes, and says that it is none.
        let tooth =
            |i: usize| if i.is_multiple_of(2) { [i as f64, 0.0] } else { [i as f64 + 1e6, 1e6] };
        let slanted: Vec<_> = (0..n).map(tooth).collect();
        assert_eq!(find_within(&slanted[..n / 10], 1_000_000), Crossing::Undecided);
    }
}
