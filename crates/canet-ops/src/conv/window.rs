//! Panels straight from the input, without a copy that has the zeros around it: for outputs whose
//! rows are whole panels, where only the first and the last panel of a row see the border.

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

impl Window {
    /// Whether panels of `columns` pixels can be packed this way.
    pub(super) fn suits(&self, columns: usize) -> bool {
        self.width.is_multiple_of(columns) && matches!(self.stride[1], 1 | 2)
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
        let [h, w] = self.input;
        let [kh, kw] = self.kernel;
        let rows = packed.as_chunks_mut::<W>().0;
        for (k, tap) in taps.clone().enumerate() {
            let (channel, ky, kx) = (tap / (kh * kw), tap / kw % kh, tap % kw);
            let plane = &x[channel * h * w..][..h * w];
            let down = (ky * self.dilation[0]) as isize - self.before[0];
            let along = (kx * self.dilation[1]) as isize - self.before[1];
            for (j, pixel) in pixels.clone().step_by(W).enumerate() {
                let row = &mut rows[j * taps.len() + k];
                let y = (pixel / self.width * self.stride[0]) as isize + down;
                let x = (pixel % self.width * self.stride[1]) as isize + along;
                if y < 0 || y >= h as isize {
                    *row = [T::ZERO; W];
                } else {
                    self.copy::<T, V, W>(plane, y as usize * w, x, row);
                }
            }
        }
    }

    /// One row of a panel: from column `x` of the line that starts at `line`.
    #[inline(always)]
    fn copy<T: Real, V: Vector<T>, const W: usize>(
        &self,
        plane: &[T],
        line: usize,
        x: isize,
        row: &mut [T; W],
    ) {
        let (w, step) = (self.input[1], self.stride[1]);
        let inside = x >= 0 && x as usize + (W - 1) * step < w;
        let start = line.wrapping_add_signed(x);
        if inside && step == 1 {
            row.copy_from_slice(&plane[start..start + W]);
        } else if inside && start + 2 * W <= plane.len() {
            let [a, _] = V::load_by_two(&plane[start..]);
            let [b, _] = V::load_by_two(&plane[start + W..]);
            a.store(row);
            b.store(&mut row[W / 2..]);
        } else {
            for (j, to) in row.iter_mut().enumerate() {
                let at = x + (j * step) as isize;
                let is_inside = at >= 0 && at < w as isize;
                *to = if is_inside { plane[line + at as usize] } else { T::ZERO };
            }
        }
    }
}
