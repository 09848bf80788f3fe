//! The asymmetric decoder (arXiv 2002.12041v4, section 3) and the heads.
//!
//! One 3x3 convolution on the fine C1, none on the context: the two meet at 1/4 of the picture.

use candle_core::{Result, Var};
use canet_ops::{ConvGeometry, Corners, Value};

use crate::Pass;
use crate::init::Init;
use crate::layers::{Cbr, ConvSpec, NormSpec, size_of};
use crate::lowered::{Folding, GraphBuilder, Padding, ValueId};
use crate::params::Scope;
use crate::pass::Site;
use crate::stages::Watch;

/// Channels of the fused map.
pub(crate) const WIDTH: usize = 256;
/// Channels that C1 is squeezed to: enough for edges, too few to drown the context.
const LOW: usize = 48;

/// Joins context and detail.
#[derive(Debug, Clone)]
pub(crate) struct Decoder {
    low: Cbr,
    fuse: Cbr,
}

impl Decoder {
    pub(crate) fn new(
        scope: &mut Scope,
        c1: usize,
        context: usize,
        norm: NormSpec,
    ) -> Result<Self> {
        let fuse = ConvSpec::new(context + LOW, WIDTH, 3);
        Ok(Self {
            low: Cbr::new(&mut scope.sub("low"), ConvSpec::new(c1, LOW, 3), norm)?,
            fuse: Cbr::new(&mut scope.sub("fuse"), fuse, norm)?,
        })
    }

    /// C1 `(N, c1, H/4, W/4)` and the context `(N, context, h, w)` to `(N, WIDTH, H/4, W/4)`;
    /// `watch` sees what is left of C1.
    pub(crate) fn forward(
        &self,
        c1: &Value,
        context: &Value,
        pass: Pass,
        watch: &mut Watch,
    ) -> Result<Value> {
        let context = canet_ops::resize_bilinear(context, size_of(c1)?, Corners::Aligned)?;
        let low = self.low.forward(c1, pass)?;
        watch(&low);
        self.fuse.forward(&canet_ops::concat(&[&context, &low])?, pass)
    }
}

/// From features to logits of the picture's size.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    cbr: Cbr,
    weight: Var,
    bias: Var,
    dropout: f64,
    site: Site,
}

/// The settings of a [`Head`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadSpec {
    pub(crate) inputs: usize,
    pub(crate) width: usize,
    pub(crate) classes: usize,
    pub(crate) dropout: f64,
    pub(crate) site: Site,
}

impl Head {
    pub(crate) fn new(scope: &mut Scope, spec: HeadSpec, norm: NormSpec) -> Result<Self> {
        let cbr = ConvSpec::new(spec.inputs, spec.width, 3);
        let cbr = Cbr::new(&mut scope.sub("cbr"), cbr, norm)?;
        let mut classifier = scope.sub("classifier");
        let weight = classifier.weight(&[spec.classes, spec.width, 1, 1], Init::Small)?;
        let bias = classifier.vector("bias", spec.classes, 0.0)?;
        Ok(Self { cbr, weight, bias, dropout: spec.dropout, site: spec.site })
    }

    /// `(N, inputs, h, w)` to `(N, classes, H, W)` with `[H, W] = size`.
    pub(crate) fn forward(&self, x: &Value, size: [usize; 2], pass: Pass) -> Result<Value> {
        let x = pass.dropout(&self.cbr.forward(x, pass)?, self.dropout, self.site)?;
        let (weight, bias) = (pass.value(&self.weight), pass.value(&self.bias));
        let one_by_one = ConvGeometry::default();
        let logits = canet_ops::conv2d(&x, &weight, Some(&bias), &one_by_one)?;
        canet_ops::resize_bilinear(&logits, size, Corners::Aligned)
    }
}

impl Decoder {
    /// In a lowered network, what is left of C1.
    pub(crate) fn lower_low(&self, g: &mut GraphBuilder, c1: ValueId) -> Result<ValueId> {
        self.low.lower(g, c1)
    }

    /// In a lowered network, the context and what [`Decoder::lower_low`] made, joined.
    pub(crate) fn lower(
        &self,
        g: &mut GraphBuilder,
        low: ValueId,
        context: ValueId,
    ) -> Result<ValueId> {
        let context = g.resize(context, low, Corners::Aligned);
        let joined = g.concat(&[context, low])?;
        self.fuse.lower(g, joined)
    }
}

impl Head {
    /// In a lowered network, logits at the size of the features: `(classes, h, w)`.
    pub(crate) fn lower(&self, g: &mut GraphBuilder, x: ValueId) -> Result<ValueId> {
        let x = self.cbr.lower(g, x)?;
        let padding = Padding::Fixed([[0; 2]; 2]);
        let geometry = ConvGeometry::default();
        g.conv(x, Folding::new(&self.weight, Some(&self.bias), geometry, padding)?, false)
    }
}
