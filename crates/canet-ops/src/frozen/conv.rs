//! Convolution with weights packed once, and what follows it in the same pass over memory.

use candle_core::Result;

use super::MaxPool;
use crate::conv::depthwise::Depthwise;
use crate::conv::in_place::InPlace;
use crate::conv::product::{Product, Weights};
use crate::conv::split::pooled::{self, Pooled};
use crate::conv::split::{self, SplitProduct};
use crate::conv::winograd::{self, Frequencies, Winograd};
use crate::geometry::{ConvGeometry, Problem};

/// The weights of a convolution, ready for any size of picture.
#[derive(Debug)]
pub struct FrozenConv {
    packed: Packed,
    /// The same for the matrix unit, where a pooling follows that suits.
    pooled: Option<split::Weights>,
    bias: Vec<f32>,
    shape: [usize; 4],
    geometry: ConvGeometry,
}

#[derive(Debug)]
enum Packed {
    Depthwise(Vec<f32>),
    Split(split::Weights),
    Winograd(Frequencies<f32>),
    Product(Weights<f32>),
}

/// One convolution at one size of picture.
#[derive(Debug)]
pub struct ConvPlan {
    problem: Problem,
    method: Method,
}

#[derive(Debug)]
enum Method {
    Depthwise(Depthwise),
    Split(SplitProduct),
    Winograd(Winograd),
    Product(Product),
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
        let [o, i, kh, kw] = shape;
        if weight.len() != shape.iter().product::<usize>() || bias.len() != o {
            candle_core::bail!("weights of {shape:?} were given {} values", weight.len());
        }
        // The least picture that the kernel fits: weights do not depend on the size.
        let side = [(kh - 1) * geometry.dilation[0] + 1, (kw - 1) * geometry.dilation[1] + 1];
        let unpadded = ConvGeometry { padding: [[0; 2]; 2], ..geometry };
        let least = (1, i * geometry.groups, side[0], side[1]);
        let problem = Problem::new(least, (o, i, kh, kw), &unpadded)?;
        let suits_pooled = pooled::suits(shape, &geometry);
        let pooled = suits_pooled.then(|| Pooled::weights(&problem, &weight));
        let packed = if problem.is_depthwise() {
            Packed::Depthwise(weight)
        } else if split::suits(shape, &geometry) {
            Packed::Split(SplitProduct::weights(&problem, &weight))
        } else if winograd::suits(shape, &geometry) {
            Packed::Winograd(Frequencies::forward(&problem, &weight))
        } else {
            Packed::Product(Weights::forward(&weight, geometry.groups, i * kh * kw))
        };
        Ok(Self { packed, pooled, bias, shape, geometry })
    }

    /// Channels of the result.
    pub fn outputs(&self) -> usize {
        self.shape[0]
    }

    /// Values that the packed weights take.
    pub fn packed_len(&self) -> usize {
        let packed = match &self.packed {
            Packed::Depthwise(filters) => filters.len(),
            Packed::Split(weights) => weights.len(),
            Packed::Winograd(frequencies) => frequencies.len(),
            Packed::Product(weights) => weights.len(),
        };
        packed + self.pooled.as_ref().map_or(0, split::Weights::len)
    }

    /// Prepares for pictures of `input` = `[height, width]`, with `padding` zeros around them (see
    /// [`ConvGeometry::padding`]).
    pub fn plan(&self, input: [usize; 2], padding: [[usize; 2]; 2]) -> Result<ConvPlan> {
        let problem = self.problem(input, padding)?;
        let method = match &self.packed {
            Packed::Depthwise(_) => Method::Depthwise(Depthwise::forward(&problem)),
            Packed::Split(_) => Method::Split(SplitProduct::forward(&problem)),
            Packed::Winograd(_) => Method::Winograd(Winograd::forward(&problem)),
            Packed::Product(_) => Method::Product(Product::forward::<f32>(&problem)),
        };
        Ok(ConvPlan { problem, method })
    }

    /// The same with a max-pooling of the result, which then is never stored as a whole. `None` where
    /// the two are better run one after the other.
    pub fn plan_pooled(
        &self,
        input: [usize; 2],
        padding: [[usize; 2]; 2],
        pool: MaxPool,
    ) -> Result<Option<PooledConvPlan>> {
        let problem = self.problem(input, padding)?;
        let on_unit = self.pooled.as_ref().and_then(|_| Pooled::new(&problem, pool));
        let method = match (on_unit, &self.packed) {
            (Some(pooled), _) => Some(PooledMethod::OnUnit(pooled)),
            (None, Packed::Product(_)) => {
                InPlace::pooled::<f32>(&problem, pool)?.map(PooledMethod::InPlace)
            }
            _ => None,
        };
        Ok(method.map(PooledConvPlan))
    }

    fn problem(&self, input: [usize; 2], padding: [[usize; 2]; 2]) -> Result<Problem> {
        let geometry = ConvGeometry { padding, ..self.geometry };
        let [o, i, kh, kw] = self.shape;
        Problem::new((1, i * geometry.groups, input[0], input[1]), (o, i, kh, kw), &geometry)
    }
}

/// One convolution and the max-pooling after it, at one size of picture.
#[derive(Debug)]
pub struct PooledConvPlan(PooledMethod);

#[derive(Debug)]
enum PooledMethod {
    OnUnit(Pooled),
    InPlace(InPlace),
}

impl PooledConvPlan {
    /// Height and width of the result.
    pub fn output(&self) -> [usize; 2] {
        match &self.0 {
            PooledMethod::OnUnit(pooled) => pooled.output(),
            PooledMethod::InPlace(in_place) => in_place.output(),
        }
    }

    /// Convolves `x` `(I, H, W)`, makes negative results 0 if `relu`, and pools them into `y`
    /// `(O, h, w)`.
    ///
    /// # Panics
    /// If the plan is of another convolution, or `x` or `y` are too short.
    pub fn run(&self, conv: &FrozenConv, x: &[f32], relu: bool, y: &mut [f32]) {
        let after = crate::conv::After { bias: Some(&conv.bias), residual: None, relu };
        match (&self.0, &conv.packed, &conv.pooled) {
            (PooledMethod::OnUnit(plan), _, Some(weights)) => plan.run(weights, x, after, y),
            (PooledMethod::InPlace(plan), Packed::Product(weights), _) => {
                plan.run(weights.bands(), x, after, y);
            }
            _ => panic!("internal: the plan is of another convolution"),
        }
    }
}

impl ConvPlan {
    /// Height and width of the result.
    pub fn output(&self) -> [usize; 2] {
        self.problem.output
    }

    /// Values that [`ConvPlan::run`] needs to work in.
    pub fn workspace(&self) -> usize {
        match &self.method {
            Method::Depthwise(_) => 0,
            Method::Split(product) => product.workspace(),
            Method::Winograd(winograd) => winograd.workspace::<f32>(1),
            Method::Product(product) => product.workspace(),
        }
    }

    /// Products of numbers that the definition asks for.
    pub fn macs(&self) -> usize {
        let p = &self.problem;
        p.outputs * p.group_inputs() * p.kernel_size() * p.output_pixels()
    }

    /// Convolves `x` `(I, H, W)` into `y` `(O, h, w)`. What `workspace` and `y` hold before does
    /// not matter.
    ///
    /// # Panics
    /// If the plan is of another convolution, or `x`, `y` or `workspace` are too short.
    pub fn run(
        &self,
        conv: &FrozenConv,
        x: &[f32],
        after: After,
        y: &mut [f32],
        workspace: &mut [f32],
    ) {
        let After { residual, relu } = after;
        let after = crate::conv::After { bias: Some(&conv.bias), residual, relu };
        match (&self.method, &conv.packed) {
            (Method::Depthwise(plan), Packed::Depthwise(filters)) => plan.run(filters, x, after, y),
            (Method::Split(plan), Packed::Split(weights)) => {
                plan.run(weights, x, after, y, workspace);
            }
            (Method::Winograd(plan), Packed::Winograd(frequencies)) => {
                plan.run(1, frequencies, x, after, y, workspace);
            }
            (Method::Product(plan), Packed::Product(weights)) => {
                plan.run(weights, x, after, y, workspace);
            }
            _ => panic!("internal: the plan is of another convolution"),
        }
    }
}
