//! Where the samples and bins of pooling and resizing lie: one definition for kernels and references.

use std::ops::Range;

use crate::real::Real;

/// The pixels of bin `i`.
pub(crate) fn bin(i: usize, out: usize, n: usize) -> Range<usize> {
    i * n / out..((i + 1) * n).div_ceil(out)
}

/// Where the samples of an image lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corners {
    /// The corner samples of input and output coincide: `source = i (n - 1) / (out - 1)`, 0 for one
    /// output (MXNet's `BilinearResize2D`, PyTorch's `align_corners = True`). CANet's convention.
    Aligned,
    /// Samples are pixel centres: `source = (i + 0.5) n / out - 0.5`, cut at the borders (Keras,
    /// OpenCV, PyTorch's `align_corners = False`). The assignment's convention.
    HalfPixel,
}

/// One output sample of an axis: `(1 - weight) * input[low] + weight * input[high]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample<T> {
    pub(crate) low: usize,
    pub(crate) high: usize,
    pub(crate) weight: T,
}

/// The samples of an axis of `n` inputs and `out` outputs.
pub(crate) fn samples<T: Real>(n: usize, out: usize, corners: Corners) -> Vec<Sample<T>> {
    let last = (n - 1) as f64;
    (0..out)
        .map(|i| {
            let source = match corners {
                Corners::Aligned if out == 1 => 0.0,
                Corners::Aligned => i as f64 * last / (out - 1) as f64,
                Corners::HalfPixel => {
                    ((i as f64 + 0.5) * n as f64 / out as f64 - 0.5).clamp(0.0, last)
                }
            };
            let low = source.floor();
            let at = low as usize;
            Sample { low: at, high: (at + 1).min(n - 1), weight: T::of_f64(source - low) }
        })
        .collect()
}
