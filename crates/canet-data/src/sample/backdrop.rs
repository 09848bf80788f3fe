//! All that is behind the street: sky, skyline, trees and the flyover.

use super::camera::{Painter, Spot};
use super::canvas::Point;
use super::texture::{Colour, mix, scale, vary};
use crate::draw::Draws;

/// The sky, over the whole width and down to just below the horizon.
pub(super) fn sky(painter: &mut Painter, travel: f64) {
    let (w, h) = (f64::from(painter.canvas.width), painter.camera.vanish[1] + 2.0);
    let (light, texture) = (painter.light, painter.texture);
    let frame = [[-3.0, -3.0], [w + 2.0, -3.0], [w + 2.0, h], [-3.0, h]];
    painter.canvas.object("sky", &frame, |x, y| {
        let (u, v) = (x / w, y / h);
        // Clouds flatten towards the horizon.
        let cloud = texture.rough(u * 9.0 + travel * 0.01, 4.0 / (1.25 - v.min(1.0)));
        light.sky(u, v, cloud + 0.08)
    });
}

/// Hazy blocks and a line of trees where the street ends.
pub(super) fn skyline(painter: &mut Painter, draws: &mut Draws) {
    let camera = painter.camera;
    let mut x = -150.0;
    while x < 150.0 {
        let (width, height) = (draws.range(9.0, 22.0), draws.range(8.0, 26.0));
        let spot = painter.spot(x, 130.0);
        let wall = vary(draws, [0.74, 0.70, 0.66], 0.15);
        if draws.chance(0.55) {
            painter.object("building", 130.0, &spot.rect([0.0, width], [0.0, height]), |px, py| {
                let [u, v] = spot.local(px, py);
                let window = u.rem_euclid(3.0) < 1.4 && v.rem_euclid(3.4) < 1.6;
                if window { scale(wall, 0.7) } else { wall }
            });
        }
        x += width * draws.range(0.8, 1.3);
    }
    let mut line: Vec<Point> = vec![camera.project(-140.0, -0.4, 110.0)];
    for k in -28..=28 {
        line.push(camera.project(f64::from(k) * 5.0, draws.range(3.0, 6.5), 110.0));
    }
    line.push(camera.project(140.0, -0.4, 110.0));
    let texture = painter.texture;
    painter.object("vegetation", 60.0, &line, |px, py| {
        scale([0.20, 0.34, 0.14], 1.0 + 0.5 * texture.at(px * 0.4, py * 0.4))
    });
}

/// A flyover across the street, `z` metres ahead.
pub(super) fn flyover(painter: &mut Painter, z: f64, draws: &mut Draws) {
    let spot = painter.spot(0.0, z);
    let (texture, grey) = (painter.texture, vary(draws, [0.66, 0.65, 0.62], 0.05));
    let concrete = move |u: f64, v: f64| scale(grey, 1.0 + 0.3 * texture.rough(u * 0.5, v * 0.25));
    for x in [-17.0, -7.6, 9.6, 20.0] {
        let pier = spot.rect([x - 0.9, x + 0.9], [0.0, 6.5]);
        painter.object("bridge", z, &pier, |px, py| {
            let [u, v] = spot.local(px, py);
            scale(concrete(u, v), 0.82 - 0.1 * (u - x) as f32)
        });
    }
    let deck = spot.rect([-90.0, 90.0], [6.0, 9.2]);
    painter.object("bridge", z, &deck, |px, py| {
        let [u, v] = spot.local(px, py);
        let rail = (8.5..8.75).contains(&v) || v > 9.0;
        let joint = u.rem_euclid(9.0) < 0.25;
        let under = if v < 6.7 { 0.6 } else { 1.0 };
        scale(concrete(u, v), if rail { 1.16 } else { under } * if joint { 0.75 } else { 1.0 })
    });
}

/// Leaves: speckled, lit from above and from the sun's side.
fn leaves(
    painter: &mut Painter,
    spot: Spot,
    polygon: &[Point],
    centre: Point,
    r: f64,
    hue: Colour,
) {
    let (texture, sun) = (painter.texture, painter.light.sun);
    painter.object("vegetation", spot.z, polygon, |px, py| {
        let [u, v] = spot.local(px, py);
        let light = ((u - centre[0]) * sun * 0.3 + (v - centre[1]) * 0.6) / r;
        let fleck = texture.rough(u * 2.2 + spot.x * 7.0, v * 2.2 + spot.x);
        let tone = 0.5 + light * 0.4 + f64::from(fleck) * 1.3;
        mix(scale(hue, 0.5), scale(hue, 1.35), tone as f32)
    });
}

fn blob(spot: &Spot, centre: Point, radius: Point, draws: &mut Draws) -> Vec<Point> {
    let corner = |k: u32| {
        let (sin, cos) = (f64::from(k) * std::f64::consts::TAU / 16.0).sin_cos();
        let bulge = draws.range(0.82, 1.12);
        [centre[0] + radius[0] * bulge * cos, centre[1] + radius[1] * bulge * sin]
    };
    spot.shape(&(0..16).map(corner).collect::<Vec<_>>())
}

fn green(draws: &mut Draws) -> Colour {
    let hue = mix([0.17, 0.40, 0.12], [0.28, 0.48, 0.14], draws.unit() as f32);
    vary(draws, hue, 0.1)
}

/// A broad street tree (a neem or a banyan), or now and then a coconut palm.
pub(super) fn tree(painter: &mut Painter, x: f64, z: f64, draws: &mut Draws) {
    let spot = painter.spot(x, z);
    if draws.chance(0.22) {
        return palm(painter, spot, draws);
    }
    let (trunk, r) = (draws.range(2.4, 3.4), draws.range(1.7, 2.6));
    let stem = spot.shape(&[[-0.3, 0.0], [0.3, 0.0], [0.2, trunk + 0.6], [-0.2, trunk + 0.6]]);
    painter.body("vegetation", z, &stem, [0.27, 0.22, 0.13]);
    let hue = green(draws);
    for (du, dv, share) in
        [(0.0, 0.9, 0.95), (-0.75, 0.35, 0.8), (0.75, 0.3, 0.8), (0.05, 0.15, 0.9)]
    {
        let centre = [du * r + draws.range(-0.2, 0.2), trunk + (0.4 + dv) * r];
        let crown = blob(&spot, centre, [r * share, r * share * 0.85], draws);
        leaves(painter, spot, &crown, centre, r, hue);
    }
}

fn palm(painter: &mut Painter, spot: Spot, draws: &mut Draws) {
    let (height, lean) = (draws.range(5.0, 7.5), draws.range(-0.5, 0.5));
    let stem = [[-0.24, 0.0], [0.24, 0.0], [lean + 0.16, height], [lean - 0.16, height]];
    painter.body("vegetation", spot.z, &spot.shape(&stem), [0.34, 0.28, 0.17]);
    let hue = green(draws);
    for k in 0..9 {
        let angle = f64::from(k) * std::f64::consts::PI / 8.0 + draws.range(-0.1, 0.1);
        let (sin, cos) = angle.sin_cos();
        let (tip, mid) = (2.5, 1.4);
        let drop = 1.1 * cos.abs();
        let frond = [
            [lean, height - 0.15],
            [lean + mid * cos, height + mid * sin * 0.8 - 0.5],
            [lean + tip * cos, height + tip * sin * 0.55 - drop],
            [lean + mid * cos, height + mid * sin * 0.8 + 0.4],
            [lean, height + 0.25],
        ];
        let polygon = spot.shape(&frond);
        leaves(painter, spot, &polygon, [lean, height], 2.0, hue);
    }
}

/// A bush on the ground.
pub(super) fn bush(painter: &mut Painter, x: f64, z: f64, draws: &mut Draws) {
    let spot = painter.spot(x, z);
    let hue = green(draws);
    for side in [-0.5, 0.5] {
        let (r, u) = (draws.range(0.55, 0.85), side * draws.range(0.6, 1.2));
        let polygon = blob(&spot, [u, r * 0.75], [r * 1.2, r * 0.9], draws);
        leaves(painter, spot, &polygon, [u, r], r, hue);
    }
}
