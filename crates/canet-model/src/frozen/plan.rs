//! A graph at one size of picture: shapes, tables, and the place of every value.

use std::ops::Range;

use candle_core::Result;
use canet_ops::ConvGeometry;
use canet_ops::frozen::{AveragePool, ConvPlan, Resize};

use super::fold::Padding;
use super::graph::{Bins, Conv, Graph, Node, Op, ValueId};
use super::layout::Layout;

/// What has to be run, and where.
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// Elements that all values need together.
    pub(crate) values: usize,
    /// Elements that the convolutions need to work in.
    pub(crate) workspace: usize,
    /// Where the picture is expected.
    pub(crate) picture: Range<usize>,
    /// Where the logits will be.
    pub(crate) logits: Range<usize>,
    /// Height and width of the logits.
    pub(crate) logits_size: [usize; 2],
}

/// One operation at one size.
pub(crate) struct Step {
    /// The operation's number in the graph.
    pub(crate) node: usize,
    pub(crate) work: Work,
    /// The places of its inputs.
    pub(crate) inputs: Vec<Range<usize>>,
    /// The place of its value.
    pub(crate) output: Range<usize>,
    /// What it is, for people.
    pub(crate) name: String,
    /// Its multiplications, for convolutions.
    pub(crate) products: u64,
}

/// What an operation has to know about the size.
pub(crate) enum Work {
    Conv(Box<ConvPlan>),
    MaxPool { from: [usize; 2], to: [usize; 2] },
    AveragePool(AveragePool),
    Resize(Resize),
    Other,
}

impl Plan {
    /// For pictures of `size` = `[height, width]`.
    pub(crate) fn new(graph: &Graph, size: [usize; 2]) -> Result<Self> {
        Self::with_layout(graph, size, Layout::new)
    }

    pub(super) fn with_layout(
        graph: &Graph,
        size: [usize; 2],
        layout: impl Fn(&Graph, &[usize]) -> Layout,
    ) -> Result<Self> {
        let mut sizes = Vec::new();
        let mut works = Vec::new();
        for node in &graph.nodes {
            let (work, size) = prepare(node, &sizes, size)?;
            works.push(work);
            sizes.push(size);
        }
        let lens: Vec<usize> =
            graph.nodes.iter().zip(&sizes).map(|(node, [h, w])| node.channels * h * w).collect();
        let Layout { places, len } = layout(graph, &lens);
        let workspace = works.iter().map(|work| match work {
            Work::Conv(plan) => plan.workspace(),
            _ => 0,
        });
        let workspace = workspace.max().unwrap_or(0);
        let steps = works
            .into_iter()
            .enumerate()
            .filter(|(number, _)| !matches!(graph.nodes[*number].op, Op::Picture | Op::Concat))
            .map(|(node, work)| {
                let inputs = &graph.nodes[node].inputs;
                let inputs = inputs.iter().map(|input| places[input.index()].clone()).collect();
                let (name, products) = describe(graph, node, sizes[node]);
                Step { node, work, inputs, output: places[node].clone(), name, products }
            })
            .collect();
        let logits = graph.logits.index();
        Ok(Self {
            steps,
            values: len,
            workspace,
            picture: places[ValueId::PICTURE.index()].clone(),
            logits: places[logits].clone(),
            logits_size: sizes[logits],
        })
    }
}

/// What `node` needs to run where its inputs have `sizes`, and the size of its value.
fn prepare(node: &Node, sizes: &[[usize; 2]], picture: [usize; 2]) -> Result<(Work, [usize; 2])> {
    let size_of = |value: ValueId| sizes[value.index()];
    let from = node.inputs.first().map_or(picture, |&x| size_of(x));
    Ok(match &node.op {
        Op::Picture | Op::Add | Op::Gate { .. } | Op::Affine { .. } | Op::Concat => {
            (Work::Other, from)
        }
        Op::Spread { like } => (Work::Other, size_of(*like)),
        Op::Conv(conv) => {
            let plan = conv.weights.plan(from, padding(conv, from))?;
            let to = plan.output();
            (Work::Conv(Box::new(plan)), to)
        }
        Op::MaxPool(window) => {
            let to = window.output(from)?;
            (Work::MaxPool { from, to }, to)
        }
        Op::AveragePool(bins) => {
            let to = match bins {
                Bins::Global => [1, 1],
                Bins::By(rate) => from.map(|side| (side / rate).max(1)),
            };
            (Work::AveragePool(AveragePool::new(from, to)?), to)
        }
        Op::Resize { like, corners } => {
            let to = size_of(*like);
            (Work::Resize(Resize::new(from, to, *corners)?), to)
        }
    })
}

fn padding(conv: &Conv, input: [usize; 2]) -> [[usize; 2]; 2] {
    match conv.padding {
        Padding::Fixed(padding) => padding,
        Padding::Same => ConvGeometry::same(conv.kernel, conv.stride, input).padding,
    }
}

/// A line about an operation, and its multiplications.
fn describe(graph: &Graph, number: usize, [h, w]: [usize; 2]) -> (String, u64) {
    let node = &graph.nodes[number];
    let channels = node.channels;
    let at = format!("{channels} x {h} x {w}");
    let (what, taps) = match &node.op {
        Op::Conv(conv) => {
            let [kh, kw] = conv.kernel;
            let inputs = graph.nodes[node.inputs[0].index()].channels;
            let stride = if conv.stride == 1 { "" } else { ", stride 2" };
            let depthwise =
                if conv.taps == kh * kw && inputs == channels { "depthwise " } else { "" };
            let onto = if node.inputs.len() > 1 { ", residual" } else { "" };
            (format!("{depthwise}convolution {kh}x{kw} of {inputs}{stride}{onto}"), conv.taps)
        }
        Op::MaxPool(_) => ("max-pool".into(), 0),
        Op::AveragePool(Bins::Global) => ("global average".into(), 0),
        Op::AveragePool(Bins::By(rate)) => (format!("average pool by {rate}"), 0),
        Op::Resize { .. } => ("resize".into(), 0),
        Op::Spread { .. } => ("spread".into(), 0),
        Op::Add => ("add".into(), 0),
        Op::Gate { .. } => ("gate".into(), 0),
        Op::Affine { .. } => ("affine".into(), 0),
        Op::Picture => ("picture".into(), 0),
        Op::Concat => ("concatenation".into(), 0),
    };
    (format!("{what} to {at}"), (channels * h * w * taps) as u64)
}
