//! Copying rare classes from other frames.

use canet_core::ClassSet;
use serde::{Deserialize, Serialize};

use super::classes::ClassFlags;
use super::flip;
use crate::Error;
use crate::dataset::Frame;
use crate::draw::Draws;
use crate::resize::{self, Window};

/// How often the pixels of rare classes are copied from another frame of the split.
///
/// What is copied keeps its height in the frame, as persons stand on the ground, and its size; it
/// moves sideways. (After Ghiasi et al., arXiv 2012.07177, without instances.)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CopyRare {
    /// How likely a frame gets something, from 0 to 1.
    pub chance: f64,
    /// Names of the classes that are copied.
    pub classes: Vec<String>,
    /// How many other frames are looked at; the first that has something gives it.
    pub donors: usize,
}

impl Default for CopyRare {
    fn default() -> Self {
        Self { chance: 0.0, classes: Vec::new(), donors: 4 }
    }
}

impl CopyRare {
    /// Frames that may be read for one.
    const MOST_DONORS: usize = 100;

    /// Refuses values without a meaning.
    pub(super) fn check(&self) -> Result<(), Error> {
        let fail = |option, reason| Err(Error::Options { option, reason });
        if !(1..=Self::MOST_DONORS).contains(&self.donors) {
            let reason = format!("is {}; 1 to {} is possible", self.donors, Self::MOST_DONORS);
            return fail("copy_rare.donors", reason);
        }
        if self.chance > 0.0 && self.classes.is_empty() {
            let reason = "is empty, so there is nothing to copy; name classes, or set chance to 0";
            return fail("copy_rare.classes", reason.into());
        }
        Ok(())
    }

    /// Looks its classes up.
    pub(super) fn resolve(&self, classes: &ClassSet) -> Result<Paste, Error> {
        let classes = ClassFlags::named("copy_rare.classes", &self.classes, classes)?;
        Ok(Paste { chance: self.chance, classes, donors: self.donors })
    }
}

/// A [`CopyRare`] that knows its classes.
#[derive(Debug, Clone)]
pub(super) struct Paste {
    chance: f64,
    classes: ClassFlags,
    donors: usize,
}

/// The frames that may give something to one of them.
pub struct Donors<'a> {
    /// How many there are, that one included.
    pub count: usize,
    /// Which one that is; it gives itself nothing.
    pub own: usize,
    /// Reads one of them.
    pub read: &'a (dyn Fn(usize) -> Result<Frame, Error> + 'a),
}

impl Donors<'_> {
    /// Any frame but the own one, if there is another.
    fn draw(&self, draws: &mut Draws) -> Option<usize> {
        let others = self.count.checked_sub(1).filter(|&others| others > 0)?;
        let drawn = draws.below(others);
        Some(drawn + usize::from(drawn >= self.own))
    }
}

impl Paste {
    /// Copies into `frame`, which is the part `window` of a frame that was scaled to `size`.
    pub(super) fn apply(
        &self,
        frame: &mut Frame,
        size: (u32, u32),
        window: Window,
        donors: &Donors,
        mut draws: Draws,
    ) -> Result<(), Error> {
        if !draws.chance(self.chance) {
            return Ok(());
        }
        // Nothing moves up or down, so these are the rows that can arrive.
        let rows = Window { x: 0, width: size.0, ..window };
        for _ in 0..self.donors {
            let Some(other) = donors.draw(&mut draws) else { break };
            let donor = (donors.read)(other)?;
            let mirrored = draws.chance(0.5);
            let mask = resize::mask(&donor.mask, size, rows);
            if !mask.ids().iter().any(|&id| self.classes.has(id)) {
                continue;
            }
            let mut donor = Frame { image: resize::image(&donor.image, size, rows), mask };
            if mirrored {
                donor = flip(&donor);
            }
            if let Some((first, last)) = self.columns(&donor) {
                let shift = shift(first, last, frame.image.width(), &mut draws);
                self.copy(&donor, frame, shift);
            }
            break;
        }
        Ok(())
    }

    /// The first and the last column with something to copy.
    fn columns(&self, donor: &Frame) -> Option<(u32, u32)> {
        let width = donor.mask.width().max(1);
        let ids = donor.mask.ids().iter().zip(0u32..);
        let columns = ids.filter(|(id, _)| self.classes.has(**id)).map(|(_, at)| at % width);
        columns.fold(None, |range, x| {
            let (first, last) = range.unwrap_or((x, x));
            Some((first.min(x), last.max(x)))
        })
    }

    /// Copies what there is, `shift` columns to the right; what leaves the frame is lost.
    fn copy(&self, donor: &Frame, frame: &mut Frame, shift: i64) {
        let (width, to) = (donor.mask.width(), frame.mask.width());
        for (&id, at) in donor.mask.ids().iter().zip(0u32..) {
            let (x, y) = (at % width, at / width);
            let moved = i64::from(x) + shift;
            if self.classes.has(id) && (0..i64::from(to)).contains(&moved) {
                let moved = moved as u32;
                frame.mask.ids_mut()[(y * to + moved) as usize] = id;
                frame.image.put_pixel(moved, y, *donor.image.get_pixel(x, y));
            }
        }
    }
}

/// How far columns `first..=last` move to lie within `width` columns or, if they are more, to cover
/// them; each place is as likely as another.
fn shift(first: u32, last: u32, width: u32, draws: &mut Draws) -> i64 {
    let length = last - first + 1;
    let offset = draws.below(length.abs_diff(width) as usize + 1) as i64;
    let left = if length <= width { offset } else { -offset };
    left - i64::from(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_frame_may_give_and_the_own_never() {
        let read = |_: usize| -> Result<Frame, Error> { unreachable!("nothing is read") };
        for (count, own, expected) in [
            (4, 0, vec![1, 2, 3]),
            (4, 2, vec![0, 1, 3]),
            (4, 3, vec![0, 1, 2]),
            (2, 1, vec![0]),
            (1, 0, vec![]),
            (0, 0, vec![]),
        ] {
            let donors = Donors { count, own, read: &read };
            let draw = |sample| donors.draw(&mut Draws::new(1, 0, sample, "test"));
            let drawn: std::collections::BTreeSet<usize> = (0..200).filter_map(draw).collect();
            assert_eq!(drawn.into_iter().collect::<Vec<_>>(), expected, "{own} of {count}");
        }
    }

    #[test]
    fn what_moves_stays_inside_or_covers() {
        for (first, last, width) in [(3, 5, 10), (0, 9, 10), (40, 69, 10), (7, 7, 1)] {
            let mut places = std::collections::BTreeSet::new();
            for sample in 0..400 {
                let shift = shift(first, last, width, &mut Draws::new(1, 0, sample, "test"));
                let (left, right) = (i64::from(first) + shift, i64::from(last) + shift);
                let inside = left >= 0 && right < i64::from(width);
                let covers = left <= 0 && right >= i64::from(width) - 1;
                assert!(inside || covers, "{first} {last} {width}: {left} to {right}");
                places.insert(left);
            }
            assert_eq!(places.len(), (last - first + 1).abs_diff(width) as usize + 1);
        }
    }
}
