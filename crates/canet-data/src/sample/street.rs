//! The plan of a drive: what kind of street it is, and what stays the same in all its frames.
//!
//! Kinds are dealt like cards, not rolled like dice: of every 24 drives a fixed number has tram
//! tracks, a flyover, a bonnet in view, and so on, so that every class occurs in many drives and a
//! split by drives leaves no side without it.

use super::SampleOptions;
use super::camera::Camera;
use super::light::Light;
use super::texture::Texture;
use crate::draw::Draws;

/// The deck of drives is dealt anew after so many.
const DECK: u32 = 24;

/// What lies beside the road, from its edge outwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    /// Kerb, pavement, shop houses.
    Shops,
    /// Unpaved parking strip, open drain, shop houses with stalls.
    Bazaar,
    /// Kerb, pavement, verge, and a park behind a fence.
    Park,
    /// Shoulder and a bare lot before a wall.
    Lot,
    /// A muddy ditch, bare earth, a guard rail and open land.
    Highway,
    /// Kerb, tram tracks, wall.
    Tram,
}

/// What the ground is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surface {
    Asphalt,
    Paving,
    Shoulder,
    Drain,
    Verge,
    Mud,
    Earth,
    Track,
}

/// What stands along the street without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Barrier {
    Wall,
    Fence,
    Rail,
}

/// A strip of ground between two distances from the camera's line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strip {
    pub(super) surface: Surface,
    pub(super) inner: f64,
    pub(super) outer: f64,
}

/// One side of the street; distances are positive on both sides.
#[derive(Debug)]
pub(super) struct Side {
    /// -1 for the left side, 1 for the right.
    pub(super) sign: f64,
    pub(super) profile: Profile,
    pub(super) road: f64,
    pub(super) curb: bool,
    pub(super) strips: Vec<Strip>,
    pub(super) barrier: Option<(Barrier, f64)>,
    pub(super) facade: f64,
}

/// A drive.
pub(super) struct Street {
    pub(super) seed: u64,
    pub(super) drive: u32,
    pub(super) camera: Camera,
    pub(super) light: Light,
    pub(super) texture: Texture,
    pub(super) sides: [Side; 2],
    /// Metres driven between two frames.
    pub(super) step: f64,
    /// Where a flyover crosses, in metres from the start.
    pub(super) flyover: Option<f64>,
    pub(super) bonnet: Option<usize>,
    /// Share of the height that a black strip takes, and whether it is at the bottom.
    pub(super) strip: Option<(f64, bool)>,
    pub(super) blur: f32,
}

use Profile::{Bazaar, Highway, Lot, Park, Shops, Tram};
const PAIRS: [[Profile; 2]; 12] = [
    [Shops, Lot],
    [Tram, Shops],
    [Shops, Highway],
    [Bazaar, Park],
    [Tram, Bazaar],
    [Bazaar, Lot],
    [Park, Lot],
    [Tram, Park],
    [Park, Shops],
    [Tram, Highway],
    [Highway, Bazaar],
    [Lot, Tram],
];

impl Street {
    pub(super) fn new(options: &SampleOptions, drive: u32) -> Self {
        let seed = options.seed;
        let card = |purpose| dealt(seed, drive, purpose);
        let mut draws = Draws::new(seed, drive, 0, "sample street");
        let (w, h) = (f64::from(options.width), f64::from(options.height));
        let camera = Camera {
            focal: w * draws.range(0.70, 0.78),
            vanish: [w * draws.range(0.44, 0.52), h * draws.range(0.38, 0.46)],
        };
        let pairs = card("sample sides");
        let mut profiles = PAIRS[pairs % PAIRS.len()];
        if pairs >= PAIRS.len() {
            profiles.reverse();
        }
        let sides = [
            Side::new(-1.0, profiles[0], draws.range(1.9, 2.3)),
            Side::new(1.0, profiles[1], draws.range(3.4, 3.9)),
        ];
        Self {
            seed,
            drive,
            camera,
            light: Light::new(card("sample light"), &mut draws),
            texture: Texture::new(&mut Draws::new(seed, drive, 0, "sample texture")),
            sides,
            step: draws.range(1.8, 3.2),
            flyover: (card("sample flyover") < 11).then(|| draws.range(48.0, 70.0)),
            bonnet: (card("sample bonnet") < 13).then(|| draws.below(4)),
            strip: (card("sample strip") < 13)
                .then(|| (draws.range(0.065, 0.095), draws.chance(0.75))),
            blur: draws.range(0.15, 0.45) as f32,
        }
    }

    /// The stream of one thing of this drive.
    pub(super) fn draws(&self, sample: u64, purpose: &str) -> Draws {
        Draws::new(self.seed, self.drive, sample, purpose)
    }
}

/// This drive's card, in `0..24`; within a deck every card occurs once.
fn dealt(seed: u64, drive: u32, purpose: &str) -> usize {
    let deck = Draws::new(seed, drive / DECK, 0, purpose).permutation(DECK as usize);
    deck[(drive % DECK) as usize]
}

impl Side {
    fn new(sign: f64, profile: Profile, road: f64) -> Self {
        let (surfaces, barrier, facade): (&[(Surface, f64)], _, _) = match profile {
            Shops => (&[(Surface::Paving, 3.3)], None, 3.3),
            Bazaar => (&[(Surface::Shoulder, 2.0), (Surface::Drain, 3.6)], None, 3.6),
            Park => (
                &[(Surface::Paving, 2.2), (Surface::Verge, 3.7)],
                Some((Barrier::Fence, 3.7)),
                12.0,
            ),
            Lot => (
                &[(Surface::Shoulder, 1.0), (Surface::Earth, 5.4)],
                Some((Barrier::Wall, 5.4)),
                7.4,
            ),
            Highway => {
                (&[(Surface::Mud, 1.1), (Surface::Earth, 3.8)], Some((Barrier::Rail, 3.8)), 12.0)
            }
            Tram => (&[(Surface::Track, 4.0)], Some((Barrier::Wall, 4.0)), 6.0),
        };
        let curb = matches!(profile, Shops | Park | Tram);
        let mut inner = road;
        let strips = surfaces
            .iter()
            .map(|&(surface, outer)| {
                let strip = Strip { surface, inner, outer: road + outer };
                inner = strip.outer;
                strip
            })
            .collect();
        let barrier = barrier.map(|(kind, x)| (kind, road + x));
        Self { sign, profile, road, curb, strips, barrier, facade: road + facade }
    }

    /// How far out somebody may stand or something be parked.
    pub(super) fn reach(&self) -> f64 {
        let bound = self.barrier.map_or(self.facade, |(_, x)| x);
        if self.profile == Bazaar { self.road + 2.0 } else { bound.min(self.road + 3.5) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deck_holds_every_card() {
        for deck in 0..2 {
            let mut cards: Vec<usize> =
                (0..DECK).map(|k| dealt(3, deck * DECK + k, "test")).collect();
            cards.sort_unstable();
            assert_eq!(cards, (0..DECK as usize).collect::<Vec<_>>());
        }
    }
}
