//! The network of the "Segmentation of Indian Traffic" assignment: CANet's first version
//! (arXiv 2002.12041v1) at a width of 64, without a pretrained backbone.
//!
//! ```text
//! stem ---- C1 ---- C2 ---- C3 ---- C4          1/2, 1/4, 1/8, 1/8, 1/8
//!           |                        +--- global flow -+
//!           |                        +--- context flow +-- sum -- feature selection --+
//!           |                        +--- context flow +                               |
//!           |                        +--- context flow +                               |
//!           +--- adapted global convolution ----------------------- concat -- 3x3 -- logits
//! ```
//!
//! Its modules keep the notebook's names: [`blocks`] has the convolutional and the identity block,
//! [`flows`] the global and the context flow, [`attention`] the feature selection and the adapted
//! global convolution. Everything follows Keras: convolutions with bias and "same" padding, batch
//! norm with epsilon 1e-3, resizing with half-pixel centres.
//!
//! Two sentences of the assignment are not followed, as in all notebooks that work: there is no
//! ReLU on the logits, and classes compete in a softmax instead of a sigmoid each.

mod attention;
mod blocks;
mod flows;
mod keras;

use candle_core::Result;
use canet_ops::{Corners, Value};

use crate::layers::{NormSpec, size_of};
use crate::lowered::{Flow, GraphBuilder, Lowered, ValueId};
use crate::params::{Part, Scope};
use crate::pass::SampleDrop;
use crate::stages::{Stages, Watch};
use crate::{AssignmentConfig, Output, Pass};
use attention::{AdaptedGlobalConvolution, FeatureSelection};
use blocks::{Stage, Stem};
use flows::{ContextFlow, GlobalFlow};
use keras::KerasConv;

/// Channels of every flow.
const FLOW: usize = 32;
/// Channels of C4.
const C4: usize = 64;

/// The assignment's network.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    stem: Stem,
    stages: [Stage; 4],
    global_flow: GlobalFlow,
    context_flows: Vec<ContextFlow>,
    fsm: FeatureSelection,
    agcn: AdaptedGlobalConvolution,
    classifier: KerasConv,
}

impl Assignment {
    pub(crate) fn new(scope: &mut Scope, config: &AssignmentConfig) -> Result<Self> {
        let norm = NormSpec { eps: 1e-3, momentum: config.batch_norm_momentum };
        let mut backbone = scope.of(Part::Backbone);
        let stem = Stem::new(&mut backbone.sub("stem"), norm)?;
        // Ten identity blocks in all; the convolutional blocks are never dropped.
        let drops = SampleDrop::linear(config.stochastic_depth, 10);
        let mut stage = |name, inputs, filters, stride, identity_blocks| {
            let drops = &drops[identity_blocks];
            Stage::new(&mut backbone.sub(name), inputs, filters, stride, drops, norm)
        };
        let stages = [
            stage("c1", 64, [4, 4, 8], 2, 0..1)?,
            stage("c2", 8, [8, 8, 16], 2, 1..3)?,
            stage("c3", 16, [16, 16, 32], 1, 3..6)?,
            stage("c4", 32, [32, 32, C4], 1, 6..10)?,
        ];
        let global_flow = GlobalFlow::new(&mut scope.sub("global_flow"), norm)?;
        let mut context_flows = Vec::new();
        for (index, &rate) in config.rates.iter().enumerate() {
            let mut scope = scope.sub("context_flows");
            context_flows.push(ContextFlow::new(&mut scope.sub(index), rate)?);
        }
        let fsm = FeatureSelection::new(&mut scope.sub("fsm"), norm)?;
        let agcn = AdaptedGlobalConvolution::new(&mut scope.sub("agcn"), 8)?;
        let classifier =
            KerasConv::new(&mut scope.sub("classifier"), 2 * FLOW, config.classes, [3, 3])?;
        Ok(Self { stem, stages, global_flow, context_flows, fsm, agcn, classifier })
    }

    /// `(N, 3, H, W)` to logits `(N, classes, H, W)`.
    pub(crate) fn forward(&self, x: &Value, pass: Pass) -> Result<Output> {
        let logits = self.logits(&self.features(x, pass)?, pass)?;
        Ok(Output { logits, aux: None })
    }
}

/// What the backbone makes of a picture.
pub(crate) struct Seen {
    /// The picture's height and width.
    size: [usize; 2],
    /// The end of C1's convolutional block: the adapted global convolution starts from there.
    c1_block: Value,
    /// Height and width of C1.
    c1_size: [usize; 2],
    c4: Value,
}

impl Stages for Assignment {
    type Features = Seen;

    fn features(&self, x: &Value, pass: Pass) -> Result<Seen> {
        let [stage1, later @ ..] = &self.stages;
        let c1_block = stage1.convolutional_block(&self.stem.forward(x, pass)?, pass)?;
        let c1 = stage1.identity_blocks(&c1_block, pass)?;
        let c1_size = size_of(&c1)?;
        let c4 = later.iter().try_fold(c1, |x, stage| {
            stage.identity_blocks(&stage.convolutional_block(&x, pass)?, pass)
        })?;
        Ok(Seen { size: size_of(x)?, c1_block, c1_size, c4 })
    }

    fn chain(&self, seen: &Seen, pass: Pass, watch: &mut Watch) -> Result<Value> {
        let mut flow = self.global_flow.forward(&seen.c4, pass)?;
        watch(&flow);
        let mut sum = flow.clone();
        for context_flow in &self.context_flows {
            flow = context_flow.forward(&seen.c4, &flow, pass)?;
            watch(&flow);
            sum = canet_ops::add(&sum, &flow)?;
        }
        Ok(sum)
    }

    fn select(&self, sum: &Value, pass: Pass, watch: &mut Watch) -> Result<Value> {
        self.fsm.forward(sum, pass, watch)
    }

    fn decode(&self, seen: &Seen, context: &Value, pass: Pass, watch: &mut Watch) -> Result<Value> {
        let context = canet_ops::resize_bilinear(context, seen.c1_size, Corners::HalfPixel)?;
        let detail = self.agcn.forward(&seen.c1_block, pass)?;
        watch(&detail);
        let joined = canet_ops::concat(&[&context, &detail])?;
        let logits = self.classifier.forward(&joined, pass)?;
        canet_ops::resize_bilinear(&logits, seen.size, Corners::HalfPixel)
    }
}

impl Assignment {
    /// The network as plain operations.
    pub(crate) fn lower(&self) -> Result<Lowered> {
        let mut graph = GraphBuilder::new();
        let g = &mut graph;
        let [stage1, later @ ..] = &self.stages;
        let x = self.stem.lower(g, ValueId::PICTURE)?;
        let c1_block = stage1.lower_convolutional_block(g, x)?;
        let detail = self.agcn.lower(g, c1_block)?;
        let c1 = stage1.lower_identity_blocks(g, c1_block)?;
        let c4 = later.iter().try_fold(c1, |x, stage| {
            let x = stage.lower_convolutional_block(g, x)?;
            stage.lower_identity_blocks(g, x)
        })?;

        let global = self.global_flow.lower(g, c4)?;
        let (mut flow, mut sum) = (Flow::Pixel(global), g.spread(global, c4));
        for context_flow in &self.context_flows {
            let map = context_flow.lower(g, c4, flow)?;
            sum = g.add(sum, map);
            flow = Flow::Map(map);
        }
        let selected = self.fsm.lower(g, sum)?;
        let selected = g.resize(selected, c1, Corners::HalfPixel);
        let joined = g.concat(&[selected, detail])?;
        let logits = self.classifier.lower(g, joined, false)?;
        Ok(graph.finish(logits, Corners::HalfPixel))
    }
}
