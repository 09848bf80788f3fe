//! Outlines to fill, drawn from a seed: those that fill rules stumble over, and whole frames of them.

use canet_data::draw::Draws;
use geo::Coord;

/// The kinds of [`outline`], each with its own pitfalls.
pub(crate) const KINDS: [&str; 13] = [
    "whole",
    "float",
    "closed",
    "repeated",
    "collinear",
    "sliver",
    "outside",
    "negative",
    "huge",
    "crossing",
    "axis",
    "flat",
    "blob",
];

/// An outline and the mask it is filled on.
pub(crate) struct Outline {
    pub(crate) kind: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) points: Vec<Coord<f64>>,
}

/// The outline with a number; its kind follows from the number.
pub(crate) fn outline(number: usize) -> Outline {
    let kind = KINDS[number % KINDS.len()];
    let mut draws = Draws::new(53, 0, number as u64, kind);
    let (width, height) = (8 + draws.below(57) as u32, 8 + draws.below(57) as u32);
    let points = points(kind, f64::from(width), f64::from(height), &mut draws);
    Outline { kind, width, height, points }
}

fn points(kind: &str, w: f64, h: f64, draws: &mut Draws) -> Vec<Coord<f64>> {
    let count = 3 + draws.below(10);
    match kind {
        "whole" => whole(scattered(count, (0.0, w), (0.0, h), draws)),
        "float" => scattered(count, (0.0, w), (0.0, h), draws),
        "closed" => {
            let mut points = whole(scattered(count, (0.0, w), (0.0, h), draws));
            points.push(points[0]);
            points
        }
        "repeated" => scattered(count, (0.0, w), (0.0, h), draws)
            .into_iter()
            .flat_map(|point| std::iter::repeat_n(point, 1 + draws.below(3)))
            .collect(),
        "collinear" => collinear(count, w, h, draws),
        "sliver" => sliver(w, h, draws),
        "outside" => scattered(count, (-w, 2.0 * w), (-h, 2.0 * h), draws),
        "negative" => scattered(count, (-w, 3.0), (-h, 3.0), draws),
        "huge" => {
            let reach = [1e4, 1e6, 1e9][draws.below(3)];
            whole(scattered(count, (-reach, reach), (-reach, reach), draws))
        }
        "crossing" => whole(scattered(20 + draws.below(20), (0.0, w), (0.0, h), draws)),
        "axis" => axis(&whole(scattered(count, (0.0, w), (0.0, h), draws))),
        "flat" => whole(scattered(count, (0.0, w), (0.0, 4.0), draws)),
        "blob" => {
            let radius = draws.range(3.0, w.min(h) / 2.0);
            blob(Coord { x: w / 2.0, y: h / 2.0 }, (radius, radius), 40, draws)
        }
        _ => unreachable!("{kind} is no kind"),
    }
}

fn scattered(count: usize, x: (f64, f64), y: (f64, f64), draws: &mut Draws) -> Vec<Coord<f64>> {
    (0..count).map(|_| Coord { x: draws.range(x.0, x.1), y: draws.range(y.0, y.1) }).collect()
}

fn whole(points: Vec<Coord<f64>>) -> Vec<Coord<f64>> {
    points.into_iter().map(|p| Coord { x: p.x.trunc(), y: p.y.trunc() }).collect()
}

/// Points of one line, which may lie flat, stand upright or be slanted.
fn collinear(count: usize, w: f64, h: f64, draws: &mut Draws) -> Vec<Coord<f64>> {
    let from = Coord { x: draws.range(0.0, w).trunc(), y: draws.range(0.0, h).trunc() };
    let steps = [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (2.0, -1.0), (3.0, 1.0), (1.0, -4.0)];
    let (x, y) = steps[draws.below(steps.len())];
    let place = |at: f64| Coord { x: from.x + at * x, y: from.y + at * y };
    (0..count).map(|_| place(draws.below(21) as f64 - 10.0)).collect()
}

/// A long triangle or quadrangle, at most a pixel wide.
fn sliver(w: f64, h: f64, draws: &mut Draws) -> Vec<Coord<f64>> {
    let ends = scattered(2, (0.0, w), (0.0, h), draws);
    let wide = [0.25, 0.5, 1.0][draws.below(3)];
    let (dx, dy) = if draws.chance(0.5) { (wide, 0.0) } else { (0.0, wide) };
    let beside = ends.iter().rev().map(|p| Coord { x: p.x + dx, y: p.y + dy });
    let keep = 3 + draws.below(2);
    ends.iter().copied().chain(beside).take(keep).collect()
}

/// Sides that are flat or upright, in turn.
fn axis(points: &[Coord<f64>]) -> Vec<Coord<f64>> {
    let corner = |pair: &[Coord<f64>]| [pair[0], Coord { x: pair[1].x, y: pair[0].y }];
    let mut corners: Vec<_> = points.windows(2).flat_map(corner).collect();
    corners.extend(points.last());
    corners
}

/// As people outline things: around a middle, at varying distance. The circle is drawn by fractions,
/// because sines differ between machines.
fn blob(
    middle: Coord<f64>,
    (rx, ry): (f64, f64),
    count: usize,
    draws: &mut Draws,
) -> Vec<Coord<f64>> {
    let on_circle = |at: f64| {
        let (quarter, t) = (at.trunc(), at.fract());
        let (x, y) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
        [(x, y), (-y, x), (-x, -y), (y, -x)][quarter as usize % 4]
    };
    (0..count)
        .map(|index| {
            let (x, y) = on_circle(4.0 * index as f64 / count as f64);
            let far = draws.range(0.7, 1.0);
            Coord { x: middle.x + rx * far * x, y: middle.y + ry * far * y }
        })
        .collect()
}

/// The polygons of a 1920x1080 frame, which has about as many of them, with about as many corners on
/// as many rows, as an annotated street.
pub(crate) fn crowd(seed: u64) -> Vec<Vec<Coord<f64>>> {
    let mut draws = Draws::new(seed, 0, 0, "crowd");
    let mut shapes = vec![
        land(0.0, 500.0, &mut draws),
        land(560.0, 1079.0, &mut draws),
        land(300.0, 620.0, &mut draws),
    ];
    for index in 0..227 {
        // Most things are small; a few fill a good part of the frame.
        let size = draws.range(0.0, 1.0).powi(4);
        let (rx, ry) = (6.0 + 330.0 * size, draws.range(8.0, 20.0) + 290.0 * size);
        let middle = Coord { x: draws.range(0.0, 1920.0), y: draws.range(350.0, 800.0) };
        let count = 4 + draws.below(30) + (60.0 * size) as usize;
        let shape = blob(middle, (rx, ry), count, &mut draws);
        shapes.push(if index % 4 == 0 { whole(shape) } else { shape });
    }
    shapes
}

/// A band across the frame with a rough upper side.
fn land(top: f64, bottom: f64, draws: &mut Draws) -> Vec<Coord<f64>> {
    let rough = (0..60).map(|step| Coord { x: f64::from(step) * 1919.0 / 59.0, y: top });
    let mut points: Vec<_> =
        rough.map(|p| Coord { y: p.y + draws.range(0.0, 60.0), ..p }).collect();
    points.extend([Coord { x: 1919.0, y: bottom }, Coord { x: 0.0, y: bottom }]);
    points
}
