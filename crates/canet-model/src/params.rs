//! The parameters of a network: named, in the order of their definition, and filled reproducibly.
//!
//! (candle's own store is a hash map, whose order changes from run to run: an optimiser that walks
//! it cannot be reproduced.)

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use candle_core::{DType, Device, Tensor, Var};

use serde::{Deserialize, Serialize};

use crate::init::Init;
use crate::{Error, LoadReport, Result};

/// One parameter of a network.
#[derive(Debug, Clone)]
pub struct Param {
    /// The name in checkpoints, such as `backbone.layer1.0.conv1.weight`.
    pub name: String,
    /// The values; the network's layers hold the same variable.
    pub var: Var,
    /// What it is for.
    pub kind: Kind,
}

/// What a parameter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It follows the gradient.
    Trainable {
        /// Where it stands.
        part: Part,
        /// Whether weight decay makes sense: for the weights of convolutions, but not for biases
        /// and not for batch norm.
        decay: bool,
    },
    /// A running mean or variance of a batch norm; the forward pass of the training keeps it.
    Statistic,
    /// A factor or shift of a frozen batch norm; it stays as it is.
    Frozen,
}

/// Where a parameter stands; the parts can learn at different rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// In the backbone, which may start from published weights.
    Backbone,
    /// In all that comes after it.
    Head,
}

/// Which batch norms are frozen: in training, too, they use their running statistics, and neither
/// these nor their factors and shifts change.
///
/// That is what suits a published backbone and batches too small to say much about a mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrozenNorms {
    /// None: all learn.
    #[default]
    None,
    /// Those of the backbone.
    Backbone,
    /// All.
    All,
}

impl Param {
    /// Whether it follows the gradient.
    pub fn is_trainable(&self) -> bool {
        matches!(self.kind, Kind::Trainable { .. })
    }
}

/// All parameters of a network, in the order of their definition.
///
/// ```
/// use canet_model::{AssignmentConfig, Device, ModelConfig, Network, Params};
///
/// let mut params = Params::new(42, &Device::Cpu);
/// let config = ModelConfig::Assignment(AssignmentConfig { classes: 21, ..Default::default() });
/// let network = Network::new(&config, &mut params)?;
/// assert_eq!(params.trainable_count(), 284_925);
/// # Ok::<(), canet_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Params {
    /// `None` for parameters that wait for a file's values.
    seed: Option<u64>,
    frozen_norms: FrozenNorms,
    device: Device,
    list: Vec<Param>,
    names: BTreeSet<String>,
}

impl Params {
    /// An empty store, whose parameters will be drawn from `seed`.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self { seed: Some(seed), ..Self::blank(device) }
    }

    /// An empty store, whose parameters will be zero until they are loaded.
    pub fn blank(device: &Device) -> Self {
        Self {
            seed: None,
            frozen_norms: FrozenNorms::None,
            device: device.clone(),
            list: Vec::new(),
            names: BTreeSet::new(),
        }
    }

    /// The same for a network whose batch norms are frozen, in part or all.
    #[must_use]
    pub fn with_frozen_norms(self, frozen_norms: FrozenNorms) -> Self {
        Self { frozen_norms, ..self }
    }

    /// Where the parameters are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// All parameters in the order of their definition.
    pub fn iter(&self) -> impl Iterator<Item = &Param> {
        self.list.iter()
    }

    /// The parameters that follow the gradient, in the order of their definition.
    pub fn trainable(&self) -> impl Iterator<Item = &Param> {
        self.list.iter().filter(|param| param.is_trainable())
    }

    /// How many single values follow the gradient.
    pub fn trainable_count(&self) -> usize {
        self.trainable().map(|param| param.var.elem_count()).sum()
    }

    /// How many single values follow the gradient in each part of the network, in the order of their
    /// definition; together they are [`Params::trainable_count`]. Parts have the names of the first
    /// level, and what is in the backbone is one part.
    ///
    /// ```
    /// use canet_model::{CanetConfig, Device, ModelConfig, Network, Params};
    ///
    /// let mut params = Params::blank(&Device::Cpu);
    /// let config = ModelConfig::Canet(CanetConfig { classes: 26, ..Default::default() });
    /// Network::new(&config, &mut params)?;
    /// assert_eq!(params.by_part()[0], ("backbone".to_owned(), 23_631_808));
    /// # Ok::<(), canet_model::Error>(())
    /// ```
    pub fn by_part(&self) -> Vec<(String, usize)> {
        let mut parts: Vec<(String, usize)> = Vec::new();
        for param in self.trainable() {
            let name = match param.kind {
                Kind::Trainable { part: Part::Backbone, .. } => "backbone",
                _ => param.name.split('.').next().unwrap_or_default(),
            };
            match parts.iter_mut().find(|(part, _)| part == name) {
                Some((_, count)) => *count += param.var.elem_count(),
                None => parts.push((name.to_owned(), param.var.elem_count())),
            }
        }
        parts
    }

    /// The parameter of a name.
    pub fn get(&self, name: &str) -> Option<&Param> {
        self.list.iter().find(|param| param.name == name)
    }

    /// All values as they are now, by name.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.iter().map(|param| (param.name.clone(), param.var.as_detached_tensor())).collect()
    }

    /// Sets every parameter from `tensors`, or none: the names and shapes must be exactly those of
    /// the network. Floating-point types are converted; `origin` names the tensors in errors.
    pub fn load(&self, tensors: &BTreeMap<String, Tensor>, origin: &str) -> Result<()> {
        let report = LoadReport::compare(self.iter(), tensors);
        if !report.is_complete() {
            return Err(Error::Mismatch { origin: origin.to_owned(), report: Box::new(report) });
        }
        self.fill(self.iter(), tensors)
    }

    /// Sets `params` from tensors that [`LoadReport::compare`] has found complete.
    pub(crate) fn fill<'a>(
        &self,
        params: impl Iterator<Item = &'a Param>,
        tensors: &BTreeMap<String, Tensor>,
    ) -> Result<()> {
        for param in params {
            if let Some(tensor) = tensors.get(&param.name) {
                param.var.set(&tensor.to_dtype(DType::F32)?.to_device(&self.device)?)?;
            }
        }
        Ok(())
    }

    /// The scope of all names, for the part that most of the network belongs to.
    pub(crate) fn root(&mut self) -> Scope<'_> {
        Scope { params: self, path: String::new(), part: Part::Head }
    }

    fn add(
        &mut self,
        name: String,
        shape: &[usize],
        init: Init,
        kind: Kind,
    ) -> candle_core::Result<Var> {
        if !self.names.insert(name.clone()) {
            candle_core::bail!(
                "parameter {name} is defined twice; give each network its own store"
            );
        }
        let values = match self.seed {
            Some(seed) => init.draw(seed, &name, shape),
            None => vec![0.0; shape.iter().product()],
        };
        let var = Var::from_vec(values, shape, &self.device)?;
        self.list.push(Param { name, var: var.clone(), kind });
        Ok(var)
    }
}

/// A place in the tree of names, where a layer defines its parameters.
pub(crate) struct Scope<'a> {
    params: &'a mut Params,
    path: String,
    part: Part,
}

impl Scope<'_> {
    /// The place `name` below this one.
    pub(crate) fn sub(&mut self, name: impl Display) -> Scope<'_> {
        let path = self.name(name);
        Scope { params: self.params, path, part: self.part }
    }

    /// The same place, as the start of the backbone.
    pub(crate) fn of(&mut self, part: Part) -> Scope<'_> {
        Scope { params: self.params, path: self.path.clone(), part }
    }

    /// A convolution's weight, `(O, I / groups, kh, kw)`.
    pub(crate) fn weight(&mut self, shape: &[usize], init: Init) -> candle_core::Result<Var> {
        let kind = Kind::Trainable { part: self.part, decay: true };
        self.params.add(self.name("weight"), shape, init, kind)
    }

    /// A bias or a batch norm's factor, one value a channel.
    pub(crate) fn vector(
        &mut self,
        name: &str,
        channels: usize,
        value: f32,
    ) -> candle_core::Result<Var> {
        let kind = Kind::Trainable { part: self.part, decay: false };
        self.params.add(self.name(name), &[channels], Init::Constant(value), kind)
    }

    /// Whether batch norms are frozen here.
    pub(crate) fn freezes_norms(&self) -> bool {
        match self.params.frozen_norms {
            FrozenNorms::None => false,
            FrozenNorms::Backbone => self.part == Part::Backbone,
            FrozenNorms::All => true,
        }
    }

    /// A frozen batch norm's factor or shift, one value a channel.
    pub(crate) fn frozen(
        &mut self,
        name: &str,
        channels: usize,
        value: f32,
    ) -> candle_core::Result<Var> {
        self.params.add(self.name(name), &[channels], Init::Constant(value), Kind::Frozen)
    }

    /// A running statistic, one value a channel.
    pub(crate) fn statistic(
        &mut self,
        name: &str,
        channels: usize,
        value: f32,
    ) -> candle_core::Result<Var> {
        self.params.add(self.name(name), &[channels], Init::Constant(value), Kind::Statistic)
    }

    fn name(&self, last: impl Display) -> String {
        if self.path.is_empty() { last.to_string() } else { format!("{}.{last}", self.path) }
    }
}
