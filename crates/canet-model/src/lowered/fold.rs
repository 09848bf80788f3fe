//! A convolution with what is linear around it folded into its weights.

use candle_core::{Result, Tensor};
use canet_ops::ConvGeometry;

use super::{Conv, Filters, Padding};

/// `y = x * scale + offset`, a factor and a term a channel: what a batch norm comes to in a network
/// that only predicts.
#[derive(Debug, Clone)]
pub(crate) struct Affine {
    pub(crate) scale: Vec<f64>,
    pub(crate) offset: Vec<f64>,
}

/// A convolution on its way into a lowered network. The bias is kept in `f64` until the end.
#[derive(Debug)]
pub(crate) struct Folding {
    weight: Vec<f32>,
    shape: [usize; 4],
    bias: Vec<f64>,
    geometry: ConvGeometry,
    padding: Padding,
}

impl Folding {
    /// `weight` is `(O, I / groups, kh, kw)`, `bias` `(O)`.
    pub(crate) fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        geometry: ConvGeometry,
        padding: Padding,
    ) -> Result<Self> {
        let (o, i, kh, kw) = weight.dims4()?;
        let bias = match bias {
            Some(bias) => values(bias)?.into_iter().map(f64::from).collect(),
            None => vec![0.0; o],
        };
        Ok(Self { weight: values(weight)?, shape: [o, i, kh, kw], bias, geometry, padding })
    }

    /// The convolution with `affine` after it, rounded once.
    pub(crate) fn then(mut self, affine: &Affine) -> Self {
        let filter = self.weight.len() / self.bias.len();
        let factors = affine.scale.iter().zip(&affine.offset);
        let filters = self.weight.chunks_exact_mut(filter).zip(&mut self.bias);
        for ((weights, bias), (&scale, &offset)) in filters.zip(factors) {
            for w in weights {
                *w = (f64::from(*w) * scale) as f32;
            }
            *bias = *bias * scale + offset;
        }
        self
    }

    /// What came of it, with a ReLU after it or without.
    pub(super) fn finish(self, relu: bool) -> Conv {
        let [outputs, group_inputs, kh, kw] = self.shape;
        let ConvGeometry { stride, dilation, groups, .. } = self.geometry;
        let bias = self.bias.into_iter().map(|b| b as f32).collect();
        Conv {
            filters: Filters { weights: self.weight, bias },
            inputs: group_inputs * groups,
            outputs,
            kernel: [kh, kw],
            stride,
            dilation,
            groups,
            padding: self.padding,
            relu,
        }
    }
}

/// All values of a tensor, in order.
pub(crate) fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}
