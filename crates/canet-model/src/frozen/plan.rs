//! A graph at one size of picture: shapes, tables, and the place of every value.

use std::ops::Range;

use candle_core::Result;
use canet_ops::frozen::{AveragePool, ConvPlan, PooledConvPlan, Resize};

use super::bands::Bands;
use super::layout::Layout;
use super::{Conv, Graph, Node, Op};
use crate::lowered::{Bins, ValueId};

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
    PooledConv(Box<PooledConvPlan>),
    Bands(Box<Bands>),
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
            Work::Bands(bands) => bands.workspace(),
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
                let (name, products) = describe(graph, node, &sizes);
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
            let plan = conv.filters.plan(from, conv.padding_of(from))?;
            let to = plan.output();
            (Work::Conv(Box::new(plan)), to)
        }
        Op::PooledConv(conv, window) => {
            if let Some(plan) = conv.filters.plan_pooled(from, conv.padding_of(from), *window)? {
                let to = plan.output();
                return Ok((Work::PooledConv(Box::new(plan)), to));
            }
            let bands = Bands::new(conv, window, from)?;
            let to = bands.output();
            (Work::Bands(Box::new(bands)), to)
        }
        Op::AveragePool(bins) => {
            let to = bins.of(from);
            (Work::AveragePool(AveragePool::new(from, to)?), to)
        }
        Op::Resize { like, corners } => {
            let to = size_of(*like);
            (Work::Resize(Resize::new(from, to, *corners)?), to)
        }
    })
}

/// A line about an operation, and its multiplications.
fn describe(graph: &Graph, number: usize, sizes: &[[usize; 2]]) -> (String, u64) {
    let node = &graph.nodes[number];
    let convolution = |conv: &Conv, [h, w]: [usize; 2]| {
        let ([kh, kw], groups) = (conv.kernel, conv.groups);
        let products = (conv.shape().iter().product::<usize>() * h * w) as u64;
        let split = if groups > 1 { format!(" in {groups} groups") } else { String::new() };
        (format!("convolution {kh}x{kw} of {}{split}", conv.inputs), products)
    };
    let plain = |name: &str| (name.to_owned(), 0);
    let (name, products) = match &node.op {
        Op::Conv(conv) => convolution(conv, sizes[number]),
        Op::PooledConv(conv, window) => {
            let between = sizes[number].map(|side| side * window.stride);
            let (name, products) = convolution(conv, between);
            (name + " and max-pool", products)
        }
        Op::AveragePool(Bins::Global) => plain("global average"),
        Op::AveragePool(Bins::By(rate)) => (format!("average pool by {rate}"), 0),
        Op::Resize { .. } => plain("resize"),
        Op::Spread { .. } => plain("spread"),
        Op::Add => plain("add"),
        Op::Gate { .. } => plain("gate"),
        Op::Affine { .. } => plain("affine"),
        Op::Picture => plain("picture"),
        Op::Concat => plain("concatenation"),
    };
    let [h, w] = sizes[number];
    (format!("{name} to {} x {h} x {w}", node.channels), products)
}
