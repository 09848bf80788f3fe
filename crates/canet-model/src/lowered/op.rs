//! The operations of a lowered network.

use canet_ops::frozen::MaxPool;
use canet_ops::{ConvGeometry, Corners};

/// A value: the picture, or what an operation makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueId(pub(super) usize);

impl ValueId {
    /// The picture, `(3, H, W)`.
    pub const PICTURE: Self = Self(0);

    /// The place of the operation that makes it, in [`super::Lowered::nodes`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// One operation and the value that it makes.
#[derive(Debug, Clone)]
pub struct Node<F = Filters> {
    /// What is done.
    pub op: Op<F>,
    /// To which values.
    pub inputs: Vec<ValueId>,
    /// Channels of the value.
    pub channels: usize,
}

/// What is done.
#[derive(Debug, Clone)]
pub enum Op<F = Filters> {
    /// Nothing: the value comes from outside.
    Picture,
    /// Convolves the first input; a second one is added to the result before the ReLU.
    Conv(Box<Conv<F>>),
    /// Convolves, and takes the maxima of windows of what comes of it.
    PooledConv(Box<Conv<F>>, MaxPool),
    /// Averages over bins. Bin `i` of `b` on an axis of `n` pixels has those from `floor(i n / b)` to
    /// before `ceil((i + 1) n / b)`: where `b` does not divide `n`, neighbours share a pixel.
    AveragePool(Bins),
    /// Resizes to the height and width of `like`, bilinearly.
    Resize {
        /// Has the size that is wanted.
        like: ValueId,
        /// Where the samples lie.
        corners: Corners,
    },
    /// Repeats a single pixel over the height and width of `like`.
    Spread {
        /// Has the size that is wanted.
        like: ValueId,
    },
    /// Adds the second input to the first.
    Add,
    /// Multiplies the first input with the sigmoid of the second, which has a factor for each of its
    /// values, or a single pixel with a factor for each channel.
    Gate {
        /// Whether the first input is then added once more.
        keep: bool,
    },
    /// `x * scale + offset`, a factor and a term a channel.
    Affine {
        /// The factors.
        scale: Vec<f32>,
        /// The terms.
        offset: Vec<f32>,
        /// Whether negative results become 0.
        relu: bool,
    },
    /// One input's channels after the other's.
    Concat,
}

/// A convolution with all that is folded into it.
#[derive(Debug, Clone)]
pub struct Conv<F = Filters> {
    /// The weights.
    pub filters: F,
    /// Channels of its input.
    pub inputs: usize,
    /// Channels of its result.
    pub outputs: usize,
    /// Height and width of a filter.
    pub kernel: [usize; 2],
    /// Pixels from one place of a filter to the next, down and to the right.
    pub stride: [usize; 2],
    /// Pixels from one weight to the next.
    pub dilation: [usize; 2],
    /// The channels are cut into so many parts, each convolved on its own.
    pub groups: usize,
    /// The zeros around the input.
    pub padding: Padding,
    /// Whether negative results become 0.
    pub relu: bool,
}

/// Plain weights of a convolution.
#[derive(Debug, Clone)]
pub struct Filters {
    /// `(outputs, inputs / groups, kernel height, kernel width)`.
    pub weights: Vec<f32>,
    /// One for each channel of the result.
    pub bias: Vec<f32>,
}

/// The zeros around a convolution's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// The same for all pictures: `[[top, bottom], [left, right]]`.
    Fixed([[usize; 2]; 2]),
    /// As many as the result needs to have `ceil(side / stride)` pixels; where that is odd, the
    /// larger half comes last (Keras' "same", ONNX' `SAME_UPPER`).
    Same,
}

/// How many bins an average pooling makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bins {
    /// One for the whole map.
    Global,
    /// `max(1, floor(side / rate))` on each axis.
    By(usize),
}

impl Bins {
    /// The bins on each axis of maps of `[height, width]`.
    pub fn of(self, input: [usize; 2]) -> [usize; 2] {
        match self {
            Self::Global => [1, 1],
            Self::By(rate) => input.map(|side| (side / rate).max(1)),
        }
    }
}

impl<F> Conv<F> {
    /// The zeros around an input of `[height, width]`: `[[top, bottom], [left, right]]`.
    pub fn padding_of(&self, input: [usize; 2]) -> [[usize; 2]; 2] {
        match self.padding {
            Padding::Fixed(padding) => padding,
            Padding::Same => ConvGeometry::same(self.kernel, self.stride[0], input).padding,
        }
    }

    /// The shape of the weights: `(outputs, inputs / groups, kernel height, kernel width)`.
    pub fn shape(&self) -> [usize; 4] {
        [self.outputs, self.inputs / self.groups, self.kernel[0], self.kernel[1]]
    }
}
