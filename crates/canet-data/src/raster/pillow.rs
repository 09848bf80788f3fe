//! The polygon fills of two families of Pillow releases, bit for bit.
//!
//! Coordinates are truncated to pixels, and a scan line collects where the sloped sides cross it, in
//! single precision; the spans between crossings 1 and 2, 3 and 4, ... are painted with both ends:
//!
//! ```text
//!        x0,y0
//!         /\          row y crosses the left side at a and the right one at b:
//!   y ---a##b---      paint round_up(a) ..= round_down(b)
//!       /    \
//! ```
//!
//! Some habits of these rules are faults elsewhere and kept here, because official masks have them: a
//! row on which a side ends counts that side twice, except for the polygon's last row; horizontal
//! sides are painted on their own. Where the families differ is said at [`Family`].

#[cfg(test)]
mod tests;

use canet_core::{ClassId, Mask};
use geo::Coord;

use super::scan::{Canvas, Row, Side, Sweep, ceil, floor, sides, sort};

/// A family of releases with one fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Up to 6.2. A span whose rounded ends are the wrong way round is painted all the same, and
    /// horizontal sides do not count for where the polygon ends.
    Six,
    /// 11.3 to 13. Such a span is not painted, horizontal sides do count, and tips are drawn out
    /// toward the next row ([`connect_tips`]).
    Eleven,
}

impl Family {
    /// Paints between two crossings.
    #[inline]
    fn paint(self, from: f32, to: f32, row: &mut Row) {
        let (left, right) = (round_up(from), round_down(to));
        match self {
            Self::Six => row.paint(left.min(right), left.max(right)),
            Self::Eleven => row.paint(left, right),
        }
    }
}

/// Fills polygons by the rule of a family; keeps its buffers.
pub(super) struct Filler {
    family: Family,
    corners: Vec<Pixel>,
    sweep: Sweep<Edge>,
    crossings: Vec<f32>,
    tips: Vec<Tip>,
}

impl Filler {
    pub(super) fn new(family: Family) -> Self {
        let (corners, crossings, tips) = (Vec::new(), Vec::new(), Vec::new());
        Self { family, corners, sweep: Sweep::default(), crossings, tips }
    }

    /// Paints a polygon with one class. `points` is the outline as written; it is closed here unless
    /// its last pixel is its first. What lies outside the mask is cut off, never moved.
    pub(super) fn fill(&mut self, points: &[Coord<f64>], id: ClassId, mask: &mut Mask) {
        let mut canvas = Canvas::new(mask, id);
        let bottom = self.add_sides(points, &mut canvas);
        let Self { family, sweep, crossings, tips, .. } = self;
        sweep.rows(canvas.height(), |y, active, change| {
            let mut row = canvas.row(y);
            let has_tips = *family == Family::Eleven
                && (change.begin || y == bottom)
                && active.iter().filter(|side| side.is_tip(y, bottom)).count() > 1;
            let repeats = change.end && y < bottom;
            // Most rows of most polygons have two sides, or three where one follows another.
            if active.len() <= FEW / 2 && !has_tips {
                let mut few = [0.0; FEW];
                let crossings = few_crossings(y, repeats, active, &mut few);
                for span in crossings.chunks_exact(2) {
                    family.paint(span[0], span[1], &mut row);
                }
                return;
            }
            crossings.resize(active.len(), 0.0);
            for (x, side) in crossings.iter_mut().zip(&*active) {
                *x = side.crossing(y);
            }
            if has_tips {
                connect_tips(y, bottom, active, crossings, tips);
            }
            if repeats {
                repeat_ends(y, active, crossings);
                crossings.sort_unstable_by(f32::total_cmp);
            } else {
                sort(crossings, active, f32::total_cmp);
            }
            for span in crossings.chunks_exact(2) {
                family.paint(span[0], span[1], &mut row);
            }
        });
    }

    /// Paints the horizontal sides and adds the others; returns the polygon's last row.
    ///
    /// That row is cut at the height, not at the last row of the image: a side that ends just there must
    /// still count twice if the polygon goes on below.
    fn add_sides(&mut self, points: &[Coord<f64>], canvas: &mut Canvas) -> i32 {
        self.corners.clear();
        self.corners.extend(points.iter().map(Pixel::truncated));
        let mut bottom = i32::MIN;
        for (index, (from, to)) in sides(&self.corners).enumerate() {
            if from.y != to.y {
                self.sweep.add(Edge::new(index, from, to), canvas);
            } else if (0..canvas.height()).contains(&from.y) {
                let (left, right) = (from.x.min(to.x), from.x.max(to.x));
                canvas.row(from.y).paint(i64::from(left), i64::from(right));
            }
            if from.y != to.y || self.family == Family::Eleven {
                bottom = bottom.max(from.y).max(to.y);
            }
        }
        bottom.min(canvas.height())
    }
}

/// So many crossings are sorted where they were computed.
const FEW: usize = 8;

/// The crossings of at most half as many sides as fit, sorted; those of sides that end on the row are
/// there twice if that is asked for.
#[inline]
fn few_crossings<'a>(y: i32, repeats: bool, active: &[Edge], few: &'a mut [f32; FEW]) -> &'a [f32] {
    let mut count = 0;
    for side in active.iter().take(FEW / 2) {
        let x = side.crossing(y);
        for _ in 0..=usize::from(repeats && side.bottom == y) {
            let mut at = count;
            while at > 0 && few[at - 1] > x {
                few[at] = few[at - 1];
                at -= 1;
            }
            few[at] = x;
            count += 1;
        }
    }
    &few[..count]
}

/// Adds the crossings of those sides that end on a row once more.
fn repeat_ends(y: i32, active: &[Edge], crossings: &mut Vec<f32>) {
    for (at, side) in active.iter().enumerate() {
        if side.bottom == y {
            crossings.push(crossings[at]);
        }
    }
}

/// A pixel's place.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pixel {
    x: i32,
    y: i32,
}

impl Pixel {
    /// Truncates toward zero, as C's conversion to `int` does. Beyond the range of 32 bits C leaves
    /// the result undefined; here it is the nearest value of that range.
    fn truncated(point: &Coord<f64>) -> Self {
        Self { x: point.x as i32, y: point.y as i32 }
    }
}

/// The difference of two coordinates, which may need more than their 32 bits.
fn difference(a: i32, b: i32) -> f32 {
    (i64::from(a) - i64::from(b)) as f32
}

/// A side that is not horizontal.
struct Edge {
    index: usize,
    top: i32,
    bottom: i32,
    y: i32,
    x: f32,
    slope: f32,
}

impl Side for Edge {
    fn first(&self) -> i32 {
        self.top
    }

    fn last(&self) -> i32 {
        self.bottom
    }
}

impl Edge {
    fn new(index: usize, from: Pixel, to: Pixel) -> Self {
        Self {
            index,
            top: from.y.min(to.y),
            bottom: from.y.max(to.y),
            y: from.y,
            x: from.x as f32,
            slope: difference(to.x, from.x) / difference(to.y, from.y),
        }
    }

    /// Whether the side is slanted and begins on a row, or ends there with the polygon.
    #[inline]
    fn is_tip(&self, y: i32, bottom: i32) -> bool {
        self.slope != 0.0 && (self.top == y || (self.bottom == y && y == bottom))
    }

    /// Where the side crosses a row; product and sum are rounded one by one, never fused.
    #[inline]
    fn crossing(&self, y: i32) -> f32 {
        let shift = difference(y, self.y) * self.slope;
        shift + self.x
    }
}

/// A slanted side that begins, or ends with the polygon, on the present row.
#[derive(Clone, Copy)]
struct Tip {
    /// Whether the side ends here.
    ends: bool,
    /// The column of the pixel that the corner rounds to.
    column: f32,
    /// The side's place in the outline.
    index: usize,
    /// The side's place among the crossings.
    place: usize,
    /// Where it crosses the next row on its way, which is the one above if it ends.
    next: f32,
}

/// Moves some crossings, as the newer family does: where two slanted sides leave one corner in the
/// same direction and both are more than a pixel further on the next row, the later side's crossing
/// goes to the pixel before the nearer one, so that flat tips have no gaps.
///
/// Of the sides at a corner, the first in the outline is the one that all others are held against.
fn connect_tips(y: i32, bottom: i32, active: &[Edge], crossings: &mut [f32], tips: &mut Vec<Tip>) {
    tips.clear();
    for (place, side) in active.iter().enumerate() {
        let ends = side.bottom == y && y == bottom;
        if side.is_tip(y, bottom) {
            // Zero is added so that both zeros are one column.
            let column = rounded(crossings[place]) + 0.0;
            let next = side.crossing(if ends { y - 1 } else { y + 1 });
            tips.push(Tip { ends, column, index: side.index, place, next });
        }
    }
    if tips.len() < 2 {
        return;
    }
    tips.sort_unstable_by(|a, b| {
        let columns = a.column.total_cmp(&b.column);
        a.ends.cmp(&b.ends).then(columns).then(a.index.cmp(&b.index))
    });
    for corner in tips.chunk_by(|a, b| a.ends == b.ends && a.column.total_cmp(&b.column).is_eq()) {
        for tip in &corner[1..] {
            let x = &mut crossings[tip.place];
            *x = connected(*x, tip.next, corner[0].next);
        }
    }
}

/// Where a crossing goes, given where its side and another of its corner cross the next row.
fn connected(x: f32, next: f32, other: f32) -> f32 {
    if x > next + 1.0 && x > other + 1.0 {
        rounded(next.max(other)) + 1.0
    } else if x < next - 1.0 && x < other - 1.0 {
        rounded(next.min(other)) - 1.0
    } else {
        x
    }
}

/// The nearest whole number, halves away from zero. In double precision the half is added exactly.
#[inline]
fn rounded(x: f32) -> f32 {
    let up = floor(f64::from(x.abs()) + 0.5) as f32;
    up.copysign(x)
}

/// The nearest pixel, halves away from zero. C adds in single precision above zero and, by way of
/// `fabs`, in double precision below.
#[inline]
fn round_up(x: f32) -> i64 {
    if x >= 0.0 { floor(f64::from(x + 0.5)) } else { -floor(f64::from(-x) + 0.5) }
}

/// The nearest pixel, halves toward zero; see [`round_up`].
#[inline]
fn round_down(x: f32) -> i64 {
    if x >= 0.0 { ceil(f64::from(x - 0.5)) } else { -ceil(f64::from(-x) - 0.5) }
}
