//! The dilated residual network below CANet: ResNet with output stride 8.
//!
//! He et al., "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), with the last two
//! strides replaced by dilation as in Yu et al., "Dilated Residual Networks" (arXiv 1705.09914):
//!
//! ```text
//! layer   stride   dilation of the first block, of the others     output
//! stem      4         -                                            64 or 128 at 1/4
//! layer1    1         1  1                                         C1 at 1/4
//! layer2    2         1  1                                         C2 at 1/8
//! layer3    1         1  2                                         C3 at 1/8
//! layer4    1         2  4                                         C4 at 1/8
//! ```
//!
//! The names are torchvision's, so that published weights fit without a table of names.

use std::sync::Arc;

use candle_core::{Result, bail};
use canet_ops::frozen::MaxPool;
use canet_ops::{Activation, Value};

use crate::init::Init;
use crate::layers::{BatchNorm, Conv, ConvSpec, NormSpec};
use crate::lowered::{Folding, GraphBuilder, ValueId};
use crate::params::Scope;
use crate::pass::SampleDrop;
use crate::{BackboneStage, Depth, Pass, Stem};

/// The backbone, `(N, 3, H, W)` to [`Features`].
#[derive(Debug, Clone)]
pub(crate) struct Backbone {
    /// Shared with the second runs of what is computed again, as the blocks are.
    stem: Arc<StemLayers>,
    layers: [Vec<Arc<Block>>; 4],
    /// What is computed again for its gradients.
    recomputed: Vec<BackboneStage>,
}

/// What the rest of the network sees.
#[derive(Debug)]
pub(crate) struct Features {
    /// Fine, at 1/4.
    pub(crate) c1: Value,
    /// For the auxiliary head, at 1/8.
    pub(crate) c3: Value,
    /// The richest, at 1/8.
    pub(crate) c4: Value,
}

/// The channels of [`Features`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Widths {
    pub(crate) c1: usize,
    pub(crate) c3: usize,
    pub(crate) c4: usize,
}

/// Blocks of each layer, and by how much a block's last convolution widens its planes.
fn plan(depth: Depth) -> ([usize; 4], usize) {
    match depth {
        Depth::D18 => ([2, 2, 2, 2], 1),
        Depth::D34 => ([3, 4, 6, 3], 1),
        Depth::D50 => ([3, 4, 6, 3], 4),
        Depth::D101 => ([3, 4, 23, 3], 4),
    }
}

impl Backbone {
    /// `stochastic_depth` is how likely the last block is dropped.
    pub(crate) fn new(
        scope: &mut Scope,
        depth: Depth,
        stem: Stem,
        stochastic_depth: f64,
        norm: NormSpec,
    ) -> Result<(Self, Widths)> {
        let (blocks, expansion) = plan(depth);
        let mut drops = SampleDrop::linear(stochastic_depth, blocks.iter().sum()).into_iter();
        let stem = StemLayers::new(scope, stem, norm)?;
        let mut width = stem.width();
        let mut layer = |number: usize, stride, first_dilation, dilation| {
            let planes = 64 << (number - 1);
            let mut scope = scope.sub(format!("layer{number}"));
            let mut members = Vec::new();
            for index in 0..blocks[number - 1] {
                let shape = BlockShape {
                    inputs: width,
                    planes,
                    bottleneck: expansion > 1,
                    stride: if index == 0 { stride } else { 1 },
                    dilation: if index == 0 { first_dilation } else { dilation },
                    layer_dilation: dilation,
                };
                let drop = drops.next().unwrap_or(SampleDrop::NEVER);
                members.push(Arc::new(Block::new(&mut scope.sub(index), shape, drop, norm)?));
                width = planes * expansion;
            }
            Result::Ok(members)
        };
        let layers =
            [layer(1, 1, 1, 1)?, layer(2, 2, 1, 1)?, layer(3, 1, 1, 2)?, layer(4, 1, 2, 4)?];
        let widths = Widths { c1: 64 * expansion, c3: 256 * expansion, c4: 512 * expansion };
        Ok((Self { stem: Arc::new(stem), layers, recomputed: Vec::new() }, widths))
    }

    /// From now on these stages are computed again for their gradients. Layers are, block by block: as
    /// much is computed twice as if it were a layer at a time, and what is there at once in the backward
    /// pass is the inside of one block and not of all; what stays for it is each block's input.
    pub(crate) fn recompute(&mut self, stages: &[BackboneStage]) {
        self.recomputed = stages.to_vec();
    }

    pub(crate) fn forward(&self, x: &Value, pass: Pass) -> Result<Features> {
        let again = |stage| self.recomputed.contains(&stage);
        let run = |layer: &[Arc<Block>], stage, x: Value| {
            layer.iter().cloned().try_fold(x, |x, block| {
                pass.run(&x, again(stage), move |x, pass| block.forward(x, pass))
            })
        };
        let [layer1, layer2, layer3, layer4] = &self.layers;
        let stem = Arc::clone(&self.stem);
        let x = pass.run(x, again(BackboneStage::Stem), move |x, pass| stem.forward(x, pass))?;
        let c1 = run(layer1, BackboneStage::Layer1, x)?;
        let c2 = run(layer2, BackboneStage::Layer2, c1.clone())?;
        let c3 = run(layer3, BackboneStage::Layer3, c2)?;
        let c4 = run(layer4, BackboneStage::Layer4, c3.clone())?;
        Ok(Features { c1, c3, c4 })
    }
}

/// Everything before `layer1`: down to 1/4 of the picture.
#[derive(Debug, Clone)]
struct StemLayers {
    convs: Vec<(Conv, BatchNorm)>,
    width: usize,
}

impl StemLayers {
    fn new(scope: &mut Scope, stem: Stem, norm: NormSpec) -> Result<Self> {
        // The last batch norm is `bn1` in both; the others count on within `conv1`.
        let (plan, width): (&[_], _) = match stem {
            Stem::V1s => (
                &[
                    ("conv1.0", "conv1.1", ConvSpec::new(3, 64, 3).stride(2)),
                    ("conv1.3", "conv1.4", ConvSpec::new(64, 64, 3)),
                    ("conv1.6", "bn1", ConvSpec::new(64, 128, 3)),
                ],
                128,
            ),
            Stem::Classic => (&[("conv1", "bn1", ConvSpec::new(3, 64, 7).stride(2))], 64),
        };
        let mut convs = Vec::new();
        for &(conv, bn, spec) in plan {
            let conv = Conv::new(&mut scope.sub(conv), spec.init(Init::HeFanOut))?;
            convs.push((conv, BatchNorm::new(&mut scope.sub(bn), spec.outputs(), norm)?));
        }
        Ok(Self { convs, width })
    }

    fn width(&self) -> usize {
        self.width
    }

    fn forward(&self, x: &Value, pass: Pass) -> Result<Value> {
        let mut x = x.clone();
        for (conv, bn) in &self.convs {
            x = bn.forward(&conv.forward(&x, pass)?, pass, None, Activation::Relu)?;
        }
        canet_ops::max_pool2d(&x, 3, 2, 1)
    }
}

/// A residual block: a basic one of two 3x3 convolutions, or a bottleneck of 1x1, 3x3 and 1x1.
#[derive(Debug, Clone)]
struct Block {
    convs: Vec<(Conv, BatchNorm)>,
    downsample: Option<(Conv, BatchNorm)>,
    drop: SampleDrop,
}

/// The place of a block in its layer.
#[derive(Debug, Clone, Copy)]
struct BlockShape {
    inputs: usize,
    planes: usize,
    bottleneck: bool,
    stride: usize,
    /// Of the convolution that carries the stride.
    dilation: usize,
    /// Of the other 3x3 convolution, in a basic block.
    layer_dilation: usize,
}

impl BlockShape {
    fn convs(self) -> Vec<ConvSpec> {
        let Self { inputs, planes, stride, dilation, layer_dilation, .. } = self;
        let strided = |inputs| ConvSpec::new(inputs, planes, 3).stride(stride).dilation(dilation);
        if self.bottleneck {
            let widened = ConvSpec::new(planes, 4 * planes, 1);
            vec![ConvSpec::new(inputs, planes, 1), strided(planes), widened]
        } else {
            vec![strided(inputs), ConvSpec::new(planes, planes, 3).dilation(layer_dilation)]
        }
    }

    fn outputs(self) -> usize {
        if self.bottleneck { 4 * self.planes } else { self.planes }
    }

    /// The projection of the shortcut, where the shape changes.
    fn downsample(self) -> Option<ConvSpec> {
        (self.stride != 1 || self.inputs != self.outputs())
            .then(|| ConvSpec::new(self.inputs, self.outputs(), 1).stride(self.stride))
    }
}

impl Block {
    fn new(scope: &mut Scope, shape: BlockShape, drop: SampleDrop, norm: NormSpec) -> Result<Self> {
        let mut pair = |conv: String, bn: String, spec: ConvSpec| {
            let conv = Conv::new(&mut scope.sub(conv), spec.init(Init::HeFanOut))?;
            Result::Ok((conv, BatchNorm::new(&mut scope.sub(bn), spec.outputs(), norm)?))
        };
        let mut convs = Vec::new();
        for (spec, number) in shape.convs().into_iter().zip(1..) {
            convs.push(pair(format!("conv{number}"), format!("bn{number}"), spec)?);
        }
        let downsample = shape
            .downsample()
            .map(|spec| pair("downsample.0".into(), "downsample.1".into(), spec))
            .transpose()?;
        Ok(Self { convs, downsample, drop })
    }

    fn forward(&self, x: &Value, pass: Pass) -> Result<Value> {
        let shortcut = match &self.downsample {
            Some((conv, bn)) => {
                bn.forward(&conv.forward(x, pass)?, pass, None, Activation::None)?
            }
            None => x.clone(),
        };
        let [others @ .., (conv, bn)] = &self.convs[..] else { bail!("internal: an empty block") };
        let y = others.iter().try_fold(x.clone(), |y, (conv, bn)| {
            bn.forward(&conv.forward(&y, pass)?, pass, None, Activation::Relu)
        })?;
        bn.close_block(&conv.forward(&y, pass)?, &shortcut, pass, self.drop)
    }
}

impl Backbone {
    /// C1 in a lowered network.
    pub(crate) fn lower_fine(&self, g: &mut GraphBuilder, x: ValueId) -> Result<ValueId> {
        let x = self.stem.lower(g, x)?;
        self.layers[0].iter().try_fold(x, |x, block| block.lower(g, x))
    }

    /// C4 in a lowered network, from C1.
    pub(crate) fn lower_rich(&self, g: &mut GraphBuilder, c1: ValueId) -> Result<ValueId> {
        self.layers[1..].iter().flatten().try_fold(c1, |x, block| block.lower(g, x))
    }
}

impl StemLayers {
    fn lower(&self, g: &mut GraphBuilder, x: ValueId) -> Result<ValueId> {
        let pool = MaxPool { kernel: 3, stride: 2, padding: 1 };
        let [others @ .., last] = &self.convs[..] else { bail!("internal: an empty stem") };
        let x = others.iter().try_fold(x, |x, pair| g.conv(x, folded(pair)?, true))?;
        g.conv_max_pool(x, folded(last)?, pool)
    }
}

impl Block {
    /// The last convolution takes the shortcut in.
    fn lower(&self, g: &mut GraphBuilder, x: ValueId) -> Result<ValueId> {
        // First, so that the block's input can be forgotten early.
        let shortcut = match &self.downsample {
            Some(pair) => g.conv(x, folded(pair)?, false)?,
            None => x,
        };
        let [others @ .., last] = &self.convs[..] else { bail!("internal: an empty block") };
        let y = others.iter().try_fold(x, |y, pair| g.conv(y, folded(pair)?, true))?;
        g.conv_onto(shortcut, y, folded(last)?, true)
    }
}

fn folded((conv, bn): &(Conv, BatchNorm)) -> Result<Folding> {
    Ok(conv.folding()?.then(&bn.affine()?))
}
