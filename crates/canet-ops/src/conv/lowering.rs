//! A convolution's input as a matrix that is addressed, not stored.
//!
//! The matrix has a row for each tap (channel, ky, kx) and a column for each output pixel. Its
//! element is `source[taps[row] + pixels[column]]`, where `source` is the input with its zeros
//! around it. So padding costs one copy, and no element needs a bounds test of its own.

use std::borrow::Cow;

use rayon::prelude::*;

use super::tile::WIDTH;
use crate::geometry::Problem;
use crate::real::Real;

/// How source, taps and pixels are laid out; one for all images of a batch.
pub(super) struct Lowering {
    /// Offset of each tap.
    pub(super) taps: Vec<usize>,
    /// Offset of each output pixel.
    pub(super) pixels: Vec<usize>,
    channels: usize,
    input: [usize; 2],
    padded: [usize; 2],
    before: [usize; 2],
    lift: [usize; 2],
}

/// What a lowering is made from.
struct Plan {
    channels: usize,
    input: [usize; 2],
    /// Zeros are inserted so that neighbours come to lie this far apart.
    lift: [usize; 2],
    /// Zeros above and left of the (lifted) input. Negative: rows and columns that are cut away.
    before: [isize; 2],
    kernel: [usize; 2],
    dilation: [usize; 2],
    stride: [usize; 2],
    output: [usize; 2],
}

impl Lowering {
    /// The input of a convolution, as forward and weight gradient see it; `channels` of a group.
    pub(super) fn forward(p: &Problem, channels: usize) -> Self {
        let g = &p.geometry;
        Self::new(&Plan {
            channels,
            input: p.input,
            lift: [1; 2],
            before: [g.padding[0][0] as isize, g.padding[1][0] as isize],
            kernel: p.kernel,
            dilation: g.dilation,
            stride: g.stride,
            output: p.output,
        })
    }

    /// The gradient of the output, as the gradient of the input sees it: each input pixel gathers
    /// from the outputs it took part in. That is a convolution with zeros inserted for the stride;
    /// its weights are the forward ones turned by 180 degrees.
    pub(super) fn input_gradient(p: &Problem, channels: usize) -> Self {
        let g = &p.geometry;
        let before = |axis: usize| {
            (g.dilation[axis] * (p.kernel[axis] - 1)) as isize - g.padding[axis][0] as isize
        };
        Self::new(&Plan {
            channels,
            input: p.output,
            lift: g.stride,
            before: [before(0), before(1)],
            kernel: p.kernel,
            dilation: g.dilation,
            stride: [1; 2],
            output: p.input,
        })
    }

    fn new(plan: &Plan) -> Self {
        // Offsets that are cut away become a shift of all pixels.
        let before = plan.before.map(|b| usize::try_from(b).unwrap_or(0));
        let shift = plan.before.map(|b| usize::try_from(-b).unwrap_or(0));
        let extent = |axis: usize| {
            let lifted = before[axis] + (plan.input[axis] - 1) * plan.lift[axis] + 1;
            let reach = shift[axis]
                + (plan.output[axis] - 1) * plan.stride[axis]
                + (plan.kernel[axis] - 1) * plan.dilation[axis]
                + 1;
            lifted.max(reach)
        };
        let padded = [extent(0), extent(1)];
        let width = padded[1];
        let mut taps = Vec::with_capacity(plan.channels * plan.kernel[0] * plan.kernel[1]);
        for c in 0..plan.channels {
            for ky in 0..plan.kernel[0] {
                for kx in 0..plan.kernel[1] {
                    let row = c * padded[0] + ky * plan.dilation[0];
                    taps.push(row * width + kx * plan.dilation[1]);
                }
            }
        }
        let mut pixels = Vec::with_capacity(plan.output[0] * plan.output[1]);
        for y in 0..plan.output[0] {
            let row = (shift[0] + y * plan.stride[0]) * width + shift[1];
            pixels.extend((0..plan.output[1]).map(|x| row + x * plan.stride[1]));
        }
        let (channels, input, lift) = (plan.channels, plan.input, plan.lift);
        Self { taps, pixels, channels, input, padded, before, lift }
    }

    /// One image's source: the input itself where nothing surrounds it, else a copy with zeros.
    pub(super) fn source<'a, T: Real>(&self, image: &'a [T]) -> Cow<'a, [T]> {
        if self.padded == self.input {
            return Cow::Borrowed(image);
        }
        let mut source = vec![T::ZERO; self.channels * self.padded[0] * self.padded[1]];
        source
            .par_chunks_mut(self.padded[0] * self.padded[1])
            .zip(image.par_chunks(self.input[0] * self.input[1]))
            .for_each(|(to, from)| self.place(to, from));
        Cow::Owned(source)
    }

    /// Copies one channel into its frame of zeros.
    fn place<T: Real>(&self, to: &mut [T], from: &[T]) {
        for (y, row) in from.chunks_exact(self.input[1]).enumerate() {
            let start = (self.before[0] + y * self.lift[0]) * self.padded[1] + self.before[1];
            if self.lift[1] == 1 {
                to[start..start + row.len()].copy_from_slice(row);
            } else {
                let spaced = to[start..].iter_mut().step_by(self.lift[1]);
                spaced.zip(row).for_each(|(to, &from)| *to = from);
            }
        }
    }

    /// Writes rows `taps` of [`WIDTH`] columns from pixel `first` into `panel`, a row after another.
    /// Columns past the last pixel repeat it; what comes of them is not stored.
    #[inline(always)]
    pub(super) fn pack_columns<T: Real>(
        &self,
        source: &[T],
        taps: std::ops::Range<usize>,
        first: usize,
        panel: &mut [T],
    ) {
        let mut offsets = [0; WIDTH];
        for (j, offset) in offsets.iter_mut().enumerate() {
            *offset = self.pixels[(first + j).min(self.pixels.len() - 1)];
        }
        let rows = panel.as_chunks_mut::<WIDTH>().0.iter_mut().zip(&self.taps[taps]);
        // The repeats of a partial panel can make a gap between rows look closed; only a whole one
        // may be taken for contiguous by its ends.
        let whole = first + WIDTH <= self.pixels.len();
        if whole && offsets[WIDTH - 1] == offsets[0] + WIDTH - 1 {
            for (row, &tap) in rows {
                row.copy_from_slice(&source[tap + offsets[0]..][..WIDTH]);
            }
        } else {
            for (row, &tap) in rows {
                let from = &source[tap..];
                for (to, &offset) in row.iter_mut().zip(&offsets) {
                    *to = from[offset];
                }
            }
        }
    }

    /// Writes [`WIDTH`] rows from tap `first` for each of `pixels` into `panel`, a pixel after
    /// another; rows past the last tap are zero.
    #[inline(always)]
    pub(super) fn pack_rows<T: Real>(
        &self,
        source: &[T],
        first: usize,
        pixels: &[usize],
        panel: &mut [T],
    ) {
        let taps = &self.taps[first..self.taps.len().min(first + WIDTH)];
        for (column, &pixel) in panel.as_chunks_mut::<WIDTH>().0.iter_mut().zip(pixels) {
            let from = &source[pixel..];
            if let Ok(taps) = <&[usize; WIDTH]>::try_from(taps) {
                for (to, &tap) in column.iter_mut().zip(taps) {
                    *to = from[tap];
                }
            } else {
                *column = [T::ZERO; WIDTH];
                for (to, &tap) in column.iter_mut().zip(taps) {
                    *to = from[tap];
                }
            }
        }
    }
}
