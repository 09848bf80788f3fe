//! What an exported file shall be like.

use canet_model::Precision;

/// What an exported file shall be like.
///
/// By default it takes frames of any size and gives logits, with weights of 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExportOptions {
    /// Of the frames that it takes.
    pub size: Size,
    /// How the weights of the convolutions are stored. [`Precision::F16`] makes a file of half the
    /// size: each is cast to `f32` in the graph, which engines do once, when they load it. So the
    /// arithmetic is that of `f32` in any case, and all engines run it. (It is the weights with the
    /// batch norms in them that are rounded.)
    pub weights: Precision,
    /// What it gives.
    pub outputs: Outputs,
}

/// The height and width of the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Size {
    /// Any, from one run to the next. A few small operations compute the bins of the poolings.
    #[default]
    Dynamic,
    /// These, `[height, width]`: a simpler graph, which some engines insist on.
    Fixed([usize; 2]),
}

/// What a file gives.
///
/// The logits are the usual choice: probabilities (softmax), thresholds and blending start from them,
/// and every engine and accelerator can end with a resize. The labels are a `classes * 4`-th of their
/// size, which matters where results travel, and spare the caller a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outputs {
    /// `logits`, f32 `(N, classes, H, W)`.
    #[default]
    Logits,
    /// `labels`, u8 `(N, H, W)`: the class with the highest score, the first of equals.
    Labels,
    /// First `logits`, then `labels`.
    Both,
}

impl Outputs {
    pub(crate) fn logits(self) -> bool {
        self != Self::Labels
    }

    pub(crate) fn labels(self) -> bool {
        self != Self::Logits
    }
}
