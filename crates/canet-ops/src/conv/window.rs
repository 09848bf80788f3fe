//! Panels straight from the input, without a copy that has the zeros around it: for outputs whose
//! rows are whole vectors, of which only the first and the last of a row see the border.

use std::ops::Range;

use crate::real::Real;
use crate::simd::Vector;

/// How taps and pixels lie in the input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) input: [usize; 2],
    /// Zeros above and left of the input. Negative: rows and columns that are cut away.
    pub(super) before: [isize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) dilation: [usize; 2],
    pub(super) stride: [usize; 2],
    /// Columns of the output.
    pub(super) width: usize,
}

/// How a tap sees the input: its channel, and how far down and along it lies.
pub(super) struct Tap<'a, T> {
    plane: &'a [T],
    down: isize,
    along: isize,
}

impl Window {
    /// Whether panels made of vectors of `lanes` pixels can be packed this way.
    pub(super) fn suits(&self, lanes: usize) -> bool {
        self.width.is_multiple_of(lanes) && matches!(self.stride[1], 1 | 2)
    }

    /// Packs the rows of `taps` for the panels that `pixels` are, a panel after another. Tap by tap:
    /// a tap's values for all panels are near each other.
    #[inline(always)]
    pub(super) fn pack<T: Real, V: Vector<T>, const W: usize>(
        &self,
        x: &[T],
        taps: Range<usize>,
        pixels: Range<usize>,
        packed: &mut [T],
    ) {
        let first = [pixels.start / self.width, pixels.start % self.width];
        for (k, tap) in taps.clone().enumerate() {
            let tap = self.tap(x, tap);
            let mut at = first;
            for panel in packed.chunks_exact_mut(taps.len() * W) {
                for to in panel[k * W..][..W].chunks_exact_mut(V::LANES) {
                    self.load::<T, V>(&tap, at, to);
                    at = self.next(at, V::LANES);
                }
            }
        }
    }

    /// How a tap sees the input `x`.
    #[inline(always)]
    pub(super) fn tap<'a, T>(&self, x: &'a [T], tap: usize) -> Tap<'a, T> {
        let ([h, w], [kh, kw]) = (self.input, self.kernel);
        let (channel, ky, kx) = (tap / (kh * kw), tap / kw % kh, tap % kw);
        Tap {
            plane: &x[channel * h * w..][..h * w],
            down: (ky * self.dilation[0]) as isize - self.before[0],
            along: (kx * self.dilation[1]) as isize - self.before[1],
        }
    }

    /// The row and column of the pixel that is `lanes` farther; rows are whole vectors of so many.
    #[inline(always)]
    pub(super) fn next(&self, [row, column]: [usize; 2], lanes: usize) -> [usize; 2] {
        if column + lanes == self.width { [row + 1, 0] } else { [row, column + lanes] }
    }

    /// A vector of what a tap sees from a row and column of the output on.
    #[inline(always)]
    pub(super) fn load<T: Real, V: Vector<T>>(
        &self,
        tap: &Tap<'_, T>,
        [row, column]: [usize; 2],
        to: &mut [T],
    ) {
        let [h, w] = self.input;
        let y = (row * self.stride[0]) as isize + tap.down;
        let x = (column * self.stride[1]) as isize + tap.along;
        if y < 0 || y >= h as isize {
            // Also the columns after the last pixel, which nobody reads.
            to.fill(T::ZERO);
        } else {
            self.copy::<T, V>(tap.plane, y as usize * w, x, to);
        }
    }

    /// One vector of a panel: from column `x` of the line that starts at `line`.
    #[inline(always)]
    fn copy<T: Real, V: Vector<T>>(&self, plane: &[T], line: usize, x: isize, to: &mut [T]) {
        let (w, step) = (self.input[1], self.stride[1]);
        let inside = x >= 0 && x as usize + (V::LANES - 1) * step < w;
        let start = line.wrapping_add_signed(x);
        if inside && step == 1 {
            V::load(&plane[start..]).store(to);
        } else if inside && start + 2 * V::LANES <= plane.len() {
            V::load_by_two(&plane[start..])[0].store(to);
        } else {
            for (j, to) in to.iter_mut().enumerate() {
                let at = x + (j * step) as isize;
                let is_inside = at >= 0 && at < w as isize;
                *to = if is_inside { plane[line + at as usize] } else { T::ZERO };
            }
        }
    }
}
