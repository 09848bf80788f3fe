//! What the fill rules share: a mask to paint on, the sides of an outline, and a sweep that goes down
//! the rows and knows which sides reach each of them.
//!
//! Only the sides that reach a row are looked at there, so that an outline of a million points costs
//! no more than its length. All buffers are kept from one polygon to the next.

use canet_core::{ClassId, Mask};
use geo::Coord;

/// The mask being painted on, with one class.
pub(super) struct Canvas<'a> {
    ids: &'a mut [u8],
    width: i64,
    height: i64,
    id: u8,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(mask: &'a mut Mask, id: ClassId) -> Self {
        let (width, height) = (i64::from(mask.width()), i64::from(mask.height()));
        Self { ids: mask.ids_mut(), width, height, id: id.0 }
    }

    pub(super) fn width(&self) -> i64 {
        self.width
    }

    pub(super) fn height(&self) -> i64 {
        self.height
    }

    /// Paints a row from one pixel to another, both included, as far as they are on the mask; nothing
    /// if the last is left of the first.
    #[inline]
    pub(super) fn paint(&mut self, left: i64, y: i64, right: i64) {
        let (left, right) = (left.max(0), right.min(self.width - 1));
        if left <= right && (0..self.height).contains(&y) {
            let row = y * self.width;
            self.ids[(row + left) as usize..=(row + right) as usize].fill(self.id);
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
    fn first(&self) -> i64;
    /// The last row it reaches.
    fn last(&self) -> i64;
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

    /// Goes down the rows of the canvas that a side reaches, and forgets the sides.
    #[inline]
    pub(super) fn rows(
        &mut self,
        canvas: &mut Canvas,
        mut row: impl FnMut(i64, &[S], &mut Canvas),
    ) {
        // The next side is taken from the end.
        self.coming.sort_unstable_by_key(|side| std::cmp::Reverse(side.first()));
        self.active.clear();
        let mut y = 0;
        while y < canvas.height() {
            self.active.retain(|side| side.last() >= y);
            while let Some(side) = self.coming.pop_if(|side| side.first() <= y) {
                self.active.push(side);
            }
            if !self.active.is_empty() {
                row(y, &self.active, canvas);
                y += 1;
            } else if let Some(next) = self.coming.last() {
                y = next.first();
            } else {
                break;
            }
        }
        self.coming.clear();
    }
}

/// The first row whose centre is not above `y`: the least `row` with `row + 0.5 >= y`.
///
/// The subtraction is exact wherever its rounding could reach an integer from above.
pub(super) fn first_centre(y: f64) -> i64 {
    (y - 0.5).ceil() as i64
}

/// A corner as written, for rules that do not round corners.
pub(super) type Point = Coord<f64>;
