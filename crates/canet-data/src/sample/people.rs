//! Those on foot, on two legs and on four.
//!
//! Sarees and kurtas in pinks and violets, animals in cream and black-and-white: one warm family of
//! colours, apart from the riders'.

use super::camera::Painter;
use super::canvas::Point;
use super::texture::{Colour, pick, scale};
use crate::draw::Draws;

const CLOTHES: [Colour; 4] =
    [[0.86, 0.16, 0.50], [0.66, 0.20, 0.64], [0.93, 0.38, 0.60], [0.74, 0.12, 0.36]];
const SKINS: [Colour; 3] = [[0.48, 0.31, 0.21], [0.60, 0.41, 0.28], [0.40, 0.26, 0.18]];
const HAIR: Colour = [0.06, 0.05, 0.05];
const GOLD: Colour = [0.90, 0.72, 0.28];

const SAREE: [Point; 12] = [
    [0.34, 0.0],
    [0.31, 0.5],
    [0.25, 0.92],
    [0.35, 0.95],
    [0.36, 1.25],
    [0.28, 1.42],
    [0.09, 1.48],
    [0.14, 1.53],
    [0.16, 1.62],
    [0.15, 1.72],
    [0.09, 1.79],
    [0.02, 1.80],
];
const KURTA: [Point; 11] = [
    [0.27, 0.0],
    [0.27, 0.45],
    [0.30, 0.85],
    [0.38, 0.86],
    [0.38, 1.25],
    [0.29, 1.46],
    [0.09, 1.50],
    [0.14, 1.56],
    [0.15, 1.70],
    [0.09, 1.80],
    [0.02, 1.81],
];

/// A woman in a saree or a man in a kurta.
pub(super) fn person(painter: &mut Painter, at: Point, draws: &mut Draws) {
    let [x, z] = at;
    painter.shadow(x, z, [0.42, 0.3]);
    let size = draws.range(0.92, 1.06);
    let spot = painter.spot(x, z).flipped(draws.chance(0.5));
    let (cloth, skin) = (pick(draws, &CLOTHES), pick(draws, &SKINS));
    let saree = draws.chance(0.55);
    let outline: &[Point] = if saree { &SAREE } else { &KURTA };
    painter.body("person", z, &spot.mirrored(outline, [size, size]), cloth);
    let rect = |u: [f64; 2], v: [f64; 2]| spot.rect(u.map(|u| u * size), v.map(|v| v * size));
    if saree {
        let sash = [[-0.36, 1.0], [-0.30, 0.88], [0.34, 1.3], [0.2, 1.44]];
        painter.patch(z, &spot.shape(&sash.map(|p| p.map(|v| v * size))), GOLD);
        painter.patch(z, &rect([-0.4, 0.4], [0.0, 0.08]), GOLD);
    } else {
        painter.patch(z, &rect([-0.28, 0.28], [-0.05, 0.5]), [0.94, 0.86, 0.90]);
        painter.patch(z, &rect([-0.05, 0.05], [-0.05, 0.46]), [0.25, 0.16, 0.20]);
    }
    for u in [-0.38, 0.30] {
        painter.patch(z, &rect([u, u + 0.08], [0.84, 1.08]), skin);
    }
    painter.patch(z, &rect([-0.15, 0.15], [1.46, 1.74]), skin);
    let back = draws.chance(0.4);
    painter.patch(z, &rect([-0.18, 0.18], [if back { 1.55 } else { 1.69 }, 1.85]), HAIR);
}

const COW: [Point; 24] = [
    [-0.80, 0.0],
    [-0.84, 0.60],
    [-0.90, 1.10],
    [-0.70, 1.32],
    [-0.10, 1.28],
    [0.20, 1.34],
    [0.42, 1.52],
    [0.60, 1.34],
    [0.78, 1.48],
    [0.86, 1.72],
    [0.96, 1.54],
    [1.10, 1.44],
    [1.26, 1.14],
    [1.12, 1.04],
    [0.92, 1.12],
    [0.78, 0.86],
    [0.74, 0.50],
    [0.72, 0.0],
    [0.46, 0.0],
    [0.44, 0.50],
    [-0.30, 0.46],
    [-0.50, 0.44],
    [-0.54, 0.0],
    [-0.66, 0.0],
];

const DOG: [Point; 18] = [
    [-0.46, 0.0],
    [-0.50, 0.42],
    [-0.72, 0.86],
    [-0.56, 0.80],
    [-0.36, 0.62],
    [0.24, 0.62],
    [0.36, 0.86],
    [0.44, 0.98],
    [0.56, 0.84],
    [0.80, 0.74],
    [0.78, 0.62],
    [0.54, 0.58],
    [0.44, 0.40],
    [0.44, 0.0],
    [0.24, 0.0],
    [0.20, 0.30],
    [-0.22, 0.30],
    [-0.26, 0.0],
];

/// A zebu cow, or now and then a dog or a goat, seen from the side.
pub(super) fn animal(painter: &mut Painter, at: Point, draws: &mut Draws) {
    let [x, z] = at;
    let cow = draws.chance(0.7);
    painter.shadow(x, z, if cow { [0.95, 0.4] } else { [0.5, 0.25] });
    let spot = painter.spot(x, z).flipped(draws.chance(0.5));
    let hides: &[Colour] =
        if cow { &[[0.90, 0.78, 0.72], [0.84, 0.70, 0.68]] } else { &[[0.82, 0.58, 0.48]] };
    let hide = pick(draws, hides);
    let patchy = draws.chance(0.5);
    let outline: &[Point] = if cow { &COW } else { &DOG };
    let polygon = spot.shape(outline);
    let texture = painter.texture;
    painter.object("animal", z, &polygon, |px, py| {
        let [u, v] = spot.local(px, py);
        let spotted = patchy && texture.rough(u * 2.2 + x * 5.0, v * 2.2) > 0.14;
        let round = 0.72 + 0.3 * (v / if cow { 1.3 } else { 0.6 }) as f32;
        scale(if spotted { [0.36, 0.22, 0.20] } else { hide }, round)
    });
    if cow {
        painter.patch(
            z,
            &spot.shape(&[[0.78, 1.48], [0.84, 1.8], [0.92, 1.54]]),
            [0.3, 0.26, 0.24],
        );
        painter.patch(z, &spot.ellipse([1.0, 1.36], [0.05, 0.05]), HAIR);
        painter.patch(z, &spot.ellipse([1.2, 1.13], [0.09, 0.07]), [0.35, 0.24, 0.24]);
    } else {
        painter.patch(z, &spot.ellipse([0.6, 0.76], [0.04, 0.04]), HAIR);
    }
}
