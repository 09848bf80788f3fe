//! Four wheels, three wheels and rails: cars, autorickshaws, buses, trucks and trams.
//!
//! Each is a convex profile drawn out along the street, so its outline is the hull of the two ends.

use super::camera::{Painter, Spot};
use super::canvas::Point;
use super::texture::{Colour, mix, pick, scale};
use crate::draw::Draws;

/// Which end of a vehicle the camera sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Front,
    Rear,
}

struct Solid {
    spot: Spot,
    half: f64,
    z: [f64; 2],
    /// The plane of the visible flank.
    flank: f64,
}

const TYRE: Colour = [0.06, 0.06, 0.065];
const LAMP: Colour = [0.97, 0.94, 0.80];
const TAIL: Colour = [0.80, 0.05, 0.05];

impl Solid {
    /// Paints the outline in a colour; `profile` is the right half, from the ground to the roof.
    fn new(
        painter: &mut Painter,
        label: &'static str,
        [x, z]: Point,
        [half, length]: Point,
        profile: &[Point],
        colour: Colour,
    ) -> Self {
        painter.shadow(x, z + length / 2.0, [half, length / 2.0]);
        let near = painter.spot(x, z);
        let mut points = near.mirrored(profile, [half, 1.0]);
        points.extend(painter.spot(x, z + length).mirrored(profile, [half, 1.0]));
        painter.body(label, z, &hull(points), scale(colour, 0.82));
        let flank = if x > 0.0 { x - half } else { x + half };
        let face = near.mirrored(profile, [half, 1.0]);
        painter.patch(z, &face, colour);
        Self { spot: near, half, z: [z, z + length], flank }
    }

    /// A rectangle of the face; `u` in half widths.
    fn face(&self, u: [f64; 2], v: [f64; 2]) -> Vec<Point> {
        self.spot.rect(u.map(|u| u * self.half), v)
    }

    /// The same on both sides of the middle.
    fn pair(&self, painter: &mut Painter, u: [f64; 2], v: [f64; 2], colour: Colour) {
        painter.patch(self.z[0], &self.face(u, v), colour);
        painter.patch(self.z[0], &self.face([-u[0], -u[1]], v), colour);
    }

    /// Whether the flank faces the camera.
    fn shows_flank(&self) -> bool {
        self.flank * self.spot.x > 0.0
    }

    /// A rectangle of the flank; `t` in lengths from the near end.
    fn side(&self, painter: &Painter, t: [f64; 2], v: [f64; 2]) -> [Point; 4] {
        let at = |t: f64| self.z[0] + (self.z[1] - self.z[0]) * t;
        painter.camera.panel(self.flank, t.map(at), v)
    }

    fn wheels(&self, painter: &mut Painter, at: &[f64], radius: f64) {
        self.pair(painter, [0.62, 0.92], [-0.1, radius * 1.1], TYRE);
        if !self.shows_flank() {
            return;
        }
        for &t in at {
            let z = self.z[0] + (self.z[1] - self.z[0]) * t;
            let rim = |r: f64| -> Vec<Point> {
                (0..12)
                    .map(|k| {
                        let (sin, cos) = (f64::from(k) * std::f64::consts::TAU / 12.0).sin_cos();
                        painter.camera.project(self.flank, radius + r * sin, (z + r * cos).max(0.8))
                    })
                    .collect()
            };
            let (tyre, hub) = (rim(radius), rim(radius * 0.5));
            painter.patch(z, &tyre, TYRE);
            painter.patch(z, &hub, [0.5, 0.5, 0.5]);
        }
    }
}

/// The convex hull (Andrew's monotone chain).
fn hull(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let half = |order: &mut dyn Iterator<Item = &Point>| {
        let mut chain: Vec<Point> = Vec::new();
        for &p in order {
            while let [.., a, b] = chain[..] {
                if (b[0] - a[0]) * (p[1] - a[1]) > (b[1] - a[1]) * (p[0] - a[0]) {
                    break;
                }
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut whole = half(&mut points.iter());
    whole.extend(half(&mut points.iter().rev()));
    whole
}

const CARS: [Colour; 5] = [
    [0.93, 0.93, 0.92],
    [0.76, 0.78, 0.80],
    [0.50, 0.08, 0.12],
    [0.90, 0.90, 0.88],
    [0.34, 0.36, 0.40],
];

pub(super) fn car(painter: &mut Painter, at: Point, end: End, draws: &mut Draws) {
    let colour = pick(draws, &CARS);
    let tall = draws.range(1.4, 1.68);
    let profile = [[0.94, 0.0], [1.0, 0.3], [1.0, 0.86], [0.80, tall - 0.06], [0.62, tall]];
    let solid = Solid::new(painter, "car", at, [0.88, 3.7], &profile, colour);
    let z = at[1];
    if solid.shows_flank() {
        let side = solid.side(painter, [0.12, 0.82], [0.9, tall - 0.14]);
        painter.glass(z, &side);
    }
    let screen = solid.spot.mirrored(&[[0.76, 0.92], [0.62, tall - 0.12]], [0.88, 1.0]);
    painter.glass(z, &screen);
    painter.patch(z, &solid.face([-0.97, 0.97], [0.0, 0.22]), [0.05, 0.05, 0.055]);
    painter.patch(z, &solid.face([-0.98, 0.98], [0.24, 0.36]), scale(colour, 0.6));
    let plate = if draws.chance(0.3) { [0.92, 0.76, 0.12] } else { [0.92, 0.92, 0.9] };
    painter.patch(z, &solid.face([-0.28, 0.28], [0.44, 0.56]), plate);
    match end {
        End::Rear => solid.pair(painter, [0.66, 0.97], [0.62, 0.84], TAIL),
        End::Front => {
            solid.pair(painter, [0.62, 0.95], [0.60, 0.78], LAMP);
            painter.patch(z, &solid.face([-0.55, 0.55], [0.6, 0.76]), [0.12, 0.12, 0.13]);
        }
    }
    solid.wheels(painter, &[0.2, 0.8], 0.3);
}

/// Green below and yellow above, as in Delhi, or black below, as in Mumbai.
pub(super) fn autorickshaw(painter: &mut Painter, at: Point, end: End, draws: &mut Draws) {
    let lower =
        if draws.chance(0.75) { pick(draws, &[[0.05, 0.48, 0.24]]) } else { [0.09, 0.09, 0.08] };
    let yellow = pick(draws, &[[0.97, 0.80, 0.08]]);
    let profile = [[0.9, 0.0], [1.0, 0.3], [1.0, 1.0], [0.93, 1.55], [0.66, 1.82]];
    let half = 0.72;
    let solid = Solid::new(painter, "autorickshaw", at, [half, 2.5], &profile, lower);
    let z = at[1];
    let hood = [[1.0, 0.92], [0.93, 1.55], [0.66, 1.86]];
    if solid.shows_flank() {
        let side = solid.side(painter, [0.0, 1.0], [0.95, 1.85]);
        painter.patch(z, &side, scale(yellow, 0.85));
        let open = solid.side(painter, [0.2, 0.85], [0.75, 1.42]);
        painter.patch(z, &open, [0.13, 0.12, 0.10]);
    }
    let hood = solid.spot.mirrored(&hood, [half, 1.0]);
    painter.patch(z, &hood, yellow);
    match end {
        End::Rear => {
            painter.patch(z, &solid.face([-0.5, 0.5], [1.2, 1.5]), [0.16, 0.16, 0.15]);
            painter.patch(z, &solid.face([-0.85, 0.85], [0.92, 0.99]), [0.10, 0.10, 0.09]);
            solid.pair(painter, [0.72, 0.96], [0.45, 0.65], TAIL);
        }
        End::Front => {
            painter.glass(z, &solid.face([-0.8, 0.8], [1.0, 1.56]));
            painter.patch(z, &solid.face([-0.2, 0.2], [0.55, 0.8]), LAMP);
            painter.patch(z, &solid.face([-0.16, 0.16], [0.0, 0.42]), TYRE);
        }
    }
    painter.patch(z, &solid.face([-0.3, 0.3], [0.3, 0.43]), [0.95, 0.85, 0.3]);
    painter.patch(z, &solid.face([-0.6, 0.6], [-0.1, 0.2]), [0.05, 0.05, 0.05]);
    solid.wheels(painter, &[0.2], 0.25);
}

pub(super) fn bus(painter: &mut Painter, at: Point, end: End, draws: &mut Draws) {
    let colour = pick(draws, &[[0.82, 0.22, 0.08], [0.92, 0.44, 0.06]]);
    let cream = [0.94, 0.86, 0.68];
    let profile = [[0.96, 0.0], [1.0, 0.4], [1.0, 2.8], [0.9, 3.1]];
    let solid = Solid::new(painter, "bus", at, [1.25, 9.0], &profile, colour);
    let z = at[1];
    if solid.shows_flank() {
        let belt = solid.side(painter, [0.0, 1.0], [1.35, 1.5]);
        painter.patch(z, &belt, cream);
        for k in 0..8 {
            let from = 0.03 + 0.12 * f64::from(k);
            let pane = solid.side(painter, [from, from + 0.09], [1.62, 2.5]);
            painter.glass(z, &pane);
        }
    }
    painter.glass(z, &solid.face([-0.86, 0.86], [1.5, 2.45]));
    let texture = painter.texture;
    let board = solid.face([-0.7, 0.7], [2.58, 2.92]);
    let spot = solid.spot;
    painter.detail(z, &board, |px, py| {
        let [u, v] = spot.local(px, py);
        if texture.ink(u * 2.4, (v - 2.63) / 0.24) { [0.98, 0.72, 0.2] } else { [0.08, 0.07, 0.06] }
    });
    painter.patch(z, &solid.face([-1.0, 1.0], [1.22, 1.36]), cream);
    painter.patch(z, &solid.face([-0.98, 0.98], [0.3, 0.5]), [0.16, 0.14, 0.13]);
    painter.patch(z, &solid.face([-0.95, 0.95], [-0.1, 0.26]), [0.05, 0.05, 0.05]);
    solid.pair(painter, [0.66, 0.94], [0.66, 0.92], if end == End::Front { LAMP } else { TAIL });
    solid.wheels(painter, &[0.2, 0.78], 0.45);
}

/// A goods carrier with painted boards ("Horn OK Please").
pub(super) fn truck(painter: &mut Painter, at: Point, end: End, draws: &mut Draws) {
    let colour = pick(draws, &[[0.86, 0.40, 0.08], [0.72, 0.24, 0.07]]);
    let profile = [[0.95, 0.0], [1.0, 0.5], [1.0, 2.6], [0.96, 2.75]];
    let solid = Solid::new(painter, "truck", at, [1.2, 6.5], &profile, colour);
    let z = at[1];
    if solid.shows_flank() {
        for k in 0..4 {
            let v = 1.05 + 0.42 * f64::from(k);
            let plank = solid.side(painter, [0.02, 0.98], [v, v + 0.12]);
            painter.patch(z, &plank, scale(colour, 0.5));
        }
    }
    let (texture, spot) = (painter.texture, solid.spot);
    if end == End::Rear {
        let tail = solid.face([-0.94, 0.94], [0.85, 2.55]);
        painter.detail(z, &tail, |px, py| tailgate(spot.local(px, py), texture, colour));
        solid.pair(painter, [0.7, 0.95], [0.58, 0.76], TAIL);
    } else {
        painter.glass(z, &solid.face([-0.85, 0.85], [1.45, 2.1]));
        painter.patch(z, &solid.face([-0.9, 0.9], [2.2, 2.5]), [0.95, 0.80, 0.2]);
        painter.detail(z, &solid.face([-0.55, 0.55], [0.7, 1.25]), |px, py| {
            let [u, v] = spot.local(px, py);
            if (u + v).rem_euclid(0.3) < 0.1 { [0.9, 0.8, 0.3] } else { [0.25, 0.1, 0.08] }
        });
        solid.pair(painter, [0.66, 0.92], [0.72, 0.98], LAMP);
    }
    painter.patch(z, &solid.face([-0.98, 0.98], [0.36, 0.54]), [0.90, 0.78, 0.18]);
    painter.patch(z, &solid.face([-0.94, 0.94], [-0.1, 0.34]), [0.05, 0.05, 0.05]);
    solid.wheels(painter, &[0.22, 0.8], 0.48);
}

fn tailgate([u, v]: Point, texture: &super::texture::Texture, colour: Colour) -> Colour {
    let frame = u.abs() > 1.02 || u.abs() < 0.06 || (v - 1.65).abs() < 0.07;
    if frame {
        return [0.93, 0.78, 0.20];
    }
    if (1.1..1.45).contains(&v) && u.abs() < 0.95 {
        let ink = texture.ink(u * 2.2, (v - 1.15) / 0.25);
        return if ink { [0.95, 0.92, 0.85] } else { [0.50, 0.10, 0.06] };
    }
    let (du, dv) = (u.abs() - 0.54, v - 2.1);
    let flower = du * du + dv * dv < 0.08;
    if flower { [0.94, 0.70, 0.55] } else { mix(colour, [0.4, 0.1, 0.05], 0.15) }
}

/// Two cars of a tram, blue with a cream belt.
pub(super) fn tram(painter: &mut Painter, at: Point, end: End) {
    let blue = [0.08, 0.14, 0.56];
    let cream = [0.92, 0.88, 0.74];
    let profile = [[0.96, 0.0], [1.0, 0.5], [1.0, 3.0], [0.82, 3.3]];
    let solid = Solid::new(painter, "train", at, [1.2, 15.0], &profile, blue);
    let z = at[1];
    if solid.shows_flank() {
        let belt = solid.side(painter, [0.0, 1.0], [1.12, 1.45]);
        painter.patch(z, &belt, cream);
        for k in 0..12 {
            let from = 0.015 + 0.082 * f64::from(k);
            let pane = solid.side(painter, [from, from + 0.058], [1.62, 2.6]);
            painter.glass(z, &pane);
        }
        let gap = solid.side(painter, [0.49, 0.515], [0.2, 3.3]);
        painter.patch(z, &gap, [0.05, 0.05, 0.07]);
    }
    painter.patch(z, &solid.face([-1.0, 1.0], [1.12, 1.45]), cream);
    painter.glass(z, &solid.face([-0.8, 0.8], [1.65, 2.6]));
    painter.patch(z, &solid.face([-0.05, 0.05], [1.6, 2.65]), blue);
    painter.patch(z, &solid.face([-0.3, 0.3], [2.72, 3.05]), [0.95, 0.80, 0.25]);
    let lamp = if end == End::Front { LAMP } else { TAIL };
    painter.patch(z, &solid.spot.ellipse([0.0, 0.85], [0.2, 0.2]), lamp);
    painter.patch(z, &solid.face([-0.95, 0.95], [-0.1, 0.32]), [0.05, 0.05, 0.06]);
}
