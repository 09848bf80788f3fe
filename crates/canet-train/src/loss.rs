//! What training minimises: the terms of the configuration, weighted and added.

use canet_data::manifest::SplitStatistics;
use canet_model::{Output, Tensor, Value};
use canet_ops::{
    CrossEntropy, Dice, DiceClasses, Focal, Ohem, add, cce_dice, cross_entropy, dice, focal,
    lovasz_softmax, ohem, scale,
};

use crate::class_weights::class_weights;
use crate::config::{ClassWeights, Frequency, LossConfig, LossTerm};
use crate::{Error, Result};

/// The target that counts for nothing.
const IGNORE: u8 = canet_core::ClassId::VOID.0;

/// What is minimised, with all numbers known. At least one term.
#[derive(Debug, Clone)]
pub struct Objective {
    /// Each with what it counts.
    terms: Vec<(f64, Term)>,
    aux_weight: f64,
}

#[derive(Debug, Clone)]
enum Term {
    CrossEntropy(CrossEntropy),
    Ohem(Ohem),
    Focal(Focal),
    Dice(Dice),
    Lovasz,
    CceDice,
}

impl Objective {
    /// What the configuration asks for, on data of so many classes. `statistics` are those of the
    /// training split; they are only needed for weights that come from frequencies.
    pub fn new(
        config: &LossConfig,
        classes: usize,
        statistics: Option<&SplitStatistics>,
    ) -> Result<Self> {
        let class_weights = match &config.class_weights {
            None => None,
            Some(ClassWeights::Given(weights)) => Some(checked(weights, classes)?),
            Some(ClassWeights::Counted(frequency)) => {
                Some(counted(*frequency, classes, statistics)?)
            }
        };
        Ok(Self::weighted(config, class_weights.as_ref()))
    }

    /// The cross-entropy that this is, if it is nothing else: the loss that a GPU can compute without
    /// the host's help.
    #[cfg(feature = "cuda")]
    pub(crate) fn recorded(&self) -> Option<&CrossEntropy> {
        match &self.terms[..] {
            [(_, Term::CrossEntropy(options))] => Some(options),
            _ => None,
        }
    }

    fn weighted(config: &LossConfig, class_weights: Option<&Vec<f32>>) -> Self {
        let term = |term| (LossTerm::weight(term), Term::of(term, class_weights));
        Self { terms: config.terms.iter().map(term).collect(), aux_weight: config.aux_weight }
    }
}

impl Default for Objective {
    /// That of the default configuration.
    fn default() -> Self {
        Self::weighted(&LossConfig::default(), None)
    }
}

/// The key of the weights.
const KEY: &str = "loss.class_weights";

fn checked(weights: &[f32], classes: usize) -> Result<Vec<f32>> {
    if weights.len() == classes && weights.iter().any(|&w| w > 0.0) {
        return Ok(weights.to_vec());
    }
    let reason = format!(
        "has {} weights; the data has {classes} classes, and one weight must be above 0",
        weights.len()
    );
    Err(Error::config(KEY, reason))
}

/// Weights from frequencies, told to the user.
fn counted(
    frequency: Frequency,
    classes: usize,
    statistics: Option<&SplitStatistics>,
) -> Result<Vec<f32>> {
    let Some(statistics) = statistics.filter(|statistics| statistics.classes.len() == classes)
    else {
        let reason = format!(
            "needs the manifest's statistics of {classes} classes in the training split, which are not there; give a list of weights, or prepare the data again"
        );
        return Err(Error::config(KEY, reason));
    };
    let weights = class_weights(statistics, frequency);
    let named = statistics.classes.iter().zip(&weights);
    let named: Vec<_> = named.map(|(c, weight)| format!("{} {weight:.3}", c.class)).collect();
    tracing::info!("weights of the classes: {}", named.join(", "));
    Ok(weights)
}

impl Term {
    fn of(term: &LossTerm, class_weights: Option<&Vec<f32>>) -> Self {
        let class_weights = class_weights.cloned();
        match *term {
            LossTerm::CrossEntropy { .. } => {
                Self::CrossEntropy(CrossEntropy { ignore: IGNORE, class_weights })
            }
            LossTerm::Ohem { threshold, min_kept, .. } => {
                Self::Ohem(Ohem { ignore: IGNORE, threshold, min_kept, class_weights })
            }
            LossTerm::Focal { gamma, .. } => {
                Self::Focal(Focal { ignore: IGNORE, gamma, class_weights })
            }
            LossTerm::Dice { smooth, .. } => {
                Self::Dice(Dice { ignore: IGNORE, classes: DiceClasses::Present, smooth })
            }
            LossTerm::Lovasz { .. } => Self::Lovasz,
            LossTerm::CceDice { .. } => Self::CceDice,
        }
    }

    fn value(&self, logits: &Value, targets: Truth) -> Result<Value> {
        // They were filled with what counts.
        #[cfg(feature = "cuda")]
        if let Truth::Gpu(targets) = targets {
            return Ok(canet_ops::cuda::cross_entropy(logits, targets)?);
        }
        #[cfg_attr(not(feature = "cuda"), expect(irrefutable_let_patterns, reason = "GPUs"))]
        let Truth::Host(targets) = targets else {
            return Err(Error::config("loss.terms", "internal: not a loss of a GPU"));
        };
        let value = match self {
            Self::CrossEntropy(options) => cross_entropy(logits, targets, options),
            Self::Ohem(options) => ohem(logits, targets, options),
            Self::Focal(options) => focal(logits, targets, options),
            Self::Dice(options) => dice(logits, targets, options),
            Self::Lovasz => lovasz_softmax(logits, targets, IGNORE),
            Self::CceDice => cce_dice(logits, targets, IGNORE),
        };
        Ok(value?)
    }
}

/// What the network should say.
#[derive(Debug, Clone, Copy)]
pub enum Truth<'a> {
    /// Class ids `(N, H, W)` of `u8` on the CPU; 255 counts for nothing.
    Host(&'a Tensor),
    /// Those that a GPU has, for [`Objective::recorded`].
    #[cfg(feature = "cuda")]
    Gpu(&'a canet_ops::cuda::Targets),
}

impl<'a> From<&'a Tensor> for Truth<'a> {
    fn from(targets: &'a Tensor) -> Self {
        Self::Host(targets)
    }
}

/// The loss of a network's output, a scalar.
pub fn loss<'a>(
    output: Output,
    targets: impl Into<Truth<'a>>,
    objective: &Objective,
) -> Result<Value> {
    let targets = targets.into();
    let loss = of_head(&output.logits, targets, objective)?;
    match output.aux {
        Some(aux) => {
            let aux = of_head(&aux, targets, objective)?;
            Ok(add(&loss, &scale(&aux, objective.aux_weight)?)?)
        }
        None => Ok(loss),
    }
}

#[expect(clippy::float_cmp, reason = "exactly 1 is no factor")]
fn of_head(logits: &Value, targets: Truth, objective: &Objective) -> Result<Value> {
    let mut sum: Option<Value> = None;
    for (weight, term) in &objective.terms {
        let mut value = term.value(logits, targets)?;
        if *weight != 1.0 {
            value = scale(&value, *weight)?;
        }
        sum = Some(match sum {
            Some(sum) => add(&sum, &value)?,
            None => value,
        });
    }
    sum.ok_or_else(|| Error::config("loss.terms", "has no term; give at least one"))
}

#[cfg(test)]
mod tests;
