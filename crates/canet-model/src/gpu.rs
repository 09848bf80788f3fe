//! A network that only predicts, on a GPU: the operations of a [`Lowered`] network one after the other,
//! with batch norms folded in, weights packed for the device, and what follows a convolution in one pass.
//! Pictures of one size may come together.

use candle_core::{DType, Device, Result, Tensor, bail};
use canet_ops::cuda::{FrozenAffine, FrozenConv};
use canet_ops::{ConvGeometry, Value};

use crate::lowered::{Conv, Corners, Filters, Lowered, MaxPool, Op};

/// A network that only predicts, on one GPU. Clones share their weights.
#[derive(Debug, Clone)]
pub struct FrozenGpu {
    steps: Vec<Step>,
    /// The place of the logits among the values.
    logits: usize,
    corners: Corners,
    device: Device,
    activations: DType,
}

/// An operation, and where its inputs are among the values.
#[derive(Debug, Clone)]
struct Step {
    work: Work,
    inputs: Vec<usize>,
    /// The values that nothing needs afterwards.
    dead: Vec<usize>,
}

#[derive(Debug, Clone)]
enum Work {
    Picture,
    Conv(Box<Conv<FrozenConv>>, Option<MaxPool>),
    Affine(FrozenAffine, bool),
    /// Needs no preparation.
    Plain(Op<()>),
}

impl FrozenGpu {
    /// Packs the weights for activations of a type.
    pub fn new(lowered: Lowered, activations: DType, device: &Device) -> Result<Self> {
        let mut last = vec![0; lowered.nodes.len()];
        for (place, node) in lowered.nodes.iter().enumerate() {
            let like = match node.op {
                Op::Resize { like, .. } | Op::Spread { like } => Some(like),
                _ => None,
            };
            for input in node.inputs.iter().copied().chain(like) {
                last[input.index()] = place;
            }
        }
        let Lowered { nodes, logits, corners, .. } = lowered;
        last[logits.index()] = nodes.len();
        let mut steps = Vec::new();
        for (place, node) in nodes.into_iter().enumerate() {
            let work = Work::new(node.op, activations, device)?;
            let inputs = node.inputs.iter().map(|input| input.index()).collect();
            let dead = (0..=place).filter(|&value| last[value] == place).collect();
            steps.push(Step { work, inputs, dead });
        }
        let device = device.clone();
        Ok(Self { steps, logits: logits.index(), corners, device, activations })
    }

    /// Where pictures have to be.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The type that pictures come in.
    pub fn activations(&self) -> DType {
        self.activations
    }

    /// Normalised pictures `(N, 3, H, W)` to logits of the same size.
    pub fn logits(&self, pictures: &Tensor) -> Result<Tensor> {
        let (_, _, h, w) = pictures.dims4()?;
        if pictures.dtype() != self.activations {
            bail!("pictures are {:?} here, not {:?}", self.activations, pictures.dtype());
        }
        let mut values: Vec<Option<Tensor>> = vec![None; self.steps.len()];
        for (place, step) in self.steps.iter().enumerate() {
            let y = match &step.work {
                Work::Picture => pictures.clone(),
                _ => step.run(&values)?,
            };
            values[place] = Some(y);
            for &dead in &step.dead {
                values[dead] = None;
            }
        }
        let logits = Value::from(taken(&values, self.logits)?.clone());
        Ok(canet_ops::resize_bilinear(&logits, [h, w], self.corners)?.into_tensor())
    }
}

fn taken(values: &[Option<Tensor>], place: usize) -> Result<&Tensor> {
    match values.get(place) {
        Some(Some(value)) => Ok(value),
        _ => bail!("internal: value {place} is gone"),
    }
}

impl Work {
    fn new(op: Op, activations: DType, device: &Device) -> Result<Self> {
        let packed = |conv: Box<Conv<Filters>>, window| {
            let shape = conv.shape();
            let Conv { filters, inputs, outputs, kernel, stride, dilation, groups, .. } = *conv;
            let geometry = ConvGeometry { stride, dilation, groups, ..ConvGeometry::default() };
            let Filters { weights, bias } = &filters;
            let filters = FrozenConv::new(weights, shape, bias, geometry, activations, device)?;
            let (padding, relu) = (conv.padding, conv.relu);
            let conv =
                Conv { filters, inputs, outputs, kernel, stride, dilation, groups, padding, relu };
            Ok(Self::Conv(Box::new(conv), window))
        };
        Ok(match op {
            Op::Picture => Self::Picture,
            Op::Conv(conv) => return packed(conv, None),
            Op::PooledConv(conv, window) => return packed(conv, Some(window)),
            Op::Affine { scale, offset, relu } => {
                Self::Affine(FrozenAffine::new(&scale, &offset, device)?, relu)
            }
            Op::AveragePool(bins) => Self::Plain(Op::AveragePool(bins)),
            Op::Resize { like, corners } => Self::Plain(Op::Resize { like, corners }),
            Op::Spread { like } => Self::Plain(Op::Spread { like }),
            Op::Add => Self::Plain(Op::Add),
            Op::Gate { keep } => Self::Plain(Op::Gate { keep }),
            Op::Concat => Self::Plain(Op::Concat),
        })
    }
}

impl Step {
    fn run(&self, values: &[Option<Tensor>]) -> Result<Tensor> {
        let inputs = self.inputs.iter().map(|&input| taken(values, input));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let x = inputs[0];
        let size = |tensor: &Tensor| tensor.dims4().map(|(_, _, h, w)| [h, w]);
        match &self.work {
            Work::Conv(conv, window) => {
                let padding = conv.padding_of(size(x)?);
                let residual = inputs.get(1).copied();
                let y = conv.filters.run(x, padding, residual, conv.relu)?;
                let Some(MaxPool { kernel, stride, padding }) = *window else { return Ok(y) };
                Ok(canet_ops::max_pool2d(&y.into(), kernel, stride, padding)?.into_tensor())
            }
            Work::Affine(affine, relu) => affine.run(x, *relu),
            Work::Plain(op) => {
                let parts: Vec<Value> = inputs.iter().map(|&t| t.clone().into()).collect();
                let like = |value: &crate::lowered::ValueId| size(taken(values, value.index())?);
                let y = match op {
                    Op::AveragePool(bins) => {
                        canet_ops::adaptive_avg_pool2d(&parts[0], bins.of(size(x)?))?
                    }
                    Op::Resize { like: other, corners } => {
                        canet_ops::resize_bilinear(&parts[0], like(other)?, *corners)?
                    }
                    Op::Spread { like: other } => canet_ops::spread(&parts[0], like(other)?)?,
                    Op::Add => canet_ops::add(&parts[0], &parts[1])?,
                    Op::Gate { keep } => {
                        canet_ops::gate(&parts[0], &canet_ops::sigmoid(&parts[1])?, *keep)?
                    }
                    Op::Concat => canet_ops::concat(&parts.iter().collect::<Vec<_>>())?,
                    _ => bail!("internal: an operation that was not prepared"),
                };
                Ok(y.into_tensor())
            }
            Work::Picture => bail!("internal: the picture is no result"),
        }
    }
}
