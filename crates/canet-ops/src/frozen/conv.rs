//! Convolution with weights packed once, and what follows it in the same pass over memory.

use candle_core::Result;

use crate::conv::product;
use crate::geometry::{ConvGeometry, Problem};

/// The weights of a convolution, ready for any size of picture.
#[derive(Debug)]
pub struct FrozenConv {
    weight: Vec<f32>,
    bias: Vec<f32>,
    shape: [usize; 4],
    geometry: ConvGeometry,
}

/// One convolution at one size of picture.
#[derive(Debug)]
pub struct ConvPlan {
    problem: Problem,
}

/// What follows a convolution: `y = activation(conv(x) + bias + residual)`.
#[derive(Debug, Clone, Copy, Default)]
pub struct After<'a> {
    /// Added to the result; of the same shape.
    pub residual: Option<&'a [f32]>,
    /// Whether negative results become 0.
    pub relu: bool,
}

impl FrozenConv {
    /// `weight` is `(O, I / groups, kh, kw)`, of shape `shape`; `bias` has `O` values. The padding
    /// of `geometry` does not count: it may depend on the size, see [`FrozenConv::plan`].
    pub fn new(
        weight: Vec<f32>,
        shape: [usize; 4],
        bias: Vec<f32>,
        geometry: ConvGeometry,
    ) -> Result<Self> {
        if weight.len() != shape.iter().product::<usize>() || bias.len() != shape[0] {
            candle_core::bail!("weights of {shape:?} were given {} values", weight.len());
        }
        Ok(Self { weight, bias, shape, geometry })
    }

    /// Channels of the result.
    pub fn outputs(&self) -> usize {
        self.shape[0]
    }

    /// Prepares for pictures of `input` = `[height, width]`, with `padding` zeros around them (see
    /// [`ConvGeometry::padding`]).
    pub fn plan(&self, input: [usize; 2], padding: [[usize; 2]; 2]) -> Result<ConvPlan> {
        let geometry = ConvGeometry { padding, ..self.geometry };
        let [o, i, kh, kw] = self.shape;
        let x = (1, i * geometry.groups, input[0], input[1]);
        Ok(ConvPlan { problem: Problem::new(x, (o, i, kh, kw), &geometry)? })
    }
}

impl ConvPlan {
    /// Height and width of the result.
    pub fn output(&self) -> [usize; 2] {
        self.problem.output
    }

    /// Values that [`ConvPlan::run`] needs to work in.
    pub fn workspace(&self) -> usize {
        0
    }

    /// Convolves `x` `(I, H, W)` into `y` `(O, h, w)`. What `workspace` and `y` hold before does
    /// not matter.
    pub fn run(
        &self,
        conv: &FrozenConv,
        x: &[f32],
        after: After,
        y: &mut [f32],
        _workspace: &mut [f32],
    ) {
        let sums = product::forward(&self.problem, x, &conv.weight, Some(&conv.bias));
        for (i, (y, sum)) in y.iter_mut().zip(sums).enumerate() {
            let v = sum + after.residual.map_or(0.0, |r| r[i]);
            *y = if after.relu { v.max(0.0) } else { v };
        }
    }
}
