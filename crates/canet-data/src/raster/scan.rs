//! What the fill rules share: a mask to paint on, the sides of an outline, and a sweep that goes down
//! the rows and knows which sides reach each of them.
//!
//! Only the sides that reach a row are looked at there, so that an outline of a million points costs
//! no more than its length. All buffers are kept from one polygon to the next.

use std::cmp::Ordering;

use canet_core::{ClassId, Mask};
use geo::Coord;

/// The mask being painted on, with one class.
pub(super) struct Canvas<'a> {
    ids: &'a mut [u8],
    width: i32,
    height: i32,
    id: u8,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(mask: &'a mut Mask, id: ClassId) -> Self {
        let side = |length: u32| i32::try_from(length).unwrap_or(i32::MAX);
        let (width, height) = (side(mask.width()), side(mask.height()));
        Self { ids: mask.ids_mut(), width, height, id: id.0 }
    }

    pub(super) fn width(&self) -> i32 {
        self.width
    }

    pub(super) fn height(&self) -> i32 {
        self.height
    }

    /// A row of the mask; `y` must be one of its rows.
    #[inline]
    pub(super) fn row(&mut self, y: i32) -> Row<'_> {
        let (y, width) = (y as usize, self.width as usize);
        Row { ids: &mut self.ids[y * width..][..width], id: self.id }
    }
}

/// A row to paint on.
pub(super) struct Row<'a> {
    ids: &'a mut [u8],
    id: u8,
}

impl Row<'_> {
    /// Paints from one pixel to another, both included, as far as they are on the mask; nothing if the
    /// last is left of the first.
    #[inline]
    pub(super) fn paint(&mut self, left: i64, right: i64) {
        let (left, end) = (left.max(0), right.min(self.ids.len() as i64 - 1) + 1);
        if left < end {
            self.ids[left as usize..end as usize].fill(self.id);
        }
    }
}

/// The sides of an outline; the closing one is the last, and is left out if the last corner is the
/// first.
pub(super) fn sides<C: Copy + PartialEq>(corners: &[C]) -> impl Iterator<Item = (C, C)> {
    let closing = match (corners.first(), corners.last()) {
        (Some(&first), Some(&last)) if first != last => Some((last, first)),
        _ => None,
    };
    corners.windows(2).map(|pair| (pair[0], pair[1])).chain(closing)
}

/// A side that reaches some rows.
pub(super) trait Side {
    /// The first row it reaches.
    fn first(&self) -> i32;
    /// The last row it reaches.
    fn last(&self) -> i32;
}

/// What happens on a row.
#[derive(Clone, Copy)]
pub(super) struct Change {
    /// Sides begin here, or may.
    pub(super) begin: bool,
    /// Sides reach this row as their last.
    pub(super) end: bool,
}

/// The sides of a polygon, and those of them that reach the present row.
pub(super) struct Sweep<S> {
    coming: Vec<S>,
    active: Vec<S>,
}

impl<S> Default for Sweep<S> {
    fn default() -> Self {
        Self { coming: Vec::new(), active: Vec::new() }
    }
}

impl<S: Side> Sweep<S> {
    /// Adds a side, if it reaches a row of the canvas.
    #[inline]
    pub(super) fn add(&mut self, side: S, canvas: &Canvas) {
        if side.first() < canvas.height() && side.last() >= 0 && side.first() <= side.last() {
            self.coming.push(side);
        }
    }

    /// Goes down the rows of the canvas that a side reaches, and forgets the sides. Between two rows on
    /// which sides begin or end, nothing is done but to call `row`.
    #[inline]
    pub(super) fn rows(&mut self, height: i32, mut row: impl FnMut(i32, &mut [S], Change)) {
        let Self { coming, active } = self;
        // The next side is taken from the end.
        coming.sort_unstable_by_key(|side| std::cmp::Reverse(side.first()));
        active.clear();
        let mut y = 0;
        while y < height {
            while let Some(side) = coming.pop_if(|side| side.first() <= y) {
                active.push(side);
            }
            let next = coming.last().map_or(height, S::first);
            let Some(end) = active.iter().map(S::last).min() else {
                y = next;
                continue;
            };
            let begin = y;
            // A side that begins on the last row but one was added above, so this is at least one row.
            let stop = next.min(height).min(end.saturating_add(1));
            while y < stop {
                row(y, active, Change { begin: y == begin, end: y == end });
                y += 1;
            }
            if y > end {
                active.retain(|side| side.last() >= y);
            }
        }
        coming.clear();
    }
}

/// Sorts the crossings of a row, and their sides with them: on the next row all are in order already,
/// but where sides cross or begin.
#[inline]
pub(super) fn sort<T: Copy + PartialOrd, S>(
    crossings: &mut [T],
    sides: &mut [S],
    order: fn(&T, &T) -> Ordering,
) {
    if crossings.len() > 24 && !crossings.is_sorted() {
        crossings.sort_unstable_by(order);
        return;
    }
    for end in 1..crossings.len() {
        let mut at = end;
        while at > 0 && crossings[at - 1] > crossings[at] {
            crossings.swap(at - 1, at);
            sides.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// Added to a number of less than 2^51, this leaves the nearest whole number in the last bits.
const WHOLE: f64 = 1.5 * (1_u64 << 52) as f64;
const MOST: f64 = (1_u64 << 51) as f64;

/// The nearest whole number, as an integer and as a float. The processor's own rounding is not in
/// the oldest instruction set, and Rust's conversion looks for what does not fit.
#[inline]
fn nearest(x: f64) -> (i64, f64) {
    let shifted = x + WHOLE;
    (shifted.to_bits().wrapping_sub(WHOLE.to_bits()).cast_signed(), shifted - WHOLE)
}

/// The greatest whole number not above a crossing.
#[inline]
pub(super) fn floor(x: f64) -> i64 {
    if x.abs() < MOST {
        let (whole, as_float) = nearest(x);
        whole - i64::from(as_float > x)
    } else {
        x.floor() as i64
    }
}

/// The least whole number not below a crossing.
#[inline]
pub(super) fn ceil(x: f64) -> i64 {
    if x.abs() < MOST {
        let (whole, as_float) = nearest(x);
        whole + i64::from(as_float < x)
    } else {
        x.ceil() as i64
    }
}

/// The first row whose centre is not above `y`: the least `row` with `row + 0.5 >= y`.
///
/// The subtraction is exact wherever its rounding could reach an integer from above. Rows beyond the
/// range of 32 bits are those of its ends, far off any mask.
pub(super) fn first_centre(y: f64) -> i32 {
    (y - 0.5).ceil() as i32
}

/// A corner as written, for rules that do not round corners.
pub(super) type Point = Coord<f64>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossings_are_rounded_as_the_library_does() {
        let mut values = vec![f64::NAN, f64::INFINITY, 1e300, 0.0, f64::MIN_POSITIVE, 0.1, 0.9];
        for power in 0..62 {
            let near = (1_u64 << power) as f64;
            values.extend([near, near - 0.5, near + 0.5, near.next_down(), near.next_up()]);
        }
        for x in values.into_iter().flat_map(|x| [x, -x]) {
            assert_eq!((floor(x), ceil(x)), (x.floor() as i64, x.ceil() as i64), "{x}");
        }
    }
}
