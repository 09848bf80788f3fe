//! Who stands where: fills a frame with the houses, trees and furniture of its street, which stay
//! in place from frame to frame, and with traffic, which is new in each.

use super::backdrop;
use super::camera::Painter;
use super::people;
use super::riders;
use super::roadside;
use super::street::{Profile, Side, Street};
use super::vehicles::{self, End};
use crate::draw::Draws;

type Paint<'s> = Box<dyn FnOnce(&mut Painter<'_>) + 's>;

/// Things to paint, by layer and then from far to near.
///
/// Layers are needed since what runs along the street has no one depth: 0 is behind the barriers,
/// 1 the barriers, 2 what is on the road's side of them.
#[derive(Default)]
pub(super) struct Queue<'s> {
    items: Vec<(u8, f64, Paint<'s>)>,
}

impl<'s> Queue<'s> {
    fn add(&mut self, layer: u8, z: f64, paint: impl FnOnce(&mut Painter<'_>) + 's) {
        self.items.push((layer, z, Box::new(paint)));
    }

    pub(super) fn paint(mut self, painter: &mut Painter<'_>) {
        self.items.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        self.items.into_iter().for_each(|(_, _, paint)| paint(painter));
    }
}

/// The numbers and depths of plots of `length` metres that are in sight.
fn plots(length: f64, travel: f64, reach: f64) -> impl Iterator<Item = (u64, f64)> {
    let first = (travel / length).floor() as u64;
    (first..).map(move |k| (k, k as f64 * length - travel)).take_while(move |p| p.1 < reach)
}

/// All that keeps its place along the street.
pub(super) fn fixtures<'s>(queue: &mut Queue<'s>, street: &'s Street, travel: f64) {
    for side in &street.sides {
        houses(queue, street, side, travel);
        greenery(queue, street, side, travel);
        barriers(queue, side, travel);
        furniture(queue, street, side, travel);
    }
}

fn key(side: &Side, plot: u64) -> u64 {
    plot * 2 + u64::from(side.sign > 0.0)
}

fn houses<'s>(queue: &mut Queue<'s>, street: &'s Street, side: &'s Side, travel: f64) {
    let dense = matches!(side.profile, Profile::Shops | Profile::Bazaar | Profile::Tram);
    let x = side.sign * side.facade;
    for (plot, z) in plots(9.5, travel, 85.0) {
        let mut draws = street.draws(key(side, plot), "sample house");
        if !draws.chance(if dense { 0.93 } else { 0.6 }) {
            continue;
        }
        let length = draws.range(7.6, 9.3);
        let floors = 1 + draws.below(if dense { 3 } else { 4 });
        queue.add(0, z, move |painter| {
            super::building::paint(painter, x, [z, z + length], floors, &mut draws);
        });
    }
}

fn greenery<'s>(queue: &mut Queue<'s>, street: &'s Street, side: &'s Side, travel: f64) {
    let (gap, chance, layer, offset) = match side.profile {
        Profile::Shops => (11.0, 0.55, 2, side.road + 0.75),
        Profile::Bazaar => (13.0, 0.4, 2, side.road + 2.0),
        Profile::Park => (4.5, 0.95, 0, side.road + 5.0),
        Profile::Lot => (7.0, 0.75, 0, side.road + 6.4),
        Profile::Highway => (6.5, 0.8, 0, side.road + 5.4),
        Profile::Tram => (8.0, 0.6, 0, side.road + 5.2),
    };
    let behind = layer == 0;
    for (plot, z) in plots(gap, travel, 70.0) {
        let mut draws = street.draws(key(side, plot), "sample tree");
        let z = z + draws.range(0.0, gap * 0.5);
        let x = side.sign * (offset + if behind { draws.range(0.0, 2.0) } else { 0.0 });
        let bushy = behind && side.profile != Profile::Lot;
        // A trunk right beside the camera would only be a brown blur.
        if z < 4.0 {
            continue;
        }
        if bushy {
            let mut draws = draws.clone();
            queue.add(0, z - 0.1, move |painter| backdrop::bush(painter, x, z - 0.1, &mut draws));
        }
        if draws.chance(chance) {
            queue.add(layer, z, move |painter| backdrop::tree(painter, x, z, &mut draws));
        }
    }
}

fn barriers<'s>(queue: &mut Queue<'s>, side: &'s Side, travel: f64) {
    let Some((kind, x)) = side.barrier else { return };
    let x = side.sign * x;
    let length = 8.0;
    for (plot, z) in plots(length, travel, 80.0) {
        // A gate now and then.
        if plot % 7 == 6 && kind != super::street::Barrier::Rail {
            continue;
        }
        queue.add(1, z, move |painter| {
            roadside::barrier(painter, kind, x, [z, z + length], travel);
        });
    }
}

fn furniture<'s>(queue: &mut Queue<'s>, street: &'s Street, side: &'s Side, travel: f64) {
    let edge = side.sign * (side.road + 0.45);
    for (plot, z) in plots(roadside::LAMPS / 3.0, travel, 40.0) {
        let mut draws = street.draws(key(side, plot), "sample furniture");
        if z < 5.5 {
            continue;
        }
        if plot % 3 == u64::from(side.sign > 0.0) {
            queue.add(2, z, move |painter| roadside::lamp(painter, edge, z));
            continue;
        }
        let inner = edge - side.sign * draws.range(0.0, 0.9);
        match draws.below(11) {
            0..=2 => queue.add(2, z, move |p| roadside::sign(p, edge, z, &mut draws)),
            3 => queue.add(2, z, move |p| roadside::signal(p, edge, z, &mut draws)),
            4 | 5 => {
                let x = edge + side.sign * 1.0;
                queue.add(2, z, move |p| roadside::billboard(p, x, z, &mut draws));
            }
            6 | 7 => queue.add(2, z, move |p| roadside::obstacle(p, inner, z, &mut draws)),
            _ => {}
        }
    }
}

/// All that moves; every frame has its own.
pub(super) fn movers<'s>(queue: &mut Queue<'s>, street: &'s Street, frame: u32) {
    let mut draws = street.draws(u64::from(frame), "sample traffic");
    let [left, right] = street.sides.each_ref().map(|side| side.sign * side.road);
    let middle = f64::midpoint(left, right);
    lane(queue, [left + 0.9, middle - 0.6], End::Rear, &mut draws);
    lane(queue, [middle + 0.7, right - 1.0], End::Front, &mut draws);
    for side in &street.sides {
        wayside(queue, street, side, &mut draws);
        if side.profile == Profile::Tram && draws.chance(0.85) {
            let at = [side.sign * (side.road + 1.95), draws.range(9.0, 20.0)];
            let end = if side.sign < 0.0 { End::Rear } else { End::Front };
            queue.add(2, at[1], move |painter| vehicles::tram(painter, at, end));
        }
    }
    if draws.chance(0.45) {
        let at = [draws.range(left + 1.0, right - 1.0), draws.range(8.0, 14.0)];
        let mut own = fork(&mut draws);
        let kind = draws.below(3);
        queue.add(2, at[1], move |painter| match kind {
            0 => people::animal(painter, at, &mut own),
            1 => people::person(painter, at, &mut own),
            _ => riders::sideways(painter, at, true, &mut own),
        });
    }
}

/// A stream of its own for one thing, so that its look does not shift the things after it.
fn fork(draws: &mut Draws) -> Draws {
    Draws::new(draws.bits(), 0, 0, "sample thing")
}

fn lane(queue: &mut Queue<'_>, x: [f64; 2], end: End, draws: &mut Draws) {
    let mut z = draws.range(6.0, 9.5);
    while z < 34.0 {
        let kind = draws.unit();
        let bike = kind < 0.45;
        let large = kind > 0.72;
        let across = if bike { 1.0 } else { 0.35 };
        let centre = f64::midpoint(x[0], x[1]);
        let u = centre + draws.range(-0.5, 0.5) * across * (x[1] - x[0]);
        let first = z + if large { 4.0 } else { 0.0 };
        let (at, mut own) = ([u, first], fork(draws));
        let front = end == End::Front;
        let length = match kind {
            k if k < 0.37 => {
                queue.add(2, first, move |p| riders::lengthwise(p, at, front, &mut own));
                1.9
            }
            k if k < 0.45 => {
                queue.add(2, first, move |p| riders::sideways(p, at, true, &mut own));
                1.0
            }
            k if k < 0.59 => {
                queue.add(2, first, move |p| vehicles::autorickshaw(p, at, end, &mut own));
                2.5
            }
            k if k < 0.72 => {
                queue.add(2, first, move |p| vehicles::car(p, at, end, &mut own));
                3.7
            }
            k if k < 0.86 => {
                queue.add(2, first, move |p| vehicles::bus(p, at, end, &mut own));
                9.0
            }
            _ => {
                queue.add(2, first, move |p| vehicles::truck(p, at, end, &mut own));
                6.5
            }
        };
        z = first + length + draws.range(1.5, if bike { 4.0 } else { 7.0 });
    }
}

/// People, cattle and what is parked beside the road.
fn wayside(queue: &mut Queue<'_>, street: &Street, side: &Side, draws: &mut Draws) {
    let spread = side.reach() - side.road;
    let mut taken = Vec::new();
    if draws.chance(0.6) {
        let out = if side.curb { -0.4 } else { draws.range(0.3, 0.9) };
        let Some(at) = berth(street, side, &mut taken, draws, |_| out) else { return };
        let mut own = fork(draws);
        let auto = draws.chance(0.25);
        queue.add(2, at[1], move |painter| {
            if auto {
                vehicles::autorickshaw(painter, at, End::Rear, &mut own);
            } else {
                riders::sideways(painter, at, false, &mut own);
            }
        });
    }
    for _ in 0..=draws.below(3) {
        let out = |draws: &mut Draws| {
            if draws.chance(0.75) { draws.range(0.4, spread - 0.3) } else { -0.3 }
        };
        let Some(at) = berth(street, side, &mut taken, draws, out) else { continue };
        let mut own = fork(draws);
        let beast = draws.chance(0.2);
        queue.add(2, at[1], move |painter| {
            if beast {
                people::animal(painter, at, &mut own);
            } else {
                people::person(painter, at, &mut own);
            }
        });
    }
}

/// A place beside the road, `out` metres from its edge, as near as the frame allows so that few
/// things are tiny, and not in line with another: who stands right behind a parked motorcycle looks
/// like its rider.
fn berth(
    street: &Street,
    side: &Side,
    taken: &mut Vec<f64>,
    draws: &mut Draws,
    out: impl Fn(&mut Draws) -> f64,
) -> Option<[f64; 2]> {
    let room = street.camera.vanish[0] * 0.92;
    for _ in 0..5 {
        let x = side.sign * (side.road + out(draws));
        let nearest = (street.camera.focal * x.abs() / room).max(6.0);
        let z = nearest * draws.range(1.0, 1.75);
        if taken.iter().all(|seen| (seen - x / z).abs() > 0.17) {
            taken.push(x / z);
            return Some([x, z]);
        }
    }
    None
}
