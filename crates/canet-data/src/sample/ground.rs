//! What one drives and walks on: road, shoulders, pavements, kerbs, mud, earth and tracks.
//!
//! Textures are functions of the place in the world, so they move past as the camera drives on.

use super::camera::Painter;
use super::canvas::Point;
use super::street::{Side, Street, Strip, Surface};
use super::texture::{Colour, Texture, mix, scale};

/// Where strips end, far enough to meet the sky within a pixel.
const FAR: f64 = 500.0;
const NEAR: f64 = 1.0;

/// Paints all of the ground; `travel` is how far the camera has driven.
pub(super) fn paint(painter: &mut Painter, street: &Street, travel: f64) {
    for side in &street.sides {
        // From the outermost inwards; that one stands for all that is farther out.
        for (k, strip) in side.strips.iter().enumerate().rev() {
            let outer = if k + 1 == side.strips.len() { 900.0 } else { strip.outer };
            strip_of_ground(painter, side, &Strip { outer, ..*strip }, travel);
        }
    }
    road(painter, street, travel);
    for side in street.sides.iter().filter(|side| side.curb) {
        curb(painter, side, travel);
    }
}

fn label(surface: Surface) -> &'static str {
    match surface {
        Surface::Asphalt => "road",
        Surface::Paving => "sidewalk",
        Surface::Shoulder => "drivable fallback",
        Surface::Drain | Surface::Verge | Surface::Mud => "non-drivable fallback",
        Surface::Earth => "ground",
        Surface::Track => "rail track",
    }
}

fn quad(painter: &Painter, left: f64, right: f64) -> [Point; 4] {
    let at = |x, z| painter.camera.project(x, 0.0, z);
    [at(left, NEAR), at(left, FAR), at(right, FAR), at(right, NEAR)]
}

fn strip_of_ground(painter: &mut Painter, side: &Side, strip: &Strip, travel: f64) {
    let polygon = quad(painter, side.sign * strip.inner, side.sign * strip.outer);
    let (camera, light, texture) = (painter.camera, painter.light, painter.texture);
    let (strip, sign) = (*strip, side.sign);
    painter.canvas.object(label(strip.surface), &polygon, |px, py| {
        let (x, z) = camera.ground(px, py);
        let across = x * sign - strip.inner;
        light.lit(surface(strip.surface, across, z, z + travel, texture), z)
    });
}

/// The colour of a surface, `across` metres from its inner edge, `z` ahead, `s` along the street.
fn surface(kind: Surface, across: f64, z: f64, s: f64, texture: &Texture) -> Colour {
    let near = (1.0 - z / 30.0).max(0.0) as f32;
    let grain = 0.5 * near * texture.at(across * 9.0, s * 5.0);
    let patch = texture.rough(across * 0.9, s * 0.45);
    let colour = match kind {
        Surface::Asphalt => [0.33, 0.34, 0.38],
        Surface::Paving => {
            let joint = |v: f64| v.rem_euclid(0.6) < 0.06;
            if (0.75..1.05).contains(&across) {
                [0.86, 0.70, 0.22]
            } else if z < 16.0 && (joint(across) || joint(s)) {
                [0.50, 0.44, 0.52]
            } else {
                let odd = ((across / 0.6).floor() + (s / 0.6).floor()).rem_euclid(2.0) as f32;
                mix([0.68, 0.60, 0.70], [0.74, 0.68, 0.76], odd)
            }
        }
        Surface::Shoulder => mix([0.78, 0.69, 0.50], [0.70, 0.64, 0.50], patch * 2.0),
        Surface::Drain => {
            if (0.25..1.3).contains(&across) {
                mix([0.17, 0.21, 0.04], [0.30, 0.36, 0.10], 0.5 + 1.6 * patch)
            } else {
                [0.40, 0.42, 0.20]
            }
        }
        Surface::Verge => {
            let tuft = texture.at(across * 5.0, s * 2.2);
            mix([0.33, 0.34, 0.08], [0.46, 0.47, 0.12], 0.5 + tuft)
        }
        Surface::Mud => {
            let puddle = ((patch - 0.16) * 14.0).clamp(0.0, 1.0);
            mix([0.34, 0.31, 0.10], [0.44, 0.46, 0.30], puddle * 0.7)
        }
        Surface::Earth => mix([0.76, 0.43, 0.24], [0.66, 0.36, 0.22], 0.5 + 1.4 * patch),
        Surface::Track => track(across, s, near),
    };
    scale(colour, 1.0 + grain * 0.5 + patch * 0.18)
}

/// Tram tracks are overgrown, in the olive that all ground not to be driven on has here.
const GRASS: Colour = [0.32, 0.33, 0.09];

fn track(across: f64, s: f64, near: f32) -> Colour {
    let rail = |at: f64| (across - at).abs() < 0.09;
    if rail(1.25) || rail(2.65) {
        [0.62, 0.60, 0.58]
    } else if (0.9..3.0).contains(&across) && s.rem_euclid(0.8) < 0.3 {
        mix(GRASS, [0.42, 0.38, 0.16], near)
    } else {
        GRASS
    }
}

fn road(painter: &mut Painter, street: &Street, travel: f64) {
    let [left, right] = street.sides.each_ref().map(|side| side.sign * side.road);
    let polygon = quad(painter, left, right);
    let (camera, light, texture) = (painter.camera, painter.light, painter.texture);
    let middle = f64::midpoint(left, right);
    // Houses and trees on the sunny side throw their shadows over that edge of the road.
    let reach = 0.9 + 1.6 * light.sun.abs();
    let crossing = 22.0 + 26.0 * f64::from(street.drive % 5) / 5.0;
    painter.canvas.object("road", &polygon, |px, py| {
        let (x, z) = camera.ground(px, py);
        let s = z + travel;
        let base = surface(Surface::Asphalt, x - left, z, s, texture);
        let edge = (x - left).min(right - x);
        let dusty = mix(base, [0.58, 0.52, 0.42], ((0.6 - edge) * 0.8) as f32);
        let worn = texture.at(x * 4.0, s * 2.0) < 0.3;
        let dash = (x - middle).abs() < 0.09 && s.rem_euclid(6.0) < 3.2;
        let border = (edge - 0.25).abs() < 0.06;
        let zebra = (0.0..2.6).contains(&(s - crossing)) && x.rem_euclid(0.95) < 0.5;
        let paint = worn && z < 45.0 && (dash || border || zebra);
        let colour = if paint { [0.84, 0.82, 0.74] } else { dusty };
        let shaded = if light.sun < 0.0 { x - left } else { right - x };
        let bound = reach + 1.6 * f64::from(texture.at(3.0, s * 0.23));
        let dark = if shaded < bound { light.shadow } else { 1.0 };
        light.lit(scale(colour, dark), z)
    });
}

/// Kerb stones in black and yellow, as the traffic police like them.
fn curb(painter: &mut Painter, side: &Side, travel: f64) {
    let (height, width) = (0.16, 0.36);
    let (camera, light, texture) = (painter.camera, painter.light, painter.texture);
    let (inner, outer) = (side.sign * side.road, side.sign * (side.road + width));
    let at = |x, y, z| camera.project(x, y, z);
    let far = 90.0;
    let polygon = [
        at(inner, 0.0, NEAR),
        at(inner, 0.0, far),
        at(outer, height, far),
        at(outer, height, NEAR),
    ];
    painter.canvas.object("curb", &polygon, |px, py| {
        let (z, y) = camera.along(px, py, inner);
        // Above the face the pixel shows the top, a little farther out at the same depth.
        let (z, top) = if y > height { (camera.along(px, py, outer).0, 1.12) } else { (z, 0.9) };
        let stone = ((z + travel) / 0.9).rem_euclid(2.0) < 1.0;
        let sharp = (1.0 - z / 60.0).max(0.0) as f32;
        let stripe = if stone { [0.95, 0.78, 0.08] } else { [0.09, 0.09, 0.08] };
        let colour = mix([0.56, 0.47, 0.10], stripe, sharp);
        light.lit(scale(colour, top + 0.2 * texture.at(px * 0.5, py * 0.5)), z)
    });
}
