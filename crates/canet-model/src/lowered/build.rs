//! Collects the operations of a network; the layers call it in their `lower` methods.

use candle_core::{Result, bail};
use canet_ops::Corners;
use canet_ops::frozen::MaxPool;

use super::{Affine, Bins, Conv, Filters, Folding, Lowered, Node, Op, ValueId};

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

    /// The network that ends with these logits, for pictures of any size.
    pub(crate) fn finish(self, logits: ValueId, corners: Corners) -> Lowered {
        Lowered { nodes: self.nodes, logits, corners, least_side: 1, finite: self.finite }
    }

    /// A convolution, with a ReLU after it or without.
    pub(crate) fn conv(&mut self, x: ValueId, folding: Folding, relu: bool) -> Result<ValueId> {
        let conv = self.fitting(&[x], folding, relu)?;
        let channels = conv.outputs;
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
        let conv = self.fitting(&[x, shortcut], folding, relu)?;
        let channels = conv.outputs;
        Ok(self.push(Op::Conv(conv), vec![x, shortcut], channels))
    }

    /// A convolution, a ReLU, and a max-pooling.
    pub(crate) fn conv_max_pool(
        &mut self,
        x: ValueId,
        folding: Folding,
        window: MaxPool,
    ) -> Result<ValueId> {
        let conv = self.fitting(&[x], folding, true)?;
        let channels = conv.outputs;
        Ok(self.push(Op::PooledConv(conv, window), vec![x], channels))
    }

    fn fitting(&mut self, inputs: &[ValueId], folding: Folding, relu: bool) -> Result<Box<Conv>> {
        let conv = folding.finish(relu);
        let found: Vec<_> = inputs.iter().map(|&input| self.channels(input)).collect();
        let fits = found[0] == conv.inputs && found[1..].iter().all(|&n| n == conv.outputs);
        if !fits {
            let (shape, groups) = (conv.shape(), conv.groups);
            bail!("internal: weights of {shape:?} in {groups} groups do not fit {found:?}");
        }
        let Filters { weights, bias } = &conv.filters;
        self.finite &= weights.iter().chain(bias).all(|w| w.is_finite());
        Ok(Box::new(conv))
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
