//! Shape arithmetic of a convolution.

use candle_core::Result;

/// How a kernel moves over its input. Pairs are `[vertical, horizontal]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvGeometry {
    /// Steps between outputs.
    pub stride: [usize; 2],
    /// Steps between taps.
    pub dilation: [usize; 2],
    /// Zeros around the input: `[[top, bottom], [left, right]]`.
    pub padding: [[usize; 2]; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// How the result is computed.
    pub algorithm: Algorithm,
}

/// How a convolution is computed. The results differ by rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// In `f32`, between enough channels: Winograd's method for 3x3 kernels of stride 1, and for others a
    /// matrix unit, if the processor has one (Intel's AMX), by numbers of 16 significant bits; else directly.
    #[default]
    Fastest,
    /// By the definition: for comparisons, as the rounding of the others flips a ReLU here and there.
    Direct,
}

impl Default for ConvGeometry {
    fn default() -> Self {
        Self {
            stride: [1; 2],
            dilation: [1; 2],
            padding: [[0; 2]; 2],
            groups: 1,
            algorithm: Algorithm::Fastest,
        }
    }
}

impl ConvGeometry {
    /// The same stride on both axes.
    #[must_use]
    pub fn with_stride(self, stride: usize) -> Self {
        Self { stride: [stride; 2], ..self }
    }

    /// The same dilation on both axes.
    #[must_use]
    pub fn with_dilation(self, dilation: usize) -> Self {
        Self { dilation: [dilation; 2], ..self }
    }

    /// The same padding on all four sides.
    #[must_use]
    pub fn with_padding(self, padding: usize) -> Self {
        Self { padding: [[padding; 2]; 2], ..self }
    }

    /// Groups; as many as channels make a depthwise convolution.
    #[must_use]
    pub fn with_groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Computed by the definition.
    #[must_use]
    pub fn direct(self) -> Self {
        Self { algorithm: Algorithm::Direct, ..self }
    }

    /// Keras' "same" padding: the output has `ceil(input / stride)` pixels, and where the padding is
    /// odd the extra zero is at the bottom and right (PyTorch's symmetric padding differs there).
    #[must_use]
    pub fn same(kernel: [usize; 2], stride: usize, input: [usize; 2]) -> Self {
        let pad = |k: usize, n: usize| {
            let total = ((n.div_ceil(stride).max(1) - 1) * stride + k).saturating_sub(n);
            [total / 2, total - total / 2]
        };
        let padding = [pad(kernel[0], input[0]), pad(kernel[1], input[1])];
        Self { padding, ..Self::default() }.with_stride(stride)
    }
}

/// One convolution with all its sizes, checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Problem {
    pub(crate) batch: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) kernel: [usize; 2],
    pub(crate) input: [usize; 2],
    pub(crate) output: [usize; 2],
    pub(crate) geometry: ConvGeometry,
}

impl Problem {
    pub(crate) fn new(
        (batch, inputs, h, w): (usize, usize, usize, usize),
        (outputs, inputs_a_group, kh, kw): (usize, usize, usize, usize),
        geometry: &ConvGeometry,
    ) -> Result<Self> {
        let g = geometry;
        let fits = g.groups > 0
            && inputs == inputs_a_group * g.groups
            && outputs.is_multiple_of(g.groups)
            && [batch, inputs, outputs, kh, kw, h, w].iter().all(|&size| size > 0)
            && g.stride.iter().chain(&g.dilation).all(|&step| step > 0);
        if !fits {
            candle_core::bail!(
                "a weight of ({outputs}, {inputs_a_group}, {kh}, {kw}) with {g:?} does not fit an input of ({batch}, {inputs}, {h}, {w})"
            );
        }
        let length = |axis: usize, n: usize, k: usize| {
            let padded = n + g.padding[axis][0] + g.padding[axis][1];
            let reach = g.dilation[axis] * (k - 1) + 1;
            padded.checked_sub(reach).map(|free| free / g.stride[axis] + 1)
        };
        let (Some(oh), Some(ow)) = (length(0, h, kh), length(1, w, kw)) else {
            candle_core::bail!("a {kh}x{kw} kernel with {g:?} is larger than its {h}x{w} input");
        };
        let (kernel, input, output) = ([kh, kw], [h, w], [oh, ow]);
        Ok(Self { batch, inputs, outputs, kernel, input, output, geometry: *g })
    }

    /// Whether each channel has one filter of its own.
    pub(crate) fn is_depthwise(&self) -> bool {
        self.geometry.groups == self.inputs && self.inputs == self.outputs && self.inputs > 1
    }

    pub(crate) fn group_inputs(&self) -> usize {
        self.inputs / self.geometry.groups
    }

    pub(crate) fn group_outputs(&self) -> usize {
        self.outputs / self.geometry.groups
    }

    pub(crate) fn kernel_size(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    pub(crate) fn input_pixels(&self) -> usize {
        self.input[0] * self.input[1]
    }

    pub(crate) fn output_pixels(&self) -> usize {
        self.output[0] * self.output[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_sizes() {
        for (input, kernel, stride, dilation, padding, expected) in [
            ([9, 12], [3, 3], 1, 1, 1, Some([9, 12])),
            ([9, 12], [3, 3], 2, 1, 1, Some([5, 6])),
            ([17, 20], [7, 7], 2, 1, 3, Some([9, 10])),
            ([8, 8], [3, 3], 1, 4, 4, Some([8, 8])),
            ([2, 8], [3, 3], 1, 1, 0, None),
        ] {
            let geometry = ConvGeometry::default()
                .with_stride(stride)
                .with_dilation(dilation)
                .with_padding(padding);
            let problem =
                Problem::new((1, 3, input[0], input[1]), (4, 3, kernel[0], kernel[1]), &geometry);
            assert_eq!(problem.ok().map(|p| p.output), expected, "{input:?} {geometry:?}");
        }
    }

    #[test]
    fn keras_same_padding_is_uneven_under_stride_2() {
        let even = ConvGeometry::same([3, 3], 2, [8, 9]);
        assert_eq!(even.padding, [[0, 1], [1, 1]]);
        assert_eq!(ConvGeometry::same([7, 1], 1, [8, 8]).padding, [[3, 3], [0, 0]]);
        assert_eq!(ConvGeometry::same([1, 1], 2, [8, 8]).padding, [[0, 0], [0, 0]]);
    }
}
