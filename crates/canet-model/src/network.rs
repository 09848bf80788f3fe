//! One type over both networks: what training and inference call.

use candle_core::{DType, Device, Tensor};
use canet_ops::Value;

use crate::assignment::Assignment;
use crate::canet::Canet;
use crate::lowered::Lowered;
use crate::{Arithmetic, BackboneStage, Error, Explanation, ModelConfig, Params, Pass, Result};

/// A network. Clones share their parameters.
///
/// ```
/// use canet_model::{AssignmentConfig, Device, ModelConfig, Network, Params, Pass, Tensor};
///
/// let mut params = Params::new(42, &Device::Cpu);
/// let config = ModelConfig::Assignment(AssignmentConfig { classes: 3, ..Default::default() });
/// let network = Network::new(&config, &mut params)?;
/// let frames = Tensor::zeros((2, 3, 20, 30), canet_model::DType::F32, &Device::Cpu)?;
/// let output = network.forward(&frames, Pass::Eval)?;
/// assert_eq!(output.logits.dims4()?, (2, 3, 20, 30));
/// # Ok::<(), canet_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Network {
    config: ModelConfig,
    device: Device,
    activations: DType,
    layers: Layers,
}

#[derive(Debug, Clone)]
enum Layers {
    Canet(Box<Canet>),
    Assignment(Box<Assignment>),
}

/// What a network gives. After [`Pass::Train`] gradients can be taken through it; after
/// [`Pass::Eval`] it is plain numbers.
#[derive(Debug, Clone)]
pub struct Output {
    /// One score a class and pixel, `(N, classes, H, W)`; softmax makes probabilities of them.
    pub logits: Value,
    /// The scores of the auxiliary head, if the network has one; for the training loss only.
    pub aux: Option<Value>,
}

impl Network {
    /// Builds a network and defines its parameters in `params`, which must be empty before.
    pub fn new(config: &ModelConfig, params: &mut Params) -> Result<Self> {
        config.check()?;
        let device = params.device().clone();
        let mut scope = params.root();
        let layers = match config {
            ModelConfig::Canet(config) => Layers::Canet(Box::new(Canet::new(&mut scope, config)?)),
            ModelConfig::Assignment(config) => {
                Layers::Assignment(Box::new(Assignment::new(&mut scope, config)?))
            }
        };
        Ok(Self { config: config.clone(), device, activations: DType::F32, layers })
    }

    /// The same network, which from now on computes as `arithmetic` says. (TF32 is a setting of all
    /// networks of the process.)
    pub fn with_arithmetic(mut self, arithmetic: Arithmetic) -> Result<Self> {
        arithmetic.check(&self.device)?;
        self.activations = arithmetic.activations();
        #[cfg(feature = "cuda")]
        if self.device.is_cuda() {
            canet_ops::cuda::set_tf32(arithmetic == Arithmetic::Tf32);
        }
        Ok(self)
    }

    /// The same network, which from now on computes these stages of its backbone a second time for their
    /// gradients, instead of keeping what is within them. Results and gradients are the same to the bit;
    /// a training step needs less memory and more time.
    ///
    /// ```
    /// use canet_model::{BackboneStage, CanetConfig, Device, ModelConfig, Network, Params};
    ///
    /// let mut params = Params::blank(&Device::Cpu);
    /// let config = ModelConfig::Canet(CanetConfig { classes: 3, ..Default::default() });
    /// let network = Network::new(&config, &mut params)?.with_recompute(&BackboneStage::ALL)?;
    /// # Ok::<(), canet_model::Error>(())
    /// ```
    pub fn with_recompute(mut self, stages: &[BackboneStage]) -> Result<Self> {
        match &mut self.layers {
            Layers::Canet(layers) => layers.recompute(stages),
            Layers::Assignment(_) if stages.is_empty() => {}
            Layers::Assignment(_) => {
                return Err(Error::Config(
                    "the stages of canet alone can be recomputed; the assignment's network has little \
                     memory in its blocks"
                        .into(),
                ));
            }
        }
        Ok(self)
    }

    /// The type of the activations, and of the logits.
    pub fn activations(&self) -> DType {
        self.activations
    }

    /// What was built.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Where the parameters are, and where pictures have to be.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The smallest side of a picture that the network takes.
    pub fn least_side(&self) -> usize {
        match self.layers {
            Layers::Canet(_) => 1,
            // Its first pooling drops the odd row and column, as Keras does.
            Layers::Assignment(_) => 2,
        }
    }

    /// Normalised pictures `(N, 3, H, W)` to logits of the same size.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Result<Output> {
        let x = self.checked(x)?;
        Ok(match &self.layers {
            Layers::Canet(layers) => layers.forward(&x, pass)?,
            Layers::Assignment(layers) => layers.forward(&x, pass)?,
        })
    }

    /// What the context does to the prediction of one normalised picture, `(1, 3, H, W)`. It takes as
    /// long as one forward pass, and as many more of what follows the backbone as there are flows.
    ///
    /// ```
    /// use canet_model::{AssignmentConfig, Device, ModelConfig, Network, Params, Tensor};
    ///
    /// let mut params = Params::new(42, &Device::Cpu);
    /// let config = ModelConfig::Assignment(AssignmentConfig { classes: 3, ..Default::default() });
    /// let network = Network::new(&config, &mut params)?;
    /// let frame = Tensor::rand(-1.0_f32, 1.0, (1, 3, 20, 30), &Device::Cpu)?;
    /// let explanation = network.explain(&frame)?;
    /// let shares = explanation.flows.iter().map(|flow| flow.share);
    /// assert!((shares.sum::<f64>() - 1.0).abs() < 1e-4);
    /// # Ok::<(), canet_model::Error>(())
    /// ```
    pub fn explain(&self, x: &Tensor) -> Result<Explanation> {
        let x = self.checked(x)?;
        if x.dims4()?.0 != 1 {
            let dims = x.tensor().dims();
            return Err(Error::Input(format!("one picture is explained at a time, not {dims:?}")));
        }
        match &self.layers {
            Layers::Canet(layers) => Explanation::of(layers.as_ref(), &self.config, &x),
            Layers::Assignment(layers) => Explanation::of(layers.as_ref(), &self.config, &x),
        }
    }

    fn checked(&self, x: &Tensor) -> Result<Value> {
        let least = self.least_side();
        match *x.dims() {
            [n, 3, h, w] if n > 0 && h >= least && w >= least => {
                Ok(Value::from(x.to_dtype(self.activations)?))
            }
            ref dims => Err(Error::Input(format!(
                "the network takes pictures (N, 3, H, W) with sides of at least {least}, \
                 this is {dims:?}"
            ))),
        }
    }
}

impl Network {
    /// What [`Network::forward`] computes in [`Pass::Eval`], as plain operations with the weights that
    /// the network has now; an auxiliary head is left out.
    pub fn lower(&self) -> Result<Lowered> {
        let lowered = match &self.layers {
            Layers::Canet(layers) => layers.lower()?,
            Layers::Assignment(layers) => layers.lower()?,
        };
        Ok(Lowered { least_side: self.least_side(), ..lowered })
    }
}
