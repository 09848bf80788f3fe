//! CANet: Tang et al., "Attention-guided Chained Context Aggregation for Semantic Segmentation"
//! (arXiv 2002.12041v4; Image and Vision Computing 2021).
//!
//! Every resize aims at the size that the features really have, so any picture will do; the
//! authors' code divides by 4 and by 8 and needs sides that are multiples of 8.

use candle_core::Result;
use canet_ops::{Corners, Value};

use crate::backbone::{Backbone, Features};
use crate::decoder::{self, Decoder, Head, HeadSpec};
use crate::flow::{ContextFlow, GlobalFlow};
use crate::layers::{NormSpec, size_of};
use crate::lowered::{Flow, GraphBuilder, Lowered, ValueId};
use crate::params::{Part, Scope};
use crate::pass::Site;
use crate::select::FeatureSelection;
use crate::stages::{Stages, Watch};
use crate::{BackboneStage, CanetConfig, Output, Pass};

/// The network of the paper.
#[derive(Debug, Clone)]
pub(crate) struct Canet {
    backbone: Backbone,
    global_flow: GlobalFlow,
    context_flows: Vec<ContextFlow>,
    fsm: FeatureSelection,
    dropout: f64,
    decoder: Decoder,
    head: Head,
    aux: Option<Head>,
}

impl Canet {
    pub(crate) fn new(scope: &mut Scope, config: &CanetConfig) -> Result<Self> {
        let &CanetConfig { depth, stem, classes, capacity, dropout, .. } = config;
        let norm = NormSpec { eps: 1e-5, momentum: config.batch_norm_momentum };
        let context = capacity / 2;
        let mut place = scope.of(Part::Backbone);
        let (backbone, widths) =
            Backbone::new(&mut place.sub("backbone"), depth, stem, config.stochastic_depth, norm)?;
        let global_flow =
            GlobalFlow::new(&mut scope.sub("global_flow"), widths.c4, capacity, norm)?;
        let mut context_flows = Vec::new();
        for (index, &rate) in config.rates.iter().enumerate() {
            let mut scope = scope.sub("context_flows");
            let flow = ContextFlow::new(&mut scope.sub(index), widths.c4, capacity, rate, norm)?;
            context_flows.push(flow);
        }
        let gated = config.feature_selection;
        let fsm = FeatureSelection::new(&mut scope.sub("fsm"), capacity, context, gated, norm)?;
        let decoder = Decoder::new(scope, widths.c1, context, norm)?;
        let head_on = |inputs, width, site| HeadSpec {
            inputs,
            width,
            classes,
            dropout: config.head_dropout,
            site,
        };
        let head = head_on(decoder::WIDTH, decoder::WIDTH, Site::Head);
        let head = Head::new(&mut scope.sub("head"), head, norm)?;
        let aux = head_on(widths.c3, widths.c3 / 4, Site::Aux);
        let aux = config.aux.then(|| Head::new(&mut scope.sub("aux"), aux, norm)).transpose()?;
        Ok(Self { backbone, global_flow, context_flows, fsm, dropout, decoder, head, aux })
    }

    /// See [`crate::Network::with_recompute`].
    pub(crate) fn recompute(&mut self, stages: &[BackboneStage]) {
        self.backbone.recompute(stages);
    }

    /// `(N, 3, H, W)` to logits `(N, classes, H, W)`.
    pub(crate) fn forward(&self, x: &Value, pass: Pass) -> Result<Output> {
        let seen = self.features(x, pass)?;
        let logits = self.logits(&seen, pass)?;
        let Seen { size, features } = seen;
        let aux = self.aux.as_ref().map(|aux| aux.forward(&features.c3, size, pass)).transpose()?;
        Ok(Output { logits, aux })
    }
}

/// What the backbone makes of a picture.
pub(crate) struct Seen {
    /// The picture's height and width.
    size: [usize; 2],
    features: Features,
}

impl Stages for Canet {
    type Features = Seen;

    fn features(&self, x: &Value, pass: Pass) -> Result<Seen> {
        Ok(Seen { size: size_of(x)?, features: self.backbone.forward(x, pass)? })
    }

    /// Chained context aggregation: C4 `(N, c4, h, w)` to `(N, capacity, h, w)`.
    fn chain(&self, seen: &Seen, pass: Pass, watch: &mut Watch) -> Result<Value> {
        let c4 = &seen.features.c4;
        let mut flow = self.global_flow.forward(c4, pass)?;
        watch(&flow);
        let mut sum = flow.clone();
        for context_flow in &self.context_flows {
            flow = context_flow.forward(c4, &flow, pass)?;
            watch(&flow);
            sum = canet_ops::add(&sum, &flow)?;
        }
        Ok(sum)
    }

    /// To `(N, capacity / 2, h, w)`.
    fn select(&self, sum: &Value, pass: Pass, watch: &mut Watch) -> Result<Value> {
        let context = self.fsm.forward(sum, pass, watch)?;
        pass.dropout(&context, self.dropout, Site::FeatureSelection)
    }

    fn decode(&self, seen: &Seen, context: &Value, pass: Pass, watch: &mut Watch) -> Result<Value> {
        let fused = self.decoder.forward(&seen.features.c1, context, pass, watch)?;
        self.head.forward(&fused, seen.size, pass)
    }
}

impl Canet {
    /// The network without its auxiliary head.
    pub(crate) fn lower(&self) -> Result<Lowered> {
        let mut g = GraphBuilder::new();
        let c1 = self.backbone.lower_fine(&mut g, ValueId::PICTURE)?;
        // Before all else that C1 is for, so that it need not be kept to the end.
        let low = self.decoder.lower_low(&mut g, c1)?;
        let c4 = self.backbone.lower_rich(&mut g, c1)?;
        let context = self.lower_aggregate(&mut g, c4)?;
        let fused = self.decoder.lower(&mut g, low, context)?;
        let logits = self.head.lower(&mut g, fused)?;
        Ok(g.finish(logits, Corners::Aligned))
    }

    fn lower_aggregate(&self, g: &mut GraphBuilder, c4: ValueId) -> Result<ValueId> {
        let global = self.global_flow.lower(g, c4)?;
        let (mut flow, mut sum) = (Flow::Pixel(global), g.spread(global, c4));
        for context_flow in &self.context_flows {
            let map = context_flow.lower(g, c4, flow)?;
            sum = g.add(sum, map);
            flow = Flow::Map(map);
        }
        self.fsm.lower(g, sum)
    }
}
