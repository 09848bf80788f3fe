//! A convolution's input as a matrix that is addressed, not stored.
//!
//! The matrix has a row for each tap (channel, ky, kx) and a column for each output pixel. Its
//! element is `source[taps[row] + pixels[column]]`, where `source` is the input with its zeros
//! around it. So padding costs one copy, and no element needs a bounds test of its own.
//!
//! Under a stride the source is sorted into phases: all even columns, then all odd ones, and so for
//! rows. Each tap then sees one phase, in which the pixels of an output row are neighbours.

use std::borrow::Cow;

use super::window::Window;
use crate::array::unspecified;
use crate::geometry::Problem;
use crate::real::Real;
use crate::tasks::for_chunks;

/// How source, taps and pixels are laid out; one for all images of a batch.
#[derive(Debug)]
pub(super) struct Lowering {
    /// Offset of each tap.
    pub(super) taps: Vec<usize>,
    /// Offset of each output pixel.
    pub(super) pixels: Vec<usize>,
    /// Offset between neighbours in a column of the output.
    pub(super) pitch: usize,
    channels: usize,
    input: [usize; 2],
    before: [usize; 2],
    lift: [usize; 2],
    stride: [usize; 2],
    /// Rows and columns that are kept of each run of `stride`.
    phases: [Vec<usize>; 2],
    /// Rows and columns of a phase.
    extent: [usize; 2],
    /// The same without a copy, if nothing is lifted.
    pub(super) window: Option<Window>,
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
    /// Whether all rows of the input are wanted.
    whole: bool,
}

impl Plan {
    fn forward(p: &Problem, channels: usize) -> Self {
        let g = &p.geometry;
        Self {
            channels,
            input: p.input,
            lift: [1; 2],
            before: [g.padding[0][0] as isize, g.padding[1][0] as isize],
            kernel: p.kernel,
            dilation: g.dilation,
            stride: g.stride,
            output: p.output,
            whole: true,
        }
    }
}

impl Lowering {
    /// The input of a convolution, as forward and weight gradient see it; `channels` of a group.
    pub(super) fn forward(p: &Problem, channels: usize) -> Self {
        Self::new(&Plan::forward(p, channels))
    }

    /// The same for `rows` rows of the output, wherever they are: the source holds what they see, see
    /// [`Lowering::fill_rows`].
    pub(super) fn of_rows(p: &Problem, channels: usize, rows: usize) -> Self {
        Self::new(&Plan { output: [rows, p.output[1]], whole: false, ..Plan::forward(p, channels) })
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
            whole: true,
        })
    }

    fn new(plan: &Plan) -> Self {
        // Offsets that are cut away become a shift of all pixels.
        let before = plan.before.map(|b| usize::try_from(b).unwrap_or(0));
        let shift = plan.before.map(|b| usize::try_from(-b).unwrap_or(0));
        let phases = [0, 1].map(|axis| {
            let of_taps = (0..plan.kernel[axis]).map(|k| k * plan.dilation[axis]);
            let mut phases: Vec<_> = of_taps.map(|at| at % plan.stride[axis]).collect();
            phases.sort_unstable();
            phases.dedup();
            phases
        });
        let extent = [0, 1].map(|axis| {
            let reach = (plan.kernel[axis] - 1) * plan.dilation[axis] / plan.stride[axis];
            let needed = shift[axis] + plan.output[axis] + reach;
            // Without a stride the whole input is kept, so that it may serve as it is.
            let lifted = before[axis] + (plan.input[axis] - 1) * plan.lift[axis] + 1;
            let all = plan.stride[axis] == 1 && (plan.whole || axis == 1);
            if all { needed.max(lifted) } else { needed }
        });
        let window = (plan.lift == [1, 1]).then_some(Window {
            input: plan.input,
            before: plan.before,
            kernel: plan.kernel,
            dilation: plan.dilation,
            stride: plan.stride,
            width: plan.output[1],
        });
        let mut lowering = Self {
            taps: Vec::new(),
            pixels: Vec::new(),
            pitch: extent[1],
            channels: plan.channels,
            input: plan.input,
            before,
            lift: plan.lift,
            stride: plan.stride,
            phases,
            extent,
            window,
        };
        lowering.taps = lowering.taps_of(plan);
        let rows = (0..plan.output[0]).map(|y| (shift[0] + y) * extent[1] + shift[1]);
        lowering.pixels = rows.flat_map(|row| (0..plan.output[1]).map(move |x| row + x)).collect();
        lowering
    }

    fn taps_of(&self, plan: &Plan) -> Vec<usize> {
        // The phase a tap sees, and how far into it.
        let place = |axis: usize, k: usize| {
            let at = k * plan.dilation[axis];
            let phase = self.phases[axis].binary_search(&(at % plan.stride[axis]));
            (phase.unwrap_or_else(|next| next), at / plan.stride[axis])
        };
        let mut taps = Vec::with_capacity(plan.channels * plan.kernel[0] * plan.kernel[1]);
        for c in 0..plan.channels {
            for (row_phase, y) in (0..plan.kernel[0]).map(|ky| place(0, ky)) {
                for (column_phase, x) in (0..plan.kernel[1]).map(|kx| place(1, kx)) {
                    let phase = row_phase * self.phases[1].len() + column_phase;
                    let start = c * self.channel_len() + phase * self.extent[0] * self.extent[1];
                    taps.push(start + y * self.pitch + x);
                }
            }
        }
        taps
    }

    /// Values of a channel in the source.
    pub(super) fn channel_len(&self) -> usize {
        self.phases[0].len() * self.phases[1].len() * self.extent[0] * self.extent[1]
    }

    /// Whether [`Self::fill`] has to make a copy, or the input itself is the source.
    pub(super) fn copies(&self) -> bool {
        self.stride != [1; 2] || self.extent != self.input
    }

    /// Values of a source.
    pub(super) fn source_len(&self) -> usize {
        self.channels * self.channel_len()
    }

    /// Writes one image with the zeros around it.
    pub(super) fn fill<T: Real>(&self, image: &[T], source: &mut [T]) {
        let plane = self.input[0] * self.input[1];
        for_chunks(source, self.channel_len(), 1, |channel, to| {
            self.place(to, &image[channel * plane..][..plane]);
        });
    }

    /// One image's source: the input itself where nothing surrounds it, else a copy with zeros.
    pub(super) fn source<'a, T: Real>(&self, image: &'a [T]) -> Cow<'a, [T]> {
        if !self.copies() {
            return Cow::Borrowed(image);
        }
        let mut source = unspecified(self.source_len());
        self.fill(image, &mut source);
        Cow::Owned(source)
    }

    /// Copies one channel into its frame of zeros, phase by phase.
    pub(super) fn place<T: Real>(&self, to: &mut [T], from: &[T]) {
        self.place_rows(to, from, 0);
    }

    /// Writes what a lowering of some rows of the output, which start at row `first`, sees of one image.
    pub(super) fn fill_rows<T: Real>(&self, image: &[T], first: usize, source: &mut [T]) {
        let planes = image.chunks_exact(self.input[0] * self.input[1]);
        for (to, from) in source.chunks_exact_mut(self.channel_len()).zip(planes) {
            self.place_rows(to, from, first);
        }
    }

    /// One channel of it.
    fn place_rows<T: Real>(&self, to: &mut [T], from: &[T], first: usize) {
        let mut planes = to.chunks_exact_mut(self.extent[0] * self.extent[1]);
        for &row_phase in &self.phases[0] {
            for (&column_phase, plane) in self.phases[1].iter().zip(&mut planes) {
                for (y, row) in plane.chunks_exact_mut(self.extent[1]).enumerate() {
                    match self.input_at(0, (first + y) * self.stride[0] + row_phase) {
                        Some(y) => self.place_row(
                            row,
                            &from[y * self.input[1]..][..self.input[1]],
                            column_phase,
                        ),
                        None => row.fill(T::ZERO),
                    }
                }
            }
        }
    }

    /// The row or column of the input at a place of the framed and lifted one; none among zeros.
    fn input_at(&self, axis: usize, at: usize) -> Option<usize> {
        let at = at.checked_sub(self.before[axis])?;
        let i = at / self.lift[axis];
        (at % self.lift[axis] == 0 && i < self.input[axis]).then_some(i)
    }

    fn place_row<T: Real>(&self, to: &mut [T], from: &[T], phase: usize) {
        let (before, stride, lift) = (self.before[1], self.stride[1], self.lift[1]);
        // The first place whose value is not left of the input, and the input there.
        let first = before.saturating_sub(phase).div_ceil(stride).min(to.len());
        let (left, right) = to.split_at_mut(first);
        left.fill(T::ZERO);
        let start = (first * stride + phase).saturating_sub(before);
        if lift > 1 {
            right.fill(T::ZERO);
            let spaced = right.iter_mut().step_by(lift);
            spaced.zip(from).for_each(|(to, &from)| *to = from);
            return;
        }
        let count = from.len().saturating_sub(start).div_ceil(stride).min(right.len());
        let (inside, outside) = right.split_at_mut(count);
        outside.fill(T::ZERO);
        match stride {
            1 => inside.copy_from_slice(&from[start..][..count]),
            2 => copy_every_second(inside, &from[start.min(from.len())..]),
            _ => {
                let spaced = from[start.min(from.len())..].iter().step_by(stride);
                inside.iter_mut().zip(spaced).for_each(|(to, &from)| *to = from);
            }
        }
    }
}

/// In pairs, which the compiler makes shuffles of.
fn copy_every_second<T: Real>(to: &mut [T], from: &[T]) {
    let pairs = from.as_chunks::<2>().0;
    to.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
    if to.len() > pairs.len()
        && let (Some(to), Some(&from)) = (to.get_mut(pairs.len()), from.last())
    {
        *to = from;
    }
}
