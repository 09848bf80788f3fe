//! What a frozen network computes, for pictures of any size: operations in the order in which they
//! run, with their weights. Each makes one value, a map `(C, H, W)`.
//!
//! The layers build it with their `freeze` methods.

use candle_core::{Result, bail};
use canet_ops::frozen::{FrozenConv, MaxPool};
use canet_ops::{ConvGeometry, Corners};

use super::fold::{Affine, Folding, Padding};

/// A value of a graph: the picture, or what an operation makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ValueId(usize);

impl ValueId {
    /// The picture, `(3, H, W)`.
    pub(crate) const PICTURE: Self = Self(0);

    /// Its number; values are numbered in the order of their making.
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// Operations in the order in which they run.
pub(crate) struct Graph {
    /// The first one stands for the picture; each makes the value of its number.
    pub(crate) nodes: Vec<Node>,
    /// The logits, `(classes, h, w)`, smaller than the picture.
    pub(crate) logits: ValueId,
    /// How they are enlarged.
    pub(crate) corners: Corners,
    /// Whether all weights are numbers.
    pub(crate) finite: bool,
}

/// One operation and the value that it makes.
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) inputs: Vec<ValueId>,
    /// Channels of the value.
    pub(crate) channels: usize,
}

/// What is done.
pub(crate) enum Op {
    /// Nothing: the value comes from outside.
    Picture,
    /// Convolves the first input; a second one is added to the result before the ReLU.
    Conv(Box<Conv>),
    /// Convolves, and pools what comes of it.
    PooledConv(Box<Conv>, MaxPool),
    /// Average pooling.
    AveragePool(Bins),
    /// Enlarges to the size of `like`.
    Resize { like: ValueId, corners: Corners },
    /// Repeats a single pixel over the size of `like`.
    Spread { like: ValueId },
    /// Adds the second input to the first.
    Add,
    /// Multiplies the first input with the sigmoid of the second, a factor a channel or a value;
    /// `keep` adds the first input once more.
    Gate { keep: bool },
    /// `activation(x * scale + offset)`, a factor and a term a channel.
    Affine { scale: Vec<f32>, offset: Vec<f32>, relu: bool },
    /// One input's channels after the other's.
    Concat,
}

/// A convolution with all that is folded into it.
pub(crate) struct Conv {
    pub(crate) weights: FrozenConv,
    pub(crate) geometry: ConvGeometry,
    /// Channels of its input.
    pub(crate) inputs: usize,
    pub(crate) kernel: [usize; 2],
    pub(crate) relu: bool,
    /// Multiplications for each value of the result.
    pub(crate) taps: usize,
    padding: Padding,
}

impl Conv {
    /// The zeros around an input of `[height, width]`.
    pub(crate) fn padding(&self, input: [usize; 2]) -> [[usize; 2]; 2] {
        match self.padding {
            Padding::Fixed(padding) => padding,
            Padding::Same => {
                ConvGeometry::same(self.kernel, self.geometry.stride[0], input).padding
            }
        }
    }
}

/// How many bins an average pooling makes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bins {
    /// One.
    Global,
    /// One for so many pixels, on each axis; at least one.
    By(usize),
}

/// A flow of the chain: the global one is a single pixel that stands for a whole map.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Flow {
    Pixel(ValueId),
    Map(ValueId),
}

/// Collects operations.
pub(crate) struct GraphBuilder {
    nodes: Vec<Node>,
    finite: bool,
}

impl GraphBuilder {
    /// With nothing but the picture.
    pub(crate) fn new() -> Self {
        let picture = Node { op: Op::Picture, inputs: Vec::new(), channels: 3 };
        Self { nodes: vec![picture], finite: true }
    }

    /// The graph that ends with these logits.
    pub(crate) fn finish(self, logits: ValueId, corners: Corners) -> Graph {
        Graph { nodes: self.nodes, logits, corners, finite: self.finite }
    }

    /// A convolution, with a ReLU after it or without.
    pub(crate) fn conv(&mut self, x: ValueId, folding: Folding, relu: bool) -> Result<ValueId> {
        let conv = self.freeze(&[x], folding, relu)?;
        let channels = conv.weights.outputs();
        Ok(self.push(Op::Conv(conv), vec![x], channels))
    }

    /// A convolution that ends a residual block: the shortcut is added, then comes the ReLU, if any.
    pub(crate) fn conv_onto(
        &mut self,
        shortcut: ValueId,
        x: ValueId,
        folding: Folding,
        relu: bool,
    ) -> Result<ValueId> {
        let conv = self.freeze(&[x, shortcut], folding, relu)?;
        let channels = conv.weights.outputs();
        Ok(self.push(Op::Conv(conv), vec![x, shortcut], channels))
    }

    /// A convolution, a ReLU, and a max-pooling.
    pub(crate) fn conv_max_pool(
        &mut self,
        x: ValueId,
        folding: Folding,
        window: MaxPool,
    ) -> Result<ValueId> {
        let conv = self.freeze(&[x], folding, true)?;
        let channels = conv.weights.outputs();
        Ok(self.push(Op::PooledConv(conv, window), vec![x], channels))
    }

    fn freeze(&mut self, inputs: &[ValueId], folding: Folding, relu: bool) -> Result<Box<Conv>> {
        let [o, i, kh, kw] = folding.shape();
        let (geometry, padding) = (folding.geometry(), folding.padding());
        let found: Vec<_> = inputs.iter().map(|&input| self.channels(input)).collect();
        if found[0] != i * geometry.groups || found[1..].iter().any(|&channels| channels != o) {
            bail!("internal: weights of {:?}, {geometry:?}, do not fit {found:?}", [o, i, kh, kw]);
        }
        self.finite &= folding.is_finite();
        let weights = folding.freeze()?;
        let (inputs, kernel, taps) = (found[0], [kh, kw], i * kh * kw);
        Ok(Box::new(Conv { weights, geometry, inputs, kernel, relu, taps, padding }))
    }

    pub(crate) fn average_pool(&mut self, x: ValueId, bins: Bins) -> ValueId {
        self.push(Op::AveragePool(bins), vec![x], self.channels(x))
    }

    /// `rich` and the flow before, pooled by `rate` and joined. (Pooling knows no channels but its
    /// own, so each is pooled alone, and the joint map is never made at its full size.)
    pub(crate) fn pool_joined(
        &mut self,
        rich: ValueId,
        flow: Flow,
        rate: usize,
    ) -> Result<ValueId> {
        let rich = self.average_pool(rich, Bins::By(rate));
        let flow = match flow {
            Flow::Pixel(pixel) => self.spread(pixel, rich),
            Flow::Map(map) => self.average_pool(map, Bins::By(rate)),
        };
        self.concat(&[rich, flow])
    }

    pub(crate) fn resize(&mut self, x: ValueId, like: ValueId, corners: Corners) -> ValueId {
        self.push(Op::Resize { like, corners }, vec![x], self.channels(x))
    }

    /// A single pixel over the size of `like`.
    pub(crate) fn spread(&mut self, x: ValueId, like: ValueId) -> ValueId {
        self.push(Op::Spread { like }, vec![x], self.channels(x))
    }

    pub(crate) fn add(&mut self, x: ValueId, other: ValueId) -> ValueId {
        self.push(Op::Add, vec![x, other], self.channels(x))
    }

    /// See [`Op::Gate`].
    pub(crate) fn gate(&mut self, x: ValueId, factors: ValueId, keep: bool) -> ValueId {
        self.push(Op::Gate { keep }, vec![x, factors], self.channels(x))
    }

    /// See [`Op::Affine`].
    pub(crate) fn affine(&mut self, x: ValueId, affine: &Affine, relu: bool) -> ValueId {
        let single = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<_>>();
        let (scale, offset) = (single(&affine.scale), single(&affine.offset));
        self.finite &= scale.iter().chain(&offset).all(|v| v.is_finite());
        self.push(Op::Affine { scale, offset, relu }, vec![x], self.channels(x))
    }

    /// A value can be a part of one concatenation only: it is made in its place there.
    pub(crate) fn concat(&mut self, parts: &[ValueId]) -> Result<ValueId> {
        let concats = self.nodes.iter().filter(|node| matches!(node.op, Op::Concat));
        let mut taken: Vec<ValueId> = concats.flat_map(|node| node.inputs.clone()).collect();
        for &part in parts {
            if taken.contains(&part) {
                bail!("internal: {part:?} is a part of two concatenations");
            }
            taken.push(part);
        }
        let channels = parts.iter().map(|&part| self.channels(part)).sum();
        Ok(self.push(Op::Concat, parts.to_vec(), channels))
    }

    fn channels(&self, value: ValueId) -> usize {
        self.nodes[value.0].channels
    }

    fn push(&mut self, op: Op, inputs: Vec<ValueId>, channels: usize) -> ValueId {
        self.nodes.push(Node { op, inputs, channels });
        ValueId(self.nodes.len() - 1)
    }
}
