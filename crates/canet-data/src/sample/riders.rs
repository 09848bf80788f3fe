//! Two-wheelers and those who ride them.
//!
//! Bikes are dark, riders wear cool bright shirts and a helmet: also a small network can tell who
//! rides from who walks.

use super::camera::{Painter, Spot};
use super::canvas::Point;
use super::texture::{Colour, pick, scale};
use crate::draw::Draws;

const SHIRTS: [Colour; 4] =
    [[0.08, 0.66, 0.70], [0.16, 0.78, 0.80], [0.10, 0.56, 0.66], [0.30, 0.84, 0.78]];
const HELMETS: [Colour; 3] = [[0.05, 0.45, 0.55], [0.08, 0.10, 0.12], [0.80, 0.92, 0.92]];
const BIKES: [Colour; 3] = [[0.09, 0.10, 0.17], [0.13, 0.12, 0.20], [0.07, 0.07, 0.12]];
const SKIN: Colour = [0.50, 0.33, 0.22];
const CHROME: Colour = [0.55, 0.57, 0.64];

/// Seen from behind or from the front: rider above, wheel and lamp below.
pub(super) fn lengthwise(painter: &mut Painter, at: Point, front: bool, draws: &mut Draws) {
    let [x, z] = at;
    painter.shadow(x, z + 0.6, [0.45, 0.9]);
    let spot = painter.spot(x, z);
    let label = if draws.chance(0.78) { "motorcycle" } else { "bicycle" };
    let bike = pick(draws, &BIKES);
    let bar = [
        [-0.46, 1.0],
        [0.46, 1.0],
        [0.5, 1.28],
        [0.34, 1.28],
        [0.3, 1.12],
        [-0.3, 1.12],
        [-0.34, 1.28],
        [-0.5, 1.28],
    ];
    painter.body(label, z, &spot.shape(&bar), bike);
    if draws.chance(0.25) {
        // A passenger looks over the shoulder.
        person_on(painter, spot, [0.14, 0.06], draws);
    }
    person_on(painter, spot, [0.0, 0.0], draws);
    // The machine hides the rider's legs between the foot rests.
    let wide = if label == "motorcycle" { 1.0 } else { 0.62 };
    let half = [[0.10, 0.0], [0.12, 0.34], [0.34, 0.36], [0.36, 0.82], [0.24, 0.92]];
    painter.body(label, z, &spot.mirrored(&half, [wide, 1.0]), bike);
    painter.patch(z, &spot.rect([-0.09, 0.09], [-0.1, 0.3]), [0.03, 0.03, 0.035]);
    let lamp = if front { [0.98, 0.95, 0.82] } else { [0.85, 0.06, 0.06] };
    painter.patch(z, &spot.rect([-0.13, 0.13], [0.68, 0.82]), lamp);
    painter.patch(z, &spot.rect([-0.12, 0.12], [0.42, 0.54]), [0.90, 0.90, 0.86]);
}

fn person_on(painter: &mut Painter, spot: Spot, shift: Point, draws: &mut Draws) {
    let z = spot.z;
    let half = [
        [0.34, 0.30],
        [0.42, 0.42],
        [0.38, 0.80],
        [0.30, 0.92],
        [0.46, 1.02],
        [0.44, 1.22],
        [0.36, 1.46],
        [0.14, 1.54],
        [0.17, 1.62],
        [0.18, 1.76],
        [0.10, 1.88],
    ];
    let spot = painter.spot(spot.x + shift[0], z);
    let shape = |k: &Point| [k[0], k[1] + if k[1] > 0.9 { shift[1] } else { 0.0 }];
    let outline: Vec<Point> = half.iter().map(shape).collect();
    let (shirt, helmet) = (pick(draws, &SHIRTS), pick(draws, &HELMETS));
    painter.body("rider", z, &spot.mirrored(&outline, [1.0, 1.0]), shirt);
    let up = shift[1];
    painter.patch(z, &spot.rect([-0.2, 0.2], [1.58 + up, 1.95 + up]), helmet);
    painter.patch(z, &spot.rect([-0.1, 0.1], [1.52 + up, 1.6 + up]), SKIN);
    painter.patch(z, &spot.rect([-0.5, 0.5], [0.2, 0.86]), [0.10, 0.34, 0.42]);
}

/// Seen from the side: crossing, turning, or parked when there is no rider.
pub(super) fn sideways(painter: &mut Painter, at: Point, rider: bool, draws: &mut Draws) {
    let [x, z] = at;
    painter.shadow(x, z, [1.0, 0.35]);
    let spot = painter.spot(x, z).flipped(draws.chance(0.5));
    let motor = draws.chance(0.6);
    let (label, r) = if motor { ("motorcycle", 0.33) } else { ("bicycle", 0.36) };
    let bike = pick(draws, &BIKES);
    for u in [-0.64, 0.64] {
        painter.body(label, z, &spot.ellipse([u, r], [r, r]), scale(bike, 0.8));
        painter.patch(z, &spot.ellipse([u, r], [r * 0.6, r * 0.6]), [0.24, 0.25, 0.32]);
        painter.patch(z, &spot.ellipse([u, r], [0.09, 0.09]), CHROME);
    }
    let body: &[Point] = if motor {
        &[
            [-0.85, 0.62],
            [-0.5, 0.3],
            [0.35, 0.22],
            [0.72, 0.5],
            [0.62, 1.08],
            [0.44, 1.12],
            [0.42, 0.95],
            [-0.2, 0.8],
            [-0.9, 0.86],
        ]
    } else {
        &[
            [-0.64, 0.3],
            [0.0, 0.22],
            [0.6, 0.34],
            [0.66, 0.5],
            [0.52, 1.12],
            [0.34, 1.12],
            [0.36, 0.92],
            [-0.12, 0.98],
            [-0.34, 0.94],
            [-0.3, 0.8],
        ]
    };
    painter.body(label, z, &spot.shape(body), bike);
    if motor {
        let tank = [[-0.05, 0.72], [0.42, 0.72], [0.44, 0.95], [0.05, 0.92]];
        painter.patch(z, &spot.shape(&tank), [0.20, 0.16, 0.44]);
        painter.patch(z, &spot.rect([-0.3, 0.2], [0.3, 0.5]), CHROME);
        painter.patch(z, &spot.rect([-0.9, -0.76], [0.7, 0.82]), [0.85, 0.06, 0.06]);
    } else {
        let gap = [[-0.22, 0.78], [0.0, 0.36], [0.34, 0.8]];
        painter.patch(z, &spot.shape(&gap), [0.22, 0.23, 0.30]);
    }
    if rider {
        rider_sideways(painter, spot, draws);
    }
}

fn rider_sideways(painter: &mut Painter, spot: Spot, draws: &mut Draws) {
    let z = spot.z;
    let outline = [
        [-0.42, 0.80],
        [-0.10, 0.66],
        [0.02, 0.26],
        [0.26, 0.24],
        [0.28, 0.36],
        [0.18, 0.42],
        [0.24, 0.84],
        [0.06, 0.96],
        [0.08, 1.06],
        [0.48, 1.02],
        [0.50, 1.16],
        [0.12, 1.34],
        [0.06, 1.52],
        [0.18, 1.60],
        [0.18, 1.84],
        [0.04, 1.92],
        [-0.14, 1.88],
        [-0.18, 1.64],
        [-0.14, 1.54],
        [-0.32, 1.46],
        [-0.44, 1.10],
    ];
    let (shirt, helmet) = (pick(draws, &SHIRTS), pick(draws, &HELMETS));
    painter.body("rider", z, &spot.shape(&outline), shirt);
    painter.patch(z, &spot.rect([-0.22, 0.22], [1.60, 2.0]), helmet);
    painter.patch(z, &spot.rect([0.08, 0.2], [1.62, 1.76]), SKIN);
    painter.patch(z, &spot.rect([0.36, 0.52], [0.98, 1.2]), SKIN);
    let legs = [[-0.45, 0.84], [-0.10, 0.60], [0.0, 0.2], [0.32, 0.2], [0.3, 0.9]];
    painter.patch(z, &spot.shape(&legs), [0.10, 0.34, 0.42]);
}
