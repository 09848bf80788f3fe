//! The light of a drive: time of day, weather and haze, applied to every surface alike.

use super::texture::{Colour, mix, scale};
use crate::draw::Draws;

/// Weather and time of day, fixed for a drive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Light {
    tint: Colour,
    sky_top: Colour,
    sky_low: Colour,
    haze: Colour,
    density: f64,
    /// Where the sun stands: -1 far left, 1 far right.
    pub(super) sun: f64,
    /// What a shadow leaves of the light: 1 under an overcast sky.
    pub(super) shadow: f32,
    clouds: f32,
    /// The camera's noise, stronger when it is dark.
    pub(super) noise: f32,
}

impl Light {
    /// One of four moods (clear, hazy, evening, overcast), varied.
    pub(super) fn new(mood: usize, draws: &mut Draws) -> Self {
        let (tint, sky_top, sky_low, density, shadow, clouds): (Colour, Colour, Colour, _, _, _) =
            match mood % 4 {
                0 => ([1.04, 1.0, 0.95], [0.30, 0.54, 0.88], [0.74, 0.85, 0.94], 0.004, 0.60, 0.5),
                1 => ([1.0, 0.97, 0.90], [0.68, 0.75, 0.82], [0.88, 0.86, 0.80], 0.013, 0.78, 0.1),
                2 => ([0.98, 0.82, 0.68], [0.42, 0.47, 0.70], [0.99, 0.74, 0.50], 0.009, 0.66, 0.3),
                _ => ([0.86, 0.90, 0.95], [0.58, 0.64, 0.71], [0.80, 0.83, 0.86], 0.007, 0.86, 0.6),
            };
        let gain = draws.range(0.86, 1.10) as f32;
        let cast = [0, 1, 2].map(|_| draws.range(0.97, 1.03) as f32);
        let side = if draws.chance(0.5) { 1.0 } else { -1.0 };
        Self {
            tint: [0, 1, 2].map(|c| tint[c] * gain * cast[c]),
            sky_top: scale(sky_top, 0.5 + 0.5 * gain),
            sky_low: scale(sky_low, 0.5 + 0.5 * gain),
            haze: scale(sky_low, 0.95),
            density: density * draws.range(0.7, 1.3),
            sun: side * draws.range(0.3, 1.0),
            shadow,
            clouds,
            noise: draws.range(0.015, 0.04) as f32 / gain,
        }
    }

    /// What the camera sees of a surface `z` metres away.
    pub(super) fn lit(&self, albedo: Colour, z: f64) -> Colour {
        self.through(albedo, self.air(z))
    }

    /// The share of haze in what is seen `z` metres away.
    pub(super) fn air(&self, z: f64) -> f32 {
        1.0 - (-z * self.density).exp() as f32
    }

    /// As [`lit`](Self::lit), for surfaces that are all at one depth.
    pub(super) fn through(&self, albedo: Colour, air: f32) -> Colour {
        mix([0, 1, 2].map(|c| albedo[c] * self.tint[c]), self.haze, air)
    }

    /// The sky at a place given as shares: `x` of the width, `y` from the top to the horizon.
    pub(super) fn sky(&self, x: f64, y: f64, cloud: f32) -> Colour {
        let base = mix(self.sky_top, self.sky_low, y.clamp(0.0, 1.0).powf(0.8) as f32);
        let cloudy = mix(base, [0.95, 0.94, 0.93], (cloud * 2.4 - 0.2).max(0.0) * self.clouds);
        let (dx, dy) = (x - 0.5 - 0.45 * self.sun, y - 0.35);
        let glow = (-(dx * dx + dy * dy) * 14.0).exp() as f32;
        mix(cloudy, [1.0, 0.96, 0.85], glow * 0.55 * (1.2 - self.shadow))
    }
}
