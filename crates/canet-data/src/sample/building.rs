//! Shop houses: shutters and signs at street level, windows and balconies above, a tank on the roof.

use super::camera::Painter;
use super::texture::{Colour, Texture, mix, pick, scale};
use crate::draw::Draws;

const STOREY: f64 = 3.1;

const WALLS: [Colour; 7] = [
    [0.90, 0.80, 0.66],
    [0.66, 0.78, 0.84],
    [0.92, 0.82, 0.56],
    [0.88, 0.68, 0.66],
    [0.70, 0.82, 0.72],
    [0.88, 0.86, 0.82],
    [0.82, 0.74, 0.84],
];
const TRIMS: [Colour; 4] =
    [[0.94, 0.92, 0.86], [0.62, 0.40, 0.32], [0.40, 0.50, 0.62], [0.55, 0.56, 0.58]];
const SHUTTERS: [Colour; 4] =
    [[0.44, 0.52, 0.60], [0.52, 0.56, 0.50], [0.58, 0.54, 0.50], [0.40, 0.50, 0.52]];
const SIGNS: [Colour; 5] = [
    [0.78, 0.14, 0.16],
    [0.14, 0.30, 0.66],
    [0.94, 0.78, 0.14],
    [0.10, 0.46, 0.30],
    [0.9, 0.9, 0.86],
];

struct Bay {
    shutter: Colour,
    sign: Colour,
    open: bool,
    balcony: bool,
}

struct House {
    wall: Colour,
    trim: Colour,
    bays: Vec<Bay>,
    bay: f64,
    height: f64,
}

impl House {
    fn new(length: f64, floors: usize, draws: &mut Draws) -> Self {
        let count = 2 + draws.below(2);
        let bays = (0..count)
            .map(|_| Bay {
                shutter: pick(draws, &SHUTTERS),
                sign: pick(draws, &SIGNS),
                open: draws.chance(0.45),
                balcony: draws.chance(0.45),
            })
            .collect();
        Self {
            wall: pick(draws, &WALLS),
            trim: pick(draws, &TRIMS),
            bays,
            bay: length / count as f64,
            height: STOREY * floors as f64 + 0.8,
        }
    }

    /// The front at `u` metres along and `v` metres up.
    fn colour(&self, u: f64, v: f64, texture: &Texture) -> Colour {
        let index = ((u / self.bay).max(0.0) as usize).min(self.bays.len() - 1);
        let bay = &self.bays[index];
        let across = (u / self.bay).rem_euclid(1.0);
        let stain = 1.0 + 0.16 * texture.rough(u * 0.8, v * 0.5);
        if v > self.height - 0.5 {
            return scale(self.trim, stain);
        }
        if v < STOREY {
            return scale(shop(bay, u, across, v, texture).unwrap_or(self.wall), stain);
        }
        let up = ((v - STOREY) / STOREY).rem_euclid(1.0);
        let window = (0.24..0.76).contains(&across) && (0.30..0.74).contains(&up);
        let frame = (0.20..0.80).contains(&across) && (0.25..0.78).contains(&up);
        let colour = if up < 0.07 {
            scale(self.trim, 0.92)
        } else if bay.balcony && up < 0.38 && (0.06..0.94).contains(&across) {
            let bar = (u * 2.6).rem_euclid(1.0) < 0.4 || up > 0.33;
            if bar { self.trim } else { scale(self.wall, 0.45) }
        } else if window {
            let pane = (across - 0.5).abs() < 0.02;
            if pane { self.trim } else { mix([0.14, 0.18, 0.22], [0.34, 0.42, 0.48], up as f32) }
        } else if frame {
            self.trim
        } else {
            self.wall
        };
        scale(colour, stain)
    }
}

/// Street level: a sign board over a shutter or an open shop; none at the pillars.
fn shop(bay: &Bay, u: f64, across: f64, v: f64, texture: &Texture) -> Option<Colour> {
    if !(0.07..0.93).contains(&across) {
        return None;
    }
    if v > 2.35 {
        let ink = texture.ink(u * 1.6, (v - 2.5) / 0.45) && (0.15..0.85).contains(&across);
        let pale = bay.sign.iter().sum::<f32>() > 1.7;
        return Some(match (ink, pale) {
            (false, _) => bay.sign,
            (true, true) => [0.60, 0.10, 0.12],
            (true, false) => [0.95, 0.93, 0.86],
        });
    }
    if bay.open {
        // Goods on shelves in the dark.
        let shelf = (v * 2.2).rem_euclid(1.0) < 0.55;
        let goods = texture.at((u * 4.0).floor(), (v * 2.2).floor() + 60.0);
        let hue = [0.5 + goods, 0.35 + 0.4 * goods, 0.45 - 0.6 * goods];
        return Some(if shelf && v < 2.0 { scale(hue, 0.62) } else { [0.16, 0.13, 0.11] });
    }
    let ridge = (v / 0.22).rem_euclid(1.0) as f32;
    Some(scale(bay.shutter, 0.85 + 0.25 * ridge))
}

/// A house whose front lies along the street at `x` between two depths.
pub(super) fn paint(painter: &mut Painter, x: f64, z: [f64; 2], floors: usize, draws: &mut Draws) {
    let house = House::new(z[1] - z[0], floors, draws);
    let (camera, light, texture) = (painter.camera, painter.light, painter.texture);
    // The sun stands to one side: fronts that look away from it are darker.
    let facing = if light.sun * x < 0.0 { 1.0 } else { 0.5 + 0.5 * light.shadow };
    if z[0] > 2.0 {
        end_wall(painter, &house, x, z[0], draws);
    }
    let front = camera.panel(x, z, [0.0, house.height]);
    painter.canvas.object("building", &front, |px, py| {
        let (depth, v) = camera.along(px, py, x);
        let depth = depth.clamp(z[0], z[1]);
        light.lit(scale(house.colour(depth - z[0], v, texture), facing), depth)
    });
}

/// The wall towards the camera, plain and stained, and the black water tank above it.
fn end_wall(painter: &mut Painter, house: &House, x: f64, z: f64, draws: &mut Draws) {
    let spot = painter.spot(x, z);
    let out = 12.0 * x.signum();
    if draws.chance(0.6) {
        let u = x.signum() * draws.range(1.0, 2.2);
        let tank = spot.rect([u, u + 1.5 * x.signum()], [house.height - 0.1, house.height + 1.4]);
        painter.body("building", z, &tank, [0.13, 0.13, 0.14]);
    }
    let wall = spot.rect([0.0, out], [0.0, house.height]);
    let (texture, colour) = (painter.texture, scale(house.wall, 0.78));
    let trim = house.trim;
    let top = house.height - 0.4;
    painter.object("building", z, &wall, |px, py| {
        let [u, v] = spot.local(px, py);
        let up = (v / STOREY).rem_euclid(1.0);
        let window = u.abs().rem_euclid(3.4) > 2.2 && (0.35..0.72).contains(&up);
        let base = if v > top || up < 0.05 { scale(trim, 0.8) } else { colour };
        let plain = if window { [0.20, 0.23, 0.26] } else { base };
        scale(plain, 1.0 + 0.22 * texture.rough(u * 0.7, v * 0.3))
    });
}
