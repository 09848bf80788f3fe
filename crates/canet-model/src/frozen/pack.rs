//! From a lowered network to one with packed weights.

use candle_core::Result;
use canet_ops::ConvGeometry;
use canet_ops::frozen::FrozenConv;

use super::{Conv, Graph, Node, Op};
use crate::lowered::{self, Lowered};

/// Packs the weights of every convolution. Plain weights are dropped as soon as they are packed, so
/// that a network never holds all of them twice.
pub(super) fn pack(lowered: Lowered) -> Result<Graph> {
    let Lowered { nodes, logits, corners, least_side, finite } = lowered;
    let nodes = nodes.into_iter().map(node).collect::<Result<_>>()?;
    Ok(Lowered { nodes, logits, corners, least_side, finite })
}

fn node(node: lowered::Node) -> Result<Node> {
    use lowered::Op as Plain;
    let op = match node.op {
        Plain::Conv(plain) => Op::Conv(conv(*plain)?),
        Plain::PooledConv(plain, window) => Op::PooledConv(conv(*plain)?, window),
        Plain::Picture => Op::Picture,
        Plain::AveragePool(bins) => Op::AveragePool(bins),
        Plain::Resize { like, corners } => Op::Resize { like, corners },
        Plain::Spread { like } => Op::Spread { like },
        Plain::Add => Op::Add,
        Plain::Gate { keep } => Op::Gate { keep },
        Plain::Affine { scale, offset, relu } => Op::Affine { scale, offset, relu },
        Plain::Concat => Op::Concat,
    };
    Ok(Node { op, inputs: node.inputs, channels: node.channels })
}

fn conv(plain: lowered::Conv) -> Result<Box<Conv>> {
    let shape = plain.shape();
    let lowered::Conv { filters, inputs, outputs, kernel, stride, dilation, groups, .. } = plain;
    let geometry = ConvGeometry { stride, dilation, groups, ..ConvGeometry::default() };
    let filters = FrozenConv::new(filters.weights, shape, filters.bias, geometry)?;
    let (padding, relu) = (plain.padding, plain.relu);
    let conv = Conv { filters, inputs, outputs, kernel, stride, dilation, groups, padding, relu };
    Ok(Box::new(conv))
}
