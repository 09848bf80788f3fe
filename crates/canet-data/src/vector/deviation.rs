//! How far a painting is from the mask that it was made of, measured by rasterising it.

use canet_core::Mask;
use serde::{Deserialize, Serialize};

/// The difference between a mask and what its polygons give back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Deviation {
    /// Pixels of the frame.
    pub pixels: u64,
    /// Pixels whose class is another one.
    pub changed: u64,
    /// How far borders have moved, in pixels: the largest distance, over all changed pixels, to the
    /// nearest pixel that has the new class in the mask. Distances are those of a king on a
    /// chessboard: the larger one of columns and rows.
    pub shift: u32,
    /// Changed pixels whose new class the mask does not have at all; they have no distance.
    pub foreign: u64,
}

impl Deviation {
    /// Measures what became of `mask`.
    ///
    /// # Panics
    /// If the two are not of one size.
    pub fn between(mask: &Mask, painted: &Mask) -> Self {
        assert_eq!((mask.width(), mask.height()), (painted.width(), painted.height()));
        let counts = mask.histogram();
        let mut deviation = Self { pixels: mask.ids().len() as u64, ..Self::default() };
        let width = mask.width() as usize;
        for (at, (&was, &is)) in mask.ids().iter().zip(painted.ids()).enumerate() {
            if was == is {
                continue;
            }
            deviation.changed += 1;
            if counts[usize::from(is)] == 0 {
                deviation.foreign += 1;
            } else {
                let place = ((at % width) as i64, (at / width) as i64);
                deviation.shift = deviation.shift.max(distance(mask, place, is));
            }
        }
        deviation
    }

    /// Whether the polygons give back the mask itself.
    pub fn is_none(&self) -> bool {
        self.changed == 0
    }

    /// The share of pixels that changed, from 0 to 1.
    pub fn share(&self) -> f64 {
        if self.pixels == 0 { 0.0 } else { self.changed as f64 / self.pixels as f64 }
    }

    /// What holds for two frames together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            pixels: self.pixels + other.pixels,
            changed: self.changed + other.changed,
            shift: self.shift.max(other.shift),
            foreign: self.foreign + other.foreign,
        }
    }
}

/// The places of painted pixels whose class the mask does not have within `reach` pixels.
pub(super) fn strangers<'a>(
    mask: &'a Mask,
    painted: &'a Mask,
    reach: u32,
) -> impl Iterator<Item = usize> + 'a {
    let (width, height) = (mask.width() as usize, mask.height() as usize);
    let reach = reach as usize;
    let is_near = move |at: usize, id: u8| {
        let (x, y) = (at % width, at / width);
        let columns = x.saturating_sub(reach)..(x + reach + 1).min(width);
        let mut rows = y.saturating_sub(reach)..(y + reach + 1).min(height);
        rows.any(|row| {
            mask.ids()[row * width + columns.start..row * width + columns.end].contains(&id)
        })
    };
    let pixels = mask.ids().iter().zip(painted.ids()).enumerate();
    let changed = pixels.filter(|(_, (was, is))| was != is);
    changed.filter(move |(at, (_, is))| !is_near(*at, **is)).map(|(at, _)| at)
}

/// The distance to the nearest pixel of a class that the mask has, searched square by square.
fn distance(mask: &Mask, (x, y): (i64, i64), id: u8) -> u32 {
    let (width, height) = (i64::from(mask.width()), i64::from(mask.height()));
    let is_there = |x: i64, y: i64| mask.ids()[(y * width + x) as usize] == id;
    let longest = width.max(height);
    (1..longest)
        .find(|&r| {
            let columns = (x - r).max(0)..=(x + r).min(width - 1);
            let rows = (y - r).max(0)..=(y + r).min(height - 1);
            let across = |y| rows.contains(&y) && columns.clone().any(|x| is_there(x, y));
            let down = |x| columns.contains(&x) && rows.clone().any(|y| is_there(x, y));
            [y - r, y + r].into_iter().any(across) || [x - r, x + r].into_iter().any(down)
        })
        .unwrap_or(longest) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_far_from_their_like() {
        let was = Mask::from_ids(5, 1, vec![1, 1, 2, 2, 2]);
        let is = Mask::from_ids(5, 1, vec![2, 2, 2, 7, 1]);
        for (reach, expected) in [(1, &[0, 3, 4][..]), (2, &[3, 4]), (3, &[3])] {
            assert_eq!(strangers(&was, &is, reach).collect::<Vec<_>>(), expected, "{reach}");
        }
    }

    #[test]
    fn shifts_are_measured_in_squares() {
        let mask = |ids: [u8; 10]| Mask::from_ids(5, 2, ids.to_vec());
        let was = mask([1, 1, 1, 2, 2, 1, 1, 1, 2, 2]);
        for (is, changed, shift, foreign) in [
            ([1, 1, 1, 2, 2, 1, 1, 1, 2, 2], 0, 0, 0),
            ([1, 1, 2, 2, 2, 1, 1, 1, 2, 2], 1, 1, 0),
            ([2, 1, 1, 2, 2, 1, 1, 1, 2, 1], 2, 3, 0),
            ([7, 1, 1, 2, 2, 1, 1, 1, 1, 2], 2, 1, 1),
        ] {
            let deviation = Deviation::between(&was, &mask(is));
            assert_eq!(deviation, Deviation { pixels: 10, changed, shift, foreign });
            assert_eq!(deviation.is_none(), changed == 0);
            assert!((deviation.share() - changed as f64 / 10.0).abs() < 1e-12);
        }
    }
}
