//! Which network: the part of a training configuration that a checkpoint has to carry.
//!
//! In a training configuration (TOML) and in a checkpoint (JSON) the form is the same:
//!
//! ```toml
//! network = "canet"        # or "canet-assignment"
//! depth = 50               # 18, 34, 50 or 101
//! stem = "v1s"             # or "classic", which fits torchvision's weights
//! ```
//!
//! Every field has a default, and a misspelt one is an error.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A network and its settings.
///
/// ```
/// use canet_model::{CanetConfig, Depth, ModelConfig};
///
/// let config = ModelConfig::Canet(CanetConfig { depth: Depth::D101, ..Default::default() });
/// config.with_classes(26).check()?;
/// # Ok::<(), canet_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "network")]
pub enum ModelConfig {
    /// The network of the paper (arXiv 2002.12041v4), on a dilated ResNet.
    #[serde(rename = "canet")]
    Canet(CanetConfig),
    /// The small network of the assignment, after the paper's first version.
    #[serde(rename = "canet-assignment")]
    Assignment(AssignmentConfig),
}

/// The settings of [`ModelConfig::Canet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CanetConfig {
    /// Layers of the backbone.
    pub depth: Depth,
    /// The backbone's first layers.
    pub stem: Stem,
    /// How many classes; 0 stands for "not known yet" and is refused when the network is built.
    pub classes: usize,
    /// The pooling rate of each context flow, in the order of the chain.
    pub rates: Vec<usize>,
    /// Channels of each flow; the feature selection halves them.
    pub capacity: usize,
    /// Whether the feature selection has its gate. The authors' code leaves it off by default, the
    /// paper's title does not.
    pub feature_selection: bool,
    /// Whether an auxiliary head on C3 helps the training.
    pub aux: bool,
    /// Dropout after the feature selection.
    pub dropout: f64,
    /// Dropout before each classifier.
    pub head_dropout: f64,
    /// How likely the backbone's last residual block is dropped in training, for a frame; the blocks
    /// before it less, in proportion to their depth (Huang et al., arXiv 1603.09382).
    pub stochastic_depth: f64,
    /// The share of a new batch in the running statistics.
    pub batch_norm_momentum: f64,
}

impl Default for CanetConfig {
    fn default() -> Self {
        Self {
            depth: Depth::D50,
            stem: Stem::V1s,
            classes: 0,
            rates: vec![2, 4, 8, 16],
            capacity: 512,
            feature_selection: true,
            aux: false,
            dropout: 0.1,
            head_dropout: 0.1,
            stochastic_depth: 0.0,
            batch_norm_momentum: 0.1,
        }
    }
}

/// The settings of [`ModelConfig::Assignment`]. Its filters are the assignment's, literally.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AssignmentConfig {
    /// How many classes; 0 stands for "not known yet" and is refused when the network is built.
    pub classes: usize,
    /// The pooling rate of each context flow: three flows, each pooling by 2, in all notebooks.
    pub rates: Vec<usize>,
    /// How likely the last identity block is dropped in training, for a frame; the blocks before it
    /// less, in proportion to their depth.
    pub stochastic_depth: f64,
    /// The share of a new batch in the running statistics. Keras' "momentum 0.99" is 0.01 here.
    pub batch_norm_momentum: f64,
}

impl Default for AssignmentConfig {
    fn default() -> Self {
        Self { classes: 0, rates: vec![2, 2, 2], stochastic_depth: 0.0, batch_norm_momentum: 0.01 }
    }
}

/// Layers of a residual network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub enum Depth {
    /// ResNet-18, of basic blocks.
    D18,
    /// ResNet-34, of basic blocks.
    D34,
    /// ResNet-50, of bottlenecks.
    D50,
    /// ResNet-101, of bottlenecks.
    D101,
}

impl TryFrom<u32> for Depth {
    type Error = String;

    fn try_from(depth: u32) -> Result<Self, String> {
        match depth {
            18 => Ok(Self::D18),
            34 => Ok(Self::D34),
            50 => Ok(Self::D50),
            101 => Ok(Self::D101),
            other => Err(format!("depth {other} is not one of 18, 34, 50 and 101")),
        }
    }
}

impl From<Depth> for u32 {
    fn from(depth: Depth) -> Self {
        match depth {
            Depth::D18 => 18,
            Depth::D34 => 34,
            Depth::D50 => 50,
            Depth::D101 => 101,
        }
    }
}

/// The first layers of the backbone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stem {
    /// Three 3x3 convolutions, as the authors use (`resnet50_v1s`).
    V1s,
    /// One 7x7 convolution, as in torchvision's published weights.
    Classic,
}

/// A stage of CANet's backbone, by torchvision's names; the stem is all before `layer1`. It is no part
/// of what a network is, but of how a training computes it: see [`crate::Network::with_recompute`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackboneStage {
    /// Down to 1/4 of the picture.
    Stem,
    /// To C1, at 1/4.
    Layer1,
    /// To C2, at 1/8.
    Layer2,
    /// To C3, at 1/8.
    Layer3,
    /// To C4, at 1/8.
    Layer4,
}

impl BackboneStage {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [Self::Stem, Self::Layer1, Self::Layer2, Self::Layer3, Self::Layer4];
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self::Canet(CanetConfig::default())
    }
}

impl ModelConfig {
    /// How many classes the network tells apart.
    pub fn classes(&self) -> usize {
        match self {
            Self::Canet(config) => config.classes,
            Self::Assignment(config) => config.classes,
        }
    }

    /// The pooling rate of each context flow, in the order of the chain.
    pub fn rates(&self) -> &[usize] {
        match self {
            Self::Canet(config) => &config.rates,
            Self::Assignment(config) => &config.rates,
        }
    }

    /// The same network for another number of classes.
    #[must_use]
    pub fn with_classes(mut self, count: usize) -> Self {
        match &mut self {
            Self::Canet(config) => config.classes = count,
            Self::Assignment(config) => config.classes = count,
        }
        self
    }

    /// Refuses what cannot be built, naming the field and its bounds.
    pub fn check(&self) -> Result<()> {
        within("classes", self.classes(), 1, 255)?;
        match self {
            Self::Canet(config) => {
                check_rates(&config.rates)?;
                within("capacity", config.capacity, 2, 1024)?;
                if config.capacity % 2 == 1 {
                    return Err(Error::Config("capacity is odd, but must be halved".into()));
                }
                probability("dropout", config.dropout)?;
                probability("head_dropout", config.head_dropout)?;
                probability("stochastic_depth", config.stochastic_depth)?;
                momentum(config.batch_norm_momentum)
            }
            Self::Assignment(config) => {
                check_rates(&config.rates)?;
                probability("stochastic_depth", config.stochastic_depth)?;
                momentum(config.batch_norm_momentum)
            }
        }
    }
}

/// The bounds also keep a hostile checkpoint from asking for all memory.
fn check_rates(rates: &[usize]) -> Result<()> {
    within("the number of rates", rates.len(), 1, 8)?;
    rates.iter().try_for_each(|&rate| within("a rate", rate, 1, 1024))
}

fn within(what: &str, value: usize, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::Config(format!("{what} is {value}; {least} to {most} are possible")))
}

fn probability(what: &str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(Error::Config(format!("{what} is {value}; it must be at least 0 and less than 1")))
}

fn momentum(value: f64) -> Result<()> {
    if value > 0.0 && value <= 1.0 {
        return Ok(());
    }
    Err(Error::Config(format!(
        "batch_norm_momentum is {value}; it must be more than 0 and at most 1 \
         (Keras' 0.99 is 0.01 here)"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_forms_read_and_write() {
        let text = r#"{"network":"canet","depth":101,"stem":"classic","classes":26,"aux":true}"#;
        let config: ModelConfig = serde_json::from_str(text).unwrap();
        let ModelConfig::Canet(canet) = &config else { panic!("{config:?}") };
        assert_eq!((canet.depth, canet.stem, canet.aux), (Depth::D101, Stem::Classic, true));
        assert_eq!(canet.rates, [2, 4, 8, 16]);
        let back: ModelConfig =
            serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
        assert_eq!(back, config);
        let small: ModelConfig = serde_json::from_str(r#"{"network":"canet-assignment"}"#).unwrap();
        assert_eq!(small, ModelConfig::Assignment(AssignmentConfig::default()));
    }

    #[test]
    fn faulty_forms_are_refused_with_the_reason() {
        for (text, needle) in [
            (r#"{"network":"unet"}"#, "canet-assignment"),
            (r#"{"depth":50}"#, "network"),
            (r#"{"network":"canet","dpth":50}"#, "unknown field `dpth`"),
            (r#"{"network":"canet","depth":152}"#, "18, 34, 50 and 101"),
            (r#"{"network":"canet","stem":"v2"}"#, "classic"),
        ] {
            let error = serde_json::from_str::<ModelConfig>(text).unwrap_err().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }

    #[test]
    fn impossible_values_are_refused_with_the_bounds() {
        let canet = || CanetConfig { classes: 2, ..Default::default() };
        for (config, needle) in [
            (CanetConfig::default(), "classes is 0; 1 to 255"),
            (CanetConfig { rates: vec![], ..canet() }, "number of rates is 0"),
            (CanetConfig { rates: vec![2, 0], ..canet() }, "a rate is 0"),
            (CanetConfig { capacity: 7, ..canet() }, "odd"),
            (CanetConfig { dropout: 1.0, ..canet() }, "dropout is 1"),
            (CanetConfig { head_dropout: f64::NAN, ..canet() }, "head_dropout is NaN"),
            (CanetConfig { stochastic_depth: 1.0, ..canet() }, "stochastic_depth is 1"),
            (CanetConfig { batch_norm_momentum: 0.0, ..canet() }, "batch_norm_momentum"),
        ] {
            let error = ModelConfig::Canet(config).check().unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
        ModelConfig::Canet(canet()).check().unwrap();
    }
}
