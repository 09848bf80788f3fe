//! One outline: what can be said of its points alone.

use super::crossing::{self, Crossing};
use super::finding::What;

/// How far beyond the frame a point may lie, as a share of the frame's longer side: tools put a
/// point that was dragged out of the picture a little beyond its edge.
const MARGIN: f64 = 0.01;

/// An outline that encloses less, in square pixels, encloses nothing.
const NO_AREA: f64 = 1e-6;

/// What was found, and where below the object in the file (`""` for the object itself).
pub(super) type Found = (String, What);

/// What the points of one object tell in a frame of `width` and `height`.
pub(super) fn examine(points: &[[f64; 2]], (width, height): (u32, u32)) -> Vec<Found> {
    let object = String::new;
    let at = |point: usize| format!("/polygon/{point}");
    let broken = points.iter().flatten().filter(|x| !x.is_finite()).count();
    if broken > 0 {
        let first = points.iter().flatten().position(|x| !x.is_finite()).unwrap_or_default();
        let coordinates = if broken == 1 { "coordinate that is" } else { "coordinates that are" };
        let reason = format!("has {broken} {coordinates} no number");
        let pointer = format!("/polygon/{}/{}", first / 2, first % 2);
        return vec![(pointer, What::NotANumber { reason })];
    }
    let mut found = Vec::new();
    if points.len() < 3 {
        found.push((object(), What::FewPoints { points: points.len() }));
    } else {
        found.extend(shape(points));
    }
    let frame = (f64::from(width), f64::from(height));
    if bounds(points).is_some_and(|bounds| is_outside(bounds, frame)) {
        found.push((object(), What::OutsideFrame));
    } else if let Some((by, point)) = beyond(points, frame) {
        found.push((at(point), What::BeyondFrame { by, point }));
    }
    let repeats = |n: &usize| equal(points[*n], points[n - 1]);
    if let Some(first) = (1..points.len()).find(repeats) {
        let points = (1..points.len()).filter(repeats).count();
        found.push((at(first), What::RepeatedPoints { points }));
    }
    if points.len() > 1 && equal(points[0], points[points.len() - 1]) {
        found.push((at(points.len() - 1), What::ClosedOutline));
    }
    found
}

/// Whether two points are the same as written, which is what is asked here.
#[expect(clippy::float_cmp, reason = "a point that differs in the last digit is another point")]
fn equal(a: [f64; 2], b: [f64; 2]) -> bool {
    a == b
}

/// Crossings and areas.
fn shape(points: &[[f64; 2]]) -> Option<Found> {
    match crossing::find(points) {
        Crossing::Sides(a, b) => {
            Some((format!("/polygon/{a}"), What::SelfCrossing { sides: (a, b) }))
        }
        Crossing::Undecided => {
            Some((String::new(), What::CrossingUndecided { points: points.len() }))
        }
        // Only now: the two halves of a bow have areas, and their sum may be none.
        Crossing::None => (area(points) < NO_AREA).then(|| (String::new(), What::ZeroArea)),
    }
}

/// What the outline encloses, in square pixels. Seen from the first point, so that an outline far
/// away has no smaller a precision.
fn area(points: &[[f64; 2]]) -> f64 {
    let Some(&[x0, y0]) = points.first() else { return 0.0 };
    let twice: f64 = points
        .windows(2)
        .map(|pair| {
            let ([x1, y1], [x2, y2]) = (pair[0], pair[1]);
            (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        })
        .sum();
    (twice / 2.0).abs()
}

/// Left, top, right and bottom of some points; `None` for none.
pub(super) fn bounds(points: &[[f64; 2]]) -> Option<[f64; 4]> {
    points
        .iter()
        .map(|&[x, y]| [x, y, x, y])
        .reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])])
}

/// Whether no point's pixel, truncated toward zero as the fill rules do, can reach the frame.
fn is_outside([left, top, right, bottom]: [f64; 4], (width, height): (f64, f64)) -> bool {
    right <= -1.0 || bottom <= -1.0 || left >= width || top >= height
}

/// The point farthest beyond the frame and how far, if that is beyond the margin.
fn beyond(points: &[[f64; 2]], (width, height): (f64, f64)) -> Option<(f64, usize)> {
    let far = |[x, y]: [f64; 2]| (-x).max(x - width).max(-y).max(y - height);
    let (point, by) = points
        .iter()
        .map(|&point| far(point))
        .enumerate()
        .reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    (by > MARGIN * width.max(height)).then_some((by, point))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a frame of 200x100 the margin is 2 pixels.
    #[test]
    fn each_kind_has_a_hit_and_a_near_miss() {
        const N: f64 = f64::NAN;
        for (points, expected) in [
            (&[[10., 10.], [20., 10.], [20., 30.]][..], &[][..]),
            (&[], &["few-points"]),
            (&[[10., 10.], [20., 10.]], &["few-points"]),
            (&[[10., 10.], [20., 20.], [30., 30.]], &["zero-area"]),
            (&[[10., 10.], [20., 20.], [30., 30.00001]], &[]),
            (&[[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]], &["zero-area"]),
            (&[[10., 10.], [20., 10.], [20., 30.], [20., 10.]], &["zero-area"]),
            (&[[10., 10.], [20., 20.], [20., 10.], [10., 20.]], &["self-crossing /polygon/0"]),
            (&[[10., 10.], [20., 20.], [20., 10.], [15., 15.]], &[]),
            (&[[200., 10.], [220., 10.], [220., 30.]], &["outside-frame"]),
            (&[[199.9, 10.], [201., 10.], [201., 30.]], &[]),
            (&[[-1., 10.], [-9., 10.], [-9., 30.]], &["outside-frame"]),
            (&[[-0.9, 10.], [-1.5, 10.], [-1.5, 30.]], &[]),
            (&[[10., 10.], [202., 10.], [20., 102.]], &[]),
            (&[[10., 10.], [20., 10.], [20., -2.5]], &["beyond-frame /polygon/2"]),
            (
                &[[10., 10.], [10., 10.], [20., 10.], [20., 30.], [20., 30.]],
                &["repeated-points /polygon/1"],
            ),
            (&[[10., 10.], [20., 10.], [20., 30.], [10., 10.]], &["closed-outline /polygon/3"]),
            (&[[10., 10.], [20., 10.], [20., 30.], [20., 10.1], [10., 10.1]], &[]),
            (&[[10., 10.], [20., N], [20., 30.]], &["not-a-number /polygon/1/1"]),
            (&[[10., 10.], [f64::INFINITY, N], [9., 9.]], &["not-a-number /polygon/1/0"]),
        ] {
            let told: Vec<_> = examine(points, (200, 100))
                .into_iter()
                .map(|(at, what)| format!("{} {at}", what.kind().name()).trim_end().to_owned())
                .collect();
            assert_eq!(told, expected, "{points:?}");
        }
    }
}
