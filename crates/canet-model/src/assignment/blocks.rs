//! The stem, the convolutional block, the identity block, and the stages C1 to C4 made of them.

use candle_core::Result;
use canet_ops::frozen::MaxPool;
use canet_ops::{Activation, Value};

use super::keras::ConvBn;
use crate::Pass;
use crate::layers::NormSpec;
use crate::lowered::{GraphBuilder, ValueId};
use crate::params::Scope;
use crate::pass::SampleDrop;

/// 3x3 to 64 channels, then max-pooling by 2.
#[derive(Debug, Clone)]
pub(crate) struct Stem {
    conv: ConvBn,
}

impl Stem {
    pub(crate) fn new(scope: &mut Scope, norm: NormSpec) -> Result<Self> {
        Ok(Self { conv: ConvBn::new(scope, ["conv", "bn"], [3, 64, 3, 1], norm)? })
    }

    /// `(N, 3, H, W)` to `(N, 64, H / 2, W / 2)`, rounded down.
    pub(crate) fn forward(&self, x: &Value, pass: Pass) -> Result<Value> {
        self.conv.forward_pooled(x, pass)
    }
}

/// One of C1 to C4: a convolutional block, then identity blocks.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    convolutional_block: ConvolutionalBlock,
    identity_blocks: Vec<IdentityBlock>,
}

impl Stage {
    /// With an identity block for each of `drops`.
    pub(crate) fn new(
        scope: &mut Scope,
        inputs: usize,
        filters: [usize; 3],
        stride: usize,
        drops: &[SampleDrop],
        norm: NormSpec,
    ) -> Result<Self> {
        let convolutional_block =
            ConvolutionalBlock::new(&mut scope.sub("conv_block"), inputs, filters, stride, norm)?;
        let mut scope = scope.sub("identity_blocks");
        let identity_blocks = (drops.iter().enumerate())
            .map(|(index, &drop)| IdentityBlock::new(&mut scope.sub(index), filters, drop, norm))
            .collect::<Result<_>>()?;
        Ok(Self { convolutional_block, identity_blocks })
    }

    /// The first block of the stage.
    pub(crate) fn convolutional_block(&self, x: &Value, pass: Pass) -> Result<Value> {
        self.convolutional_block.forward(x, pass)
    }

    /// The blocks after it.
    pub(crate) fn identity_blocks(&self, x: &Value, pass: Pass) -> Result<Value> {
        self.identity_blocks.iter().try_fold(x.clone(), |x, block| block.forward(&x, pass))
    }
}

/// 1x1, 3x3 (with the stride) and 1x1, beside a 3x3 with the same stride and a ReLU of its own.
#[derive(Debug, Clone)]
struct ConvolutionalBlock {
    trunk: Trunk,
    shortcut: ConvBn,
}

impl ConvolutionalBlock {
    fn new(
        scope: &mut Scope,
        inputs: usize,
        filters: [usize; 3],
        stride: usize,
        norm: NormSpec,
    ) -> Result<Self> {
        let trunk = Trunk::new(scope, inputs, filters, stride, norm)?;
        let shape = [inputs, filters[2], 3, stride];
        let shortcut = ConvBn::new(&mut scope.sub("shortcut"), ["conv", "bn"], shape, norm)?;
        Ok(Self { trunk, shortcut })
    }

    fn forward(&self, x: &Value, pass: Pass) -> Result<Value> {
        let shortcut = self.shortcut.forward(x, pass, Activation::Relu)?;
        self.trunk.forward(x, &shortcut, pass, SampleDrop::NEVER)
    }
}

/// 1x1, 3x3 and 1x1, beside the input itself.
#[derive(Debug, Clone)]
struct IdentityBlock {
    trunk: Trunk,
    drop: SampleDrop,
}

impl IdentityBlock {
    fn new(
        scope: &mut Scope,
        filters: [usize; 3],
        drop: SampleDrop,
        norm: NormSpec,
    ) -> Result<Self> {
        Ok(Self { trunk: Trunk::new(scope, filters[2], filters, 1, norm)?, drop })
    }

    fn forward(&self, x: &Value, pass: Pass) -> Result<Value> {
        self.trunk.forward(x, x, pass, self.drop)
    }
}

/// What both blocks have in common.
#[derive(Debug, Clone)]
struct Trunk {
    convs: [ConvBn; 3],
}

impl Trunk {
    fn new(
        scope: &mut Scope,
        inputs: usize,
        [f1, f2, f3]: [usize; 3],
        stride: usize,
        norm: NormSpec,
    ) -> Result<Self> {
        let convs = [
            ConvBn::new(scope, ["conv1", "bn1"], [inputs, f1, 1, 1], norm)?,
            ConvBn::new(scope, ["conv2", "bn2"], [f1, f2, 3, stride], norm)?,
            ConvBn::new(scope, ["conv3", "bn3"], [f2, f3, 1, 1], norm)?,
        ];
        Ok(Self { convs })
    }

    /// The convolutions of `x`, plus `shortcut`, and the ReLU of both.
    fn forward(&self, x: &Value, shortcut: &Value, pass: Pass, drop: SampleDrop) -> Result<Value> {
        let [first, second, third] = &self.convs;
        let x = first.forward(x, pass, Activation::Relu)?;
        let x = second.forward(&x, pass, Activation::Relu)?;
        third.close_block(&x, shortcut, pass, drop)
    }
}

impl Stem {
    /// The same in a lowered network.
    pub(crate) fn lower(&self, g: &mut GraphBuilder, x: ValueId) -> Result<ValueId> {
        let pool = MaxPool { kernel: 2, stride: 2, padding: 0 };
        g.conv_max_pool(x, self.conv.folding()?, pool)
    }
}

impl Stage {
    /// The first block in a lowered network.
    pub(crate) fn lower_convolutional_block(
        &self,
        g: &mut GraphBuilder,
        x: ValueId,
    ) -> Result<ValueId> {
        let ConvolutionalBlock { trunk, shortcut } = &self.convolutional_block;
        let shortcut = shortcut.lower(g, x, true)?;
        trunk.lower(g, x, shortcut)
    }

    /// The blocks after it in a lowered network.
    pub(crate) fn lower_identity_blocks(
        &self,
        g: &mut GraphBuilder,
        x: ValueId,
    ) -> Result<ValueId> {
        self.identity_blocks.iter().try_fold(x, |x, block| block.trunk.lower(g, x, x))
    }
}

impl Trunk {
    /// The same in a lowered network, with the shortcut added, and the ReLU after that.
    fn lower(&self, g: &mut GraphBuilder, x: ValueId, shortcut: ValueId) -> Result<ValueId> {
        let [first, second, third] = &self.convs;
        let x = first.lower(g, x, true)?;
        let x = second.lower(g, x, true)?;
        g.conv_onto(shortcut, x, third.folding()?, true)
    }
}
