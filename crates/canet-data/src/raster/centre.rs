//! A pixel belongs to a polygon if its centre lies inside: the rule `centre`.
//!
//! The centre of pixel `(i, j)` is `(i + 0.5, j + 0.5)`. It lies inside if a ray from it to the left
//! crosses an odd number of sides. Where it lies on a side or a corner, two conventions decide, which
//! come to this: a polygon owns what lies on its left and upper sides, not on its right and lower ones.
//!
//! * A side reaches the rows `top <= j + 0.5 < bottom`; a horizontal side reaches none.
//! * A crossing exactly at the centre counts as left of it.
//!
//! ```text
//!      a         b
//!   --.--o--o--o--.--   paint the centres a <= centre < b
//! ```
//!
//! Each centre is decided exactly, whatever finite numbers the corners are. So two polygons that share
//! a side never both own a pixel there, and never both miss it.

mod exact;

use canet_core::{ClassId, Mask};

use self::exact::crosses_left_of;
use super::scan::{Canvas, Point, Side, Sweep, ceil, first_centre, sides, sort};

/// Fills polygons by this rule; keeps its buffers.
#[derive(Default)]
pub(super) struct Filler {
    sweep: Sweep<Edge>,
    columns: Vec<i64>,
}

impl Filler {
    /// Paints a polygon with one class.
    pub(super) fn fill(&mut self, points: &[Point], id: ClassId, mask: &mut Mask) {
        let Self { sweep, columns } = self;
        let mut canvas = Canvas::new(mask, id);
        for (from, to) in sides(points) {
            sweep.add(Edge::new(from, to), &canvas);
        }
        let width = i64::from(canvas.width());
        sweep.rows(canvas.height(), |y, active, _| {
            let mut row = canvas.row(y);
            // Most rows of most polygons.
            if let [a, b] = &*active {
                let (a, b) = (a.column(y, width), b.column(y, width));
                return row.paint(a.min(b), a.max(b) - 1);
            }
            columns.resize(active.len(), 0);
            for (column, side) in columns.iter_mut().zip(&*active) {
                *column = side.column(y, width);
            }
            sort(columns, active, i64::cmp);
            for span in columns.chunks_exact(2) {
                row.paint(span[0], span[1] - 1);
            }
        });
    }
}

/// A side, from its upper to its lower corner, and the rows whose centres it reaches.
struct Edge {
    first: i32,
    last: i32,
    upper: Point,
    lower: Point,
    /// Columns a row, rounded.
    slope: f64,
    /// What a crossing computed with it is wrong by at most; infinite if that is not known.
    error: f64,
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
        let (width, height) = (lower.x - upper.x, lower.y - upper.y);
        // Seven roundings of at most 2^-53 of twice the largest coordinate, and some air.
        let error = (upper.x.abs().max(lower.x.abs()) + 1.0) * 2f64.powi(-48);
        let known = width.is_finite() && height.is_finite();
        Self {
            first: first_centre(upper.y),
            last: first_centre(lower.y).saturating_sub(1),
            upper,
            lower,
            slope: width / height,
            error: if known { error } else { f64::INFINITY },
        }
    }

    /// The first column from 0 to `width` whose centre on row `y` is not left of the crossing.
    #[inline]
    fn column(&self, y: i32, width: i64) -> i64 {
        let middle = f64::from(y) + 0.5;
        let about = self.upper.x + (middle - self.upper.y) * self.slope - 0.5;
        let column = ceil(about);
        let above = column as f64 - about;
        // Not a number fails both comparisons.
        if above > self.error && above < 1.0 - self.error {
            column.clamp(0, width)
        } else {
            // The crossing is next to a centre, or not known at all.
            let about = if self.error < 0.25 { column - 1..column + 1 } else { 0..width };
            self.exact_column(middle, about.start.clamp(0, width), about.end.clamp(0, width))
        }
    }

    /// The same between two columns, by exact comparisons alone.
    #[cold]
    fn exact_column(&self, middle: f64, mut low: i64, mut high: i64) -> i64 {
        while low < high {
            let column = i64::midpoint(low, high);
            let centre = Point { x: column as f64 + 0.5, y: middle };
            if crosses_left_of(self.upper, self.lower, centre) {
                high = column;
            } else {
                low = column + 1;
            }
        }
        low
    }
}
