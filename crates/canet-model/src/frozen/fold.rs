//! A convolution with what is linear around it folded into its weights.

use candle_core::{Result, Tensor};
use canet_ops::ConvGeometry;
use canet_ops::frozen::FrozenConv;

/// `y = x * scale + offset`, a factor and a term a channel: what a batch norm comes to in a network
/// that only predicts.
#[derive(Debug, Clone)]
pub(crate) struct Affine {
    pub(crate) scale: Vec<f64>,
    pub(crate) offset: Vec<f64>,
}

/// The zeros around a convolution's input.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Padding {
    /// The same for all pictures, see [`ConvGeometry::padding`].
    Fixed([[usize; 2]; 2]),
    /// As many as Keras puts around this picture.
    Same,
}

/// A convolution on its way into a frozen graph. The bias is kept in `f64` until the end.
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

    /// Whether all weights are numbers.
    pub(crate) fn is_finite(&self) -> bool {
        self.weight.iter().all(|w| w.is_finite()) && self.bias.iter().all(|b| b.is_finite())
    }

    pub(crate) fn shape(&self) -> [usize; 4] {
        self.shape
    }

    pub(crate) fn geometry(&self) -> ConvGeometry {
        self.geometry
    }

    pub(crate) fn padding(&self) -> Padding {
        self.padding
    }

    /// Packs the weights.
    pub(crate) fn freeze(self) -> Result<FrozenConv> {
        let bias = self.bias.into_iter().map(|b| b as f32).collect();
        FrozenConv::new(self.weight, self.shape, bias, self.geometry)
    }
}

/// All values of a tensor, in order.
pub(crate) fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}
