//! The rules `centre` and `cityscapes` against naive definitions: each pixel is asked on its own, in
//! exact arithmetic. And every rule on numbers that nobody draws with.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use canet_core::{ClassId, Mask};
use canet_data::draw::Draws;
use canet_data::raster::Rule;
use geo::Coord;

use self::big::Big;
use self::outlines::{Outline, outline};

mod big;
#[expect(dead_code, reason = "whole frames are for another test program")]
mod outlines;

/// Numbers that the naive definitions compute with.
trait Exact: Clone + PartialOrd {
    fn minus(&self, other: &Self) -> Self;
    fn times(&self, other: &Self) -> Self;
}

impl Exact for i128 {
    fn minus(&self, other: &Self) -> Self {
        self - other
    }

    fn times(&self, other: &Self) -> Self {
        self * other
    }
}

type Sides<T> = Vec<[(T, T); 2]>;

fn sides<T: Exact>(corners: &[(T, T)]) -> Sides<T> {
    (0..corners.len())
        .map(|at| [corners[at].clone(), corners[(at + 1) % corners.len()].clone()])
        .filter(|[from, to]| from.1 != to.1)
        .map(|[from, to]| if from.1 < to.1 { [from, to] } else { [to, from] })
        .collect()
}

/// How the place where a side crosses the height of a point compares with the point's `x`; nothing if
/// it does not cross it. The upper end belongs to a side, the lower one does not.
fn crossing<T: Exact>([upper, lower]: &[(T, T); 2], (x, y): &(T, T)) -> Option<Ordering> {
    let reaches = upper.1 <= *y && *y < lower.1;
    let across = lower.0.minus(&upper.0).times(&y.minus(&upper.1));
    let along = x.minus(&upper.0).times(&lower.1.minus(&upper.1));
    if reaches { across.partial_cmp(&along) } else { None }
}

/// Whether an odd number of sides crosses at the point or left of it.
fn owns<T: Exact>(sides: &Sides<T>, point: &(T, T)) -> bool {
    let left = |side: &&[(T, T); 2]| crossing(side, point).is_some_and(Ordering::is_le);
    sides.iter().filter(left).count() % 2 == 1
}

fn filled(rule: Rule, width: u32, height: u32, points: &[Coord<f64>]) -> Vec<u8> {
    let mut mask = Mask::filled(width, height, ClassId(0));
    rule.fill_polygon(points, ClassId(1), &mut mask);
    mask.into_ids()
}

/// An outline on a grid of eighths of pixels, so that many centres lie on sides and corners.
fn on_eighths(number: usize) -> (Outline, Vec<(i128, i128)>) {
    let mut outline = outline(number);
    for point in &mut outline.points {
        *point = Coord { x: (point.x * 8.0).round() / 8.0, y: (point.y * 8.0).round() / 8.0 };
    }
    let eighths = |p: &Coord<f64>| ((p.x * 8.0) as i128, (p.y * 8.0) as i128);
    let corners = outline.points.iter().map(eighths).collect();
    (outline, corners)
}

#[test]
fn centre_is_the_naive_definition_on_ten_thousand_outlines() {
    let (mut pixels, mut on_a_side, mut wrong) = (0, 0, Vec::new());
    for number in 0..10_000 {
        let (outline, corners) = on_eighths(number);
        let (sides, width) = (sides(&corners), outline.width as usize);
        let got = filled(Rule::Centre, outline.width, outline.height, &outline.points);
        let mut differing = 0;
        for (at, &id) in got.iter().enumerate() {
            let centre = (8 * (at % width) as i128 + 4, 8 * (at / width) as i128 + 4);
            differing += usize::from((id == 1) != owns(&sides, &centre));
            let on = |side| crossing(side, &centre).is_some_and(Ordering::is_eq);
            on_a_side += usize::from(sides.iter().any(on));
        }
        pixels += got.iter().map(|&id| usize::from(id)).sum::<usize>();
        if differing > 0 {
            wrong.push((number, outline.kind, differing));
        }
    }
    assert!(wrong.is_empty(), "{} outlines differ: {wrong:?}", wrong.len());
    // The grid does bring centres onto sides, where conventions decide.
    assert!(pixels > 1_000_000 && on_a_side > 10_000, "{pixels} {on_a_side}");
}

/// The same on numbers of full length, and on very large and very small ones.
#[test]
fn centre_is_exact_for_any_finite_number() {
    let mut pixels = 0;
    for number in 0..2_000_u64 {
        let mut draws = Draws::new(7, 0, number, "any finite number");
        let (width, height) = (1 + draws.below(9) as u32, 1 + draws.below(9) as u32);
        let count = 3 + draws.below(4);
        let points: Vec<_> =
            (0..count).map(|_| Coord { x: any(&mut draws), y: any(&mut draws) }).collect();
        let corners: Vec<_> = points.iter().map(|p| (Big::of(p.x), Big::of(p.y))).collect();
        let sides = sides(&corners);
        let got = filled(Rule::Centre, width, height, &points);
        for (at, &id) in got.iter().enumerate() {
            let (x, y) = (at as u32 % width, at as u32 / width);
            let centre = (Big::of(f64::from(x) + 0.5), Big::of(f64::from(y) + 0.5));
            assert_eq!(id == 1, owns(&sides, &centre), "outline {number} at {x}, {y}: {points:?}");
            pixels += usize::from(id);
        }
    }
    assert!(pixels > 5_000, "{pixels}");
}

/// A coordinate in or near a small frame, or next to a pixel's centre, or beyond all measure.
fn any(draws: &mut Draws) -> f64 {
    let sign = if draws.chance(0.5) { 1.0 } else { -1.0 };
    match draws.below(8) {
        0 => sign * [f64::MAX, 1e300, 1e18, 1e9][draws.below(4)] * draws.range(0.5, 1.0),
        1 => sign * [5e-324, f64::MIN_POSITIVE, 1e-300, 1e-17][draws.below(4)],
        2 => draws.below(10) as f64 + 0.5,
        3 => (draws.below(10) as f64 + 0.5).next_up(),
        4 => (draws.below(10) as f64 + 0.5).next_down(),
        _ => draws.range(-2.0, 11.0),
    }
}

/// Triangles around a point, which may be a centre: each pixel belongs to exactly one of them.
#[test]
fn centre_gives_a_shared_side_to_one_polygon() {
    for number in 0..1_000 {
        let mut draws = Draws::new(8, 0, number, "fan");
        let mut at = |high: f64| {
            let x = draws.range(0.0, high);
            if draws.chance(0.5) { x.floor() + 0.5 } else { x }
        };
        let (middle, rim) = (Coord { x: at(12.0), y: at(9.0) }, at(3.0));
        let far = |x: f64, y: f64| Coord { x: x + rim, y: y - rim };
        let box_ = [far(-40.0, -30.0), far(50.0, -31.0), far(51.0, 40.0), far(-41.0, 42.0)];
        let mut owners = vec![0; 12 * 9];
        for corner in 0..4 {
            let triangle = [box_[corner], box_[(corner + 1) % 4], middle];
            for (owners, id) in owners.iter_mut().zip(filled(Rule::Centre, 12, 9, &triangle)) {
                *owners += id;
            }
        }
        assert!(owners.iter().all(|&n| n == 1), "fan {number} around {middle:?}: {owners:?}");
    }
}

#[test]
fn cityscapes_is_the_naive_definition_on_four_thousand_outlines() {
    let (mut pixels, mut wrong) = (0, Vec::new());
    for number in 0..4_000 {
        let (outline, corners) = on_eighths(number);
        let (sides, width) = (sides(&corners), outline.width as usize);
        let got = filled(Rule::Cityscapes, outline.width, outline.height, &outline.points);
        let expected = (0..got.len()).map(|at| u8::from(spanned(&sides, at % width, at / width)));
        if expected.zip(&got).any(|(expected, &got)| expected != got) {
            wrong.push((number, outline.kind));
        }
        pixels += got.iter().map(|&id| usize::from(id)).sum::<usize>();
    }
    assert!(wrong.is_empty(), "{} outlines differ: {wrong:?}", wrong.len());
    assert!(pixels > 400_000, "{pixels}");
}

/// Whether the pixel, from half a column left of its number to half a column right of it, touches
/// what lies inside on the middle of its row; corners are in eighths.
fn spanned(sides: &Sides<i128>, column: usize, row: usize) -> bool {
    let (left, y) = (8 * column as i128 - 4, 8 * row as i128 + 4);
    let count = |x: i128, keep: fn(Ordering) -> bool| {
        sides.iter().filter_map(|side| crossing(side, &(x, y))).filter(|&o| keep(o)).count()
    };
    let (before, within) = (count(left, Ordering::is_lt), count(left + 8, Ordering::is_le));
    // Inside already at its left end, or a side crosses it.
    before % 2 == 1 || within > before
}

#[test]
fn no_number_stops_a_fill() {
    let odd = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        1e308,
        f64::MIN_POSITIVE,
        5e-324,
        -5e-324,
        -0.0,
        0.5,
        -0.5,
        2.5,
        f64::from(i32::MAX),
        f64::from(i32::MIN),
        2_147_483_648.0,
        -2_147_483_649.0,
        4_294_967_296.0,
        9.3e18,
        16_777_217.0,
    ];
    let mut fills = 0;
    for number in 0..20_000 {
        let mut draws = Draws::new(9, 0, number, "odd numbers");
        let (width, height) = (draws.below(9) as u32, draws.below(9) as u32);
        let mut number = || {
            let at = draws.below(2 * odd.len());
            odd.get(at).copied().unwrap_or_else(|| draws.range(-3.0, 12.0))
        };
        let count = (number().abs() as usize).min(12);
        let points: Vec<_> = (0..count).map(|_| Coord { x: number(), y: number() }).collect();
        for rule in Rule::ALL {
            let ids = filled(rule, width, height, &points);
            assert!(ids.len() == (width * height) as usize && ids.iter().all(|&id| id < 2));
            fills += 1;
        }
    }
    assert_eq!(fills, 80_000);
}

/// Outlines on which a careless fill takes the square of their length, which would be hours; the limit
/// is no measure of speed.
#[test]
fn a_million_corners_take_no_square_of_time() {
    let comb = |at: u32| Coord { x: f64::from(at) * 1000.0, y: f64::from(at % 2) };
    let fan = |at: u32| match at % 2 {
        0 => Coord { x: 3.0, y: 0.0 },
        _ => Coord { x: f64::from(at), y: 2.0 },
    };
    let stairs = |at: u32| Coord { x: f64::from(at % 7), y: f64::from(at % 1000) };
    for make in [comb, fan, stairs] {
        let points: Vec<_> = (0..1_000_000).map(make).collect();
        for rule in Rule::ALL {
            let begin = Instant::now();
            filled(rule, 16, 8, &points);
            assert!(begin.elapsed() < Duration::from_mins(1), "{rule}: {:?}", begin.elapsed());
        }
    }
}
