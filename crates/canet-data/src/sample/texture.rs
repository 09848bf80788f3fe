//! Colours and the one noise field that every surface is textured with.
//!
//! A tile of random values, drawn once a street and read with interpolation, costs a few
//! multiplications a pixel; it keeps textures fixed to the world while the camera moves.

use crate::draw::Draws;

/// Linear-ish RGB in `[0, 1]`; values beyond are cut when the frame is finished.
pub(super) type Colour = [f32; 3];

/// `a` at 0, `b` at 1.
pub(super) fn mix(a: Colour, b: Colour, t: f32) -> Colour {
    let t = t.clamp(0.0, 1.0);
    [0, 1, 2].map(|c| a[c] + (b[c] - a[c]) * t)
}

/// The colour made darker or brighter.
pub(super) fn scale(colour: Colour, factor: f32) -> Colour {
    colour.map(|c| c * factor)
}

/// A neighbour of the colour: no two cars are of quite the same white.
pub(super) fn vary(draws: &mut Draws, colour: Colour, amount: f64) -> Colour {
    let common = draws.range(-amount, amount);
    colour.map(|c| c * (1.0 + common + draws.range(-amount, amount) * 0.4) as f32)
}

/// One of the colours, varied a little.
pub(super) fn pick(draws: &mut Draws, palette: &[Colour]) -> Colour {
    let colour = palette[draws.below(palette.len())];
    vary(draws, colour, 0.08)
}

const SIDE: usize = 128;

/// A tile of noise that repeats every 128 units.
pub(super) struct Texture {
    values: Vec<f32>,
}

impl Texture {
    pub(super) fn new(draws: &mut Draws) -> Self {
        Self { values: (0..SIDE * SIDE).map(|_| draws.unit() as f32 - 0.5).collect() }
    }

    /// Smooth noise in `[-0.5, 0.5)` with features about one unit wide.
    pub(super) fn at(&self, x: f64, y: f64) -> f32 {
        let (x0, y0) = (x.floor(), y.floor());
        let ((i, j), (tx, ty)) = ((wrap(x0), wrap(y0)), ((x - x0) as f32, (y - y0) as f32));
        let (i1, j1) = ((i + 1) & (SIDE - 1), (j + 1) & (SIDE - 1));
        let value = |i: usize, j: usize| self.values[j * SIDE + i];
        let top = value(i, j) + (value(i1, j) - value(i, j)) * tx;
        let low = value(i, j1) + (value(i1, j1) - value(i, j1)) * tx;
        top + (low - top) * ty
    }

    /// Two octaves: large patches with grain in them.
    pub(super) fn rough(&self, x: f64, y: f64) -> f32 {
        0.65 * self.at(x, y) + 0.35 * self.at(3.1 * x + 17.0, 3.1 * y + 5.0)
    }

    /// Blocks that read as lettering from afar: true where ink is, `v` in `[0, 1]` over the line.
    pub(super) fn ink(&self, u: f64, v: f64) -> bool {
        (0.0..1.0).contains(&v) && self.at(u * 2.0, 40.0 + (v * 2.9).floor()) > -0.12
    }
}

fn wrap(value: f64) -> usize {
    // Two's complement wraps negative values the right way round, as the side is a power of two.
    (value as i64) as usize & (SIDE - 1)
}
