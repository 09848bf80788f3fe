//! The polygon fill of Pillow 6.2 and older, bit for bit.
//!
//! Coordinates are truncated to pixels, and a scan line collects where the sloped edges cross it, in
//! single precision; the spans between crossings 1 and 2, 3 and 4, ... are painted with both ends:
//!
//! ```text
//!        x0,y0
//!         /\          row y crosses the left edge at a and the right one at b:
//!   y ---a##b---      paint round_up(a) ..= round_down(b)
//!       /    \
//! ```
//!
//! Three habits of this rule are faults elsewhere and kept here, because official masks have them:
//! a row on which an edge ends counts that edge twice, except for the polygon's last row; a span
//! whose rounded ends are the wrong way round is painted all the same; horizontal edges are painted
//! but do not count for where the polygon begins and ends.

use canet_core::{ClassId, Mask};
use geo::Coord;

/// Paints a polygon with one class. `points` is the outline as written; it is closed here unless its
/// last pixel is its first. What lies outside the mask is cut off, never moved.
pub(super) fn fill_polygon(points: &[Coord<f64>], id: ClassId, mask: &mut Mask) {
    let corners: Vec<Pixel> = points.iter().map(Pixel::truncated).collect();
    let mut canvas = Canvas::new(mask, id);
    let mut edges = Vec::new();
    for (from, to) in sides(&corners) {
        if from.y == to.y {
            canvas.paint(from.x, from.y, to.x);
        } else {
            edges.push(Edge::new(from, to));
        }
    }
    fill_between(edges, &mut canvas);
}

/// A pixel's place. 64 bits, so that differences of two corners cannot overflow.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pixel {
    x: i64,
    y: i64,
}

impl Pixel {
    /// Truncates toward zero, as C's conversion to `int` does. Beyond the range of 32 bits C leaves
    /// the result undefined; here it is the nearest value of that range.
    fn truncated(point: &Coord<f64>) -> Self {
        Self { x: i64::from(point.x as i32), y: i64::from(point.y as i32) }
    }
}

/// The sides of the outline, the closing one last.
fn sides(corners: &[Pixel]) -> impl Iterator<Item = (Pixel, Pixel)> {
    let closing = match (corners.first(), corners.last()) {
        (Some(&first), Some(&last)) if first != last => Some((last, first)),
        _ => None,
    };
    corners.windows(2).map(|pair| (pair[0], pair[1])).chain(closing)
}

/// A side that is not horizontal.
struct Edge {
    top: i64,
    bottom: i64,
    from: Pixel,
    slope: f32,
}

impl Edge {
    fn new(from: Pixel, to: Pixel) -> Self {
        Self {
            top: from.y.min(to.y),
            bottom: from.y.max(to.y),
            from,
            slope: (to.x - from.x) as f32 / (to.y - from.y) as f32,
        }
    }

    /// Where the edge crosses a row; product and sum are rounded one by one, never fused.
    fn crossing(&self, y: i64) -> f32 {
        let shift = (y - self.from.y) as f32 * self.slope;
        shift + self.from.x as f32
    }
}

/// Paints the spans between the edges, row by row. Only the edges that reach a row are looked at
/// there, so that an outline of a million points costs no more than its length.
fn fill_between(mut edges: Vec<Edge>, canvas: &mut Canvas) {
    let Some(top) = edges.iter().map(|e| e.top).min() else { return };
    let Some(bottom) = edges.iter().map(|e| e.bottom).max() else { return };
    // The last row is cut at the height, not at the last row of the image: an edge that ends just
    // there must still count twice if the polygon goes on below.
    let (top, bottom) = (top.max(0), bottom.min(canvas.height));
    edges.sort_unstable_by_key(|edge| edge.top);
    let mut coming = edges.into_iter().peekable();
    let mut active: Vec<Edge> = Vec::new();
    let mut crossings: Vec<f32> = Vec::new();
    for y in top..=bottom.min(canvas.height - 1) {
        active.retain(|edge| edge.bottom >= y);
        while let Some(edge) = coming.next_if(|edge| edge.top <= y) {
            if edge.bottom >= y {
                active.push(edge);
            }
        }
        crossings.clear();
        for edge in &active {
            let x = edge.crossing(y);
            let ends_here = edge.bottom == y && y < bottom;
            crossings.extend(std::iter::repeat_n(x, 1 + usize::from(ends_here)));
        }
        crossings.sort_unstable_by(f32::total_cmp);
        for span in crossings.chunks_exact(2) {
            canvas.paint(round_up(span[0]), y, round_down(span[1]));
        }
    }
}

/// The nearest pixel, halves away from zero. C adds in single precision above zero and, by way of
/// `fabs`, in double precision below.
fn round_up(x: f32) -> i64 {
    if x >= 0.0 { (x + 0.5).floor() as i64 } else { -((f64::from(-x) + 0.5).floor() as i64) }
}

/// The nearest pixel, halves toward zero; see [`round_up`].
fn round_down(x: f32) -> i64 {
    if x >= 0.0 { (x - 0.5).ceil() as i64 } else { -((f64::from(-x) - 0.5).ceil() as i64) }
}

/// The mask being painted on, with one class.
struct Canvas<'a> {
    ids: &'a mut [u8],
    width: i64,
    height: i64,
    id: u8,
}

impl<'a> Canvas<'a> {
    fn new(mask: &'a mut Mask, id: ClassId) -> Self {
        let (width, height) = (i64::from(mask.width()), i64::from(mask.height()));
        Self { ids: mask.ids_mut(), width, height, id: id.0 }
    }

    /// Paints from one pixel to another of a row, in either order, as far as they are on the mask.
    fn paint(&mut self, x0: i64, y: i64, x1: i64) {
        let (left, right) = (x0.min(x1).max(0), x0.max(x1).min(self.width - 1));
        if (0..self.height).contains(&y) && left <= right {
            let row = y * self.width;
            self.ids[(row + left) as usize..=(row + right) as usize].fill(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(points: &[(f64, f64)]) -> String {
        let mut mask = Mask::filled(6, 4, ClassId(0));
        let points: Vec<_> = points.iter().map(|&(x, y)| Coord { x, y }).collect();
        fill_polygon(&points, ClassId(1), &mut mask);
        let row = |ids: &[u8]| ids.iter().map(|&id| if id == 1 { '#' } else { '.' }).collect();
        mask.ids().chunks(6).map(row).collect::<Vec<String>>().join("/")
    }

    #[test]
    fn small_outlines_by_hand() {
        for (name, points, expected) in [
            ("nothing", &[][..], "....../....../....../......"),
            (
                "a box, edges included",
                &[(1., 1.), (3., 1.), (3., 2.), (1., 2.)],
                "....../.###../.###../......",
            ),
            (
                "truncated toward zero",
                &[(1.9, 1.9), (3.9, 1.1), (3.2, 2.9), (1.5, 2.)],
                "....../.###../.###../......",
            ),
            ("-0.9 is 0", &[(-0.9, -0.9), (0.9, -0.9), (0., 1.)], "#...../#...../....../......"),
            ("a point", &[(2., 1.), (2., 1.), (2., 1.)], "....../..#.../....../......"),
            ("a row", &[(1., 1.), (4., 1.), (2., 1.)], "....../.####./....../......"),
            ("a column", &[(1., 0.), (1., 2.), (1., 1.)], ".#..../.#..../.#..../......"),
            ("outside", &[(7., 0.), (9., 0.), (9., 3.)], "....../....../....../......"),
            (
                "all around",
                &[(-9., -9.), (19., -9.), (19., 19.), (-9., 19.)],
                "######/######/######/######",
            ),
            (
                "far around",
                &[(-1e9, -1e9), (1e9, -1e9), (1e9, 1e9), (-1e9, 1e9)],
                "######/######/######/######",
            ),
            (
                "beyond 32 bits",
                &[(-1e300, -1e300), (1e300, -1e300), (1e300, 1e300), (-1e300, 1e300)],
                "######/######/######/######",
            ),
            (
                "open and closed are one",
                &[(1., 1.), (3., 1.), (3., 2.), (1., 2.), (1., 1.)],
                "....../.###../.###../......",
            ),
        ] {
            assert_eq!(fill(points), expected, "{name}");
        }
    }

    #[test]
    fn halves_round_apart() {
        for (x, up, down) in [(1.5, 2, 1), (-1.5, -2, -1), (0.5, 1, 0), (-0.5, -1, 0), (2.25, 2, 2)]
        {
            assert_eq!((round_up(x), round_down(x)), (up, down), "{x}");
        }
    }
}
