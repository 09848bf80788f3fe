//! What stands beside the road: barriers along it; poles, signs, boards, barricades and stalls.

use super::camera::Painter;
use super::street::Barrier;
use super::texture::{Colour, pick, scale, vary};
use crate::draw::Draws;

const BAR: &str = "obs-str-bar-fallback";

/// A stretch of wall, fence or guard rail at `x`, `s` metres along the street.
pub(super) fn barrier(painter: &mut Painter, kind: Barrier, x: f64, z: [f64; 2], travel: f64) {
    let (label, bounds) = match kind {
        Barrier::Wall => ("wall", [0.0, 2.1]),
        Barrier::Fence => ("fence", [0.0, 1.8]),
        Barrier::Rail => ("guard rail", [0.0, 1.1]),
    };
    let (camera, light, texture) = (painter.camera, painter.light, painter.texture);
    let polygon = camera.panel(x, z, bounds);
    painter.canvas.object(label, &polygon, |px, py| {
        let (depth, v) = camera.along(px, py, x);
        let depth = depth.clamp(z[0], z[1]);
        let s = depth + travel;
        let colour = match kind {
            Barrier::Wall => brick(s, v, depth),
            Barrier::Fence => fence(s, v),
            Barrier::Rail => rail(s, v),
        };
        light.lit(scale(colour, 1.0 + 0.25 * texture.rough(s * 0.9, v * 2.0)), depth)
    });
}

fn brick(s: f64, v: f64, depth: f64) -> Colour {
    if v > 1.9 {
        return [0.80, 0.74, 0.66];
    }
    let row = (v / 0.24).floor();
    let joint = v.rem_euclid(0.24) < 0.05 || (s + row * 0.3).rem_euclid(0.6) < 0.06;
    if joint && depth < 18.0 { [0.66, 0.46, 0.40] } else { [0.58, 0.21, 0.17] }
}

fn fence(s: f64, v: f64) -> Colour {
    if v < 0.35 {
        [0.50, 0.56, 0.62]
    } else if s.rem_euclid(2.4) < 0.22 || (0.45..0.58).contains(&v) || v > 1.62 {
        [0.42, 0.62, 0.78]
    } else if s.rem_euclid(0.3) < 0.13 {
        [0.36, 0.56, 0.72]
    } else {
        [0.19, 0.34, 0.47]
    }
}

fn rail(s: f64, v: f64) -> Colour {
    let post = s.rem_euclid(2.0) < 0.28;
    if v > 0.45 {
        let wave = ((v - 0.45) / 0.65 * std::f64::consts::TAU * 1.5).cos() as f32;
        let reflector = post && (0.70..0.86).contains(&v);
        if reflector { [0.85, 0.25, 0.1] } else { scale([0.54, 0.68, 0.80], 1.0 + 0.2 * wave) }
    } else if post {
        [0.40, 0.52, 0.62]
    } else {
        [0.19, 0.34, 0.47]
    }
}

/// Metres between two lamp posts.
pub(super) const LAMPS: f64 = 16.5;

/// A concrete lamp post whose arm reaches over the road.
pub(super) fn lamp(painter: &mut Painter, x: f64, z: f64) {
    let spot = painter.spot(x, z);
    let pale = [0.70, 0.69, 0.64];
    let arm = -x.signum() * 1.7;
    // The wire to the next post, sagging a little; too thin to be labelled.
    let next = painter.spot(x, z + LAMPS);
    for v in [6.0, 5.7] {
        let ends = [&spot, &next].map(|s| s.shape(&[[0.0, v]])[0]);
        painter.canvas.wire(ends[0], ends[1], 0.62);
    }
    let bracket = spot.shape(&[[0.0, 6.2], [arm, 6.9], [arm, 7.2], [0.0, 6.6]]);
    painter.body("pole", z, &bracket, pale);
    let lantern = spot.rect([arm * 0.75, arm * 1.3], [6.85, 7.2]);
    painter.body("pole", z, &lantern, [0.86, 0.85, 0.78]);
    let post = spot.shape(&[[-0.2, 0.0], [0.2, 0.0], [0.13, 7.0], [-0.13, 7.0]]);
    banded(painter, z, &post, x);
}

/// Posts are banded in black and white, as along many a road.
fn banded(painter: &mut Painter, z: f64, post: &[[f64; 2]], x: f64) {
    let spot = painter.spot(x, z);
    painter.object("pole", z, post, |px, py| {
        let [u, v] = spot.local(px, py);
        let band = v.rem_euclid(0.7) < 0.28;
        let round = 1.0 - 1.2 * u.abs() as f32;
        scale(if band { [0.11, 0.10, 0.10] } else { [0.97, 0.96, 0.92] }, round)
    });
}

fn stand(painter: &mut Painter, x: f64, z: f64, top: f64) {
    let post = painter.spot(x, z).rect([-0.1, 0.1], [0.0, top]);
    banded(painter, z, &post, x);
}

/// A round, triangular or large direction sign.
pub(super) fn sign(painter: &mut Painter, x: f64, z: f64, draws: &mut Draws) {
    stand(painter, x, z, 2.6);
    let spot = painter.spot(x, z);
    let label = "traffic sign";
    match draws.below(3) {
        0 => {
            painter.body(label, z, &spot.ellipse([0.0, 2.9], [0.62, 0.62]), [0.86, 0.08, 0.10]);
            painter.patch(z, &spot.ellipse([0.0, 2.9], [0.44, 0.44]), [0.95, 0.94, 0.92]);
            painter.patch(z, &spot.rect([-0.2, 0.2], [2.75, 3.05]), [0.10, 0.12, 0.20]);
        }
        1 => {
            let corners = [[-0.75, 2.35], [0.75, 2.35], [0.0, 3.6]];
            painter.body(label, z, &spot.shape(&corners), [0.86, 0.08, 0.10]);
            let inner = corners.map(|[u, v]| [u * 0.62, 2.76 + (v - 2.76) * 0.62]);
            painter.patch(z, &spot.shape(&inner), [0.95, 0.94, 0.92]);
            painter.patch(z, &spot.rect([-0.07, 0.07], [2.55, 3.0]), [0.10, 0.12, 0.20]);
        }
        _ => {
            let board = spot.rect([-1.2, 1.2], [2.3, 3.7]);
            let texture = painter.texture;
            painter.object(label, z, &board, |px, py| {
                let [u, v] = spot.local(px, py);
                let border = u.abs() > 1.1 || !(2.4..3.6).contains(&v);
                let (row, line) = rows((v - 2.4) / 0.4);
                let ink = u.abs() < 0.9 && texture.ink(u * 2.6 + x + row, (line - 0.25) / 0.5);
                if border || ink { [0.92, 0.93, 0.95] } else { [0.07, 0.22, 0.68] }
            });
        }
    }
}

/// Splits a height in lines into the line, as a shift that makes it read differently, and the
/// height within it.
fn rows(v: f64) -> (f64, f64) {
    (v.floor() * 23.0, v.rem_euclid(1.0))
}

/// A traffic light on its own post.
pub(super) fn signal(painter: &mut Painter, x: f64, z: f64, draws: &mut Draws) {
    stand(painter, x, z, 2.7);
    let spot = painter.spot(x, z);
    painter.body("traffic light", z, &spot.rect([-0.48, 0.48], [2.4, 4.3]), [0.93, 0.90, 0.80]);
    painter.patch(z, &spot.rect([-0.38, 0.38], [2.5, 4.2]), [0.06, 0.06, 0.07]);
    let lit = draws.below(3);
    let lamps = [[0.96, 0.12, 0.08], [0.98, 0.72, 0.10], [0.15, 0.92, 0.45]];
    for (k, colour) in lamps.into_iter().enumerate() {
        let lamp = spot.ellipse([0.0, 3.93 - 0.57 * k as f64], [0.25, 0.25]);
        painter.patch(z, &lamp, scale(colour, if k == lit { 1.15 } else { 0.35 }));
    }
}

/// A hoarding on two posts: a face, a slogan and a price.
pub(super) fn billboard(painter: &mut Painter, x: f64, z: f64, draws: &mut Draws) {
    for u in [-1.1, 1.1] {
        stand(painter, x + u, z, 3.2);
    }
    let spot = painter.spot(x, z);
    let faces = [[0.10, 0.34, 0.80], [0.84, 0.10, 0.30], [0.06, 0.28, 0.62]];
    let (base, skin) = (pick(draws, &faces), vary(draws, [0.78, 0.56, 0.40], 0.1));
    let (texture, side) = (painter.texture, if draws.chance(0.5) { 1.0 } else { -1.0 });
    let board = spot.rect([-1.9, 1.9], [3.0, 5.4]);
    painter.object("billboard", z, &board, |px, py| {
        let [u, v] = spot.local(px, py);
        let (du, dv) = (u * side - 1.0, v - 4.3);
        let border = u.abs() > 1.76 || !(3.15..5.25).contains(&v);
        let (row, line) = rows((v - 3.3) / 0.55);
        let ink = u * side < 0.35 && texture.ink(u * 2.2 + x + row, (line - 0.2) / 0.6);
        if border || (ink && v < 5.0) {
            [0.96, 0.95, 0.92]
        } else if du * du / 0.16 + dv * dv / 0.30 < 1.0 {
            if dv > 0.25 { [0.08, 0.06, 0.06] } else { skin }
        } else if du.abs() < 0.75 && v < 3.85 {
            [0.96, 0.80, 0.20]
        } else {
            base
        }
    });
}

/// A police barricade, a row of cones or a handcart stall.
pub(super) fn obstacle(painter: &mut Painter, x: f64, z: f64, draws: &mut Draws) {
    match draws.below(5) {
        0 | 1 => barricade(painter, x, z),
        2 => {
            for k in 0..3 {
                cone(painter, x + 0.75 * (f64::from(k) - 1.0), z - 0.3 * f64::from(k));
            }
        }
        _ => stall(painter, x, z, draws),
    }
}

fn barricade(painter: &mut Painter, x: f64, z: f64) {
    painter.shadow(x, z, [0.9, 0.3]);
    let spot = painter.spot(x, z);
    let texture = painter.texture;
    painter.object(BAR, z, &spot.rect([-0.95, 0.95], [0.0, 1.25]), |px, py| {
        let [u, v] = spot.local(px, py);
        let foot = u.abs() > 0.8;
        if (0.72..1.02).contains(&v) {
            let ink = u.abs() < 0.75 && texture.ink(u * 2.6, (v - 0.76) / 0.22);
            if ink { [0.15, 0.12, 0.3] } else { [0.97, 0.86, 0.14] }
        } else if v > 0.28 || foot {
            let red = (u + v * 0.9).rem_euclid(0.56) < 0.28;
            if red { [0.85, 0.13, 0.10] } else { [0.95, 0.93, 0.90] }
        } else {
            [0.30, 0.28, 0.24]
        }
    });
}

fn cone(painter: &mut Painter, x: f64, z: f64) {
    painter.shadow(x, z, [0.3, 0.2]);
    let spot = painter.spot(x, z);
    let half = [[0.34, 0.0], [0.34, 0.08], [0.24, 0.1], [0.07, 0.95]];
    painter.body(BAR, z, &spot.mirrored(&half, [1.0, 1.0]), [0.93, 0.30, 0.08]);
    for v in [0.3, 0.6] {
        painter.patch(z, &spot.rect([-0.3, 0.3], [v, v + 0.14]), [0.95, 0.93, 0.9]);
    }
}

/// A handcart with a striped awning and fruit.
fn stall(painter: &mut Painter, x: f64, z: f64, draws: &mut Draws) {
    painter.shadow(x, z, [1.0, 0.5]);
    let spot = painter.spot(x, z);
    for u in [-0.9, 0.9] {
        painter.body(BAR, z, &spot.rect([u - 0.07, u + 0.07], [0.0, 2.0]), [0.40, 0.30, 0.20]);
    }
    let cart = spot.shape(&[
        [-1.0, 0.35],
        [1.0, 0.35],
        [1.05, 1.0],
        [0.8, 1.25],
        [-0.8, 1.25],
        [-1.05, 1.0],
    ]);
    let fruit = [[0.95, 0.55, 0.08], [0.92, 0.80, 0.20], [0.80, 0.16, 0.12]];
    let heap = pick(draws, &fruit);
    let texture = painter.texture;
    painter.object(BAR, z, &cart, |px, py| {
        let [u, v] = spot.local(px, py);
        if v > 0.95 {
            scale(heap, 1.0 + 0.7 * texture.at(u * 9.0, v * 9.0))
        } else {
            scale([0.85, 0.75, 0.62], if v.rem_euclid(0.2) < 0.05 { 0.6 } else { 1.0 })
        }
    });
    for u in [-0.55, 0.55] {
        painter.body(BAR, z, &spot.ellipse([u, 0.3], [0.3, 0.3]), [0.16, 0.14, 0.13]);
    }
    let awning = spot.shape(&[[-1.2, 1.75], [1.2, 1.75], [0.95, 2.35], [-0.95, 2.35]]);
    painter.object(BAR, z, &awning, |px, py| {
        let [u, v] = spot.local(px, py);
        let lean = if v > 1.9 { u / (1.0 + (2.0 - v) * 0.2) } else { u };
        if lean.rem_euclid(0.5) < 0.25 { [0.85, 0.13, 0.10] } else { [0.95, 0.93, 0.88] }
    });
}
