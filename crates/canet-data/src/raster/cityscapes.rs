//! A fill along the middles of the rows, generous to both sides: the rule `cityscapes`.
//!
//! A row's scan line runs through the middle of the row, half a pixel below its number; across it, a
//! pixel has its number for its middle:
//!
//! ```text
//!              3     4     5     6      columns
//!          |     |     |     |     |
//!   y+0.5 -+-----+--a##########b---+-   paint ceil(a - 0.5) ..= floor(b + 0.5): here 4 to 6
//!          |     |     |     |     |
//! ```
//!
//! Corners are not rounded, and horizontal sides play no part. Both ends of a span are painted if
//! the span only touches their pixels, so a span always has a pixel, however narrow it is.

use canet_core::{ClassId, Mask};

use super::scan::{Canvas, Point, Side, Sweep, ceil, first_centre, floor, sides, sort};

/// Fills polygons by this rule; keeps its buffers.
#[derive(Default)]
pub(super) struct Filler {
    corners: Vec<Point>,
    sweep: Sweep<Edge>,
    crossings: Vec<f64>,
}

impl Filler {
    /// Paints a polygon with one class.
    pub(super) fn fill(&mut self, points: &[Point], id: ClassId, mask: &mut Mask) {
        let Self { corners, sweep, crossings } = self;
        let mut canvas = Canvas::new(mask, id);
        corners.clear();
        corners.extend(points.iter().map(near));
        for (from, to) in sides(corners) {
            sweep.add(Edge::new(from, to), &canvas);
        }
        sweep.rows(canvas.height(), |y, active, _| {
            let mut row = canvas.row(y);
            let mut paint = |from: f64, to: f64| row.paint(ceil(from - 0.5), floor(to + 0.5));
            // Most rows of most polygons.
            if let [a, b] = &*active {
                let (a, b) = (a.crossing(y), b.crossing(y));
                return paint(a.min(b), a.max(b));
            }
            crossings.resize(active.len(), 0.0);
            for (x, side) in crossings.iter_mut().zip(&*active) {
                *x = side.crossing(y);
            }
            sort(crossings, active, f64::total_cmp);
            for span in crossings.chunks_exact(2) {
                paint(span[0], span[1]);
            }
        });
    }
}

/// A corner, moved to the nearest coordinates within 32 bits, so that no difference or product of
/// coordinates leaves the range of numbers.
fn near(point: &Point) -> Point {
    let limit = |v: f64| v.clamp(f64::from(i32::MIN), f64::from(i32::MAX));
    Point { x: limit(point.x), y: limit(point.y) }
}

/// A side, from its upper to its lower corner, and the rows whose middles it reaches.
struct Edge {
    first: i32,
    last: i32,
    upper: Point,
    width: f64,
    height: f64,
}

impl Side for Edge {
    fn first(&self) -> i32 {
        self.first
    }

    fn last(&self) -> i32 {
        self.last
    }
}

impl Edge {
    fn new(from: Point, to: Point) -> Self {
        let (upper, lower) = if from.y <= to.y { (from, to) } else { (to, from) };
        Self {
            // The upper corner belongs to the side, the lower one does not: at a corner on a scan
            // line, one side's end is another's beginning.
            first: first_centre(upper.y),
            last: first_centre(lower.y).saturating_sub(1),
            upper,
            width: lower.x - upper.x,
            height: lower.y - upper.y,
        }
    }

    /// Where the side crosses the middle of a row. Multiplied before it is divided, which leaves
    /// crossings exact that lie on a pixel's border and come from whole corners.
    fn crossing(&self, y: i32) -> f64 {
        self.upper.x + (f64::from(y) + 0.5 - self.upper.y) * self.width / self.height
    }
}
