//! `[loss]`: what is minimised.

use serde::{Deserialize, Serialize};

use super::{Rule, not_negative, positive};

/// What is minimised: a sum of terms, each over the pixels that have a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// What is added, each kind at most once.
    pub terms: Vec<LossTerm>,
    /// What classes count in the terms that look at pixels one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<ClassWeights>,
    /// The auxiliary head's share, if the network has one; its loss has the same terms.
    pub aux_weight: f64,
}

/// A part of the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LossTerm {
    /// See [`canet_ops::cross_entropy`].
    CrossEntropy {
        /// What the term counts in the sum.
        #[serde(default = "one")]
        weight: f64,
    },
    /// Cross-entropy of the hard pixels, see [`canet_ops::ohem`].
    Ohem {
        /// What the term counts in the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Pixels whose class has a smaller probability are kept.
        #[serde(default = "ohem_threshold")]
        threshold: f64,
        /// The share of pixels that is kept at least.
        #[serde(default = "ohem_min_kept")]
        min_kept: f64,
    },
    /// See [`canet_ops::focal`].
    Focal {
        /// What the term counts in the sum.
        #[serde(default = "one")]
        weight: f64,
        /// How much less sure pixels count.
        #[serde(default = "focal_gamma")]
        gamma: f64,
    },
    /// Soft Dice of the classes in the batch, see [`canet_ops::dice`].
    Dice {
        /// What the term counts in the sum.
        #[serde(default = "one")]
        weight: f64,
        /// Pixels added above and below the fraction bar.
        #[serde(default = "one")]
        smooth: f64,
    },
    /// See [`canet_ops::lovasz_softmax`].
    Lovasz {
        /// What the term counts in the sum.
        #[serde(default = "one")]
        weight: f64,
    },
    /// The loss of the assignment's notebooks, see [`canet_ops::cce_dice`].
    CceDice {
        /// What the term counts in the sum.
        #[serde(default = "one")]
        weight: f64,
    },
}

/// Where the weights of classes come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "class_weights is a list of numbers, one a class, or \"median-frequency\" or \"inverse-frequency\""
)]
pub enum ClassWeights {
    /// One a class.
    Given(Vec<f32>),
    /// From how often classes occur in the training split.
    Counted(Frequency),
}

/// How weights follow from frequencies; [`crate::class_weights`] has the formulas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Frequency {
    /// Over the frames in which the class occurs, as in `SegNet`.
    MedianFrequency,
    /// Over all frames.
    InverseFrequency,
}

fn one() -> f64 {
    1.0
}

fn ohem_threshold() -> f64 {
    canet_ops::Ohem::default().threshold
}

fn ohem_min_kept() -> f64 {
    canet_ops::Ohem::default().min_kept
}

fn focal_gamma() -> f64 {
    canet_ops::Focal::default().gamma
}

impl Default for LossConfig {
    fn default() -> Self {
        let terms = vec![LossTerm::CrossEntropy { weight: 1.0 }];
        Self { terms, class_weights: None, aux_weight: 0.4 }
    }
}

impl LossTerm {
    /// What the term counts in the sum.
    pub fn weight(&self) -> f64 {
        match self {
            Self::CrossEntropy { weight }
            | Self::Ohem { weight, .. }
            | Self::Focal { weight, .. }
            | Self::Dice { weight, .. }
            | Self::Lovasz { weight }
            | Self::CceDice { weight } => *weight,
        }
    }

    /// Whether the weights of classes mean anything to it.
    pub fn takes_class_weights(&self) -> bool {
        match self {
            Self::CrossEntropy { .. } | Self::Ohem { .. } | Self::Focal { .. } => true,
            Self::Dice { .. } | Self::Lovasz { .. } | Self::CceDice { .. } => false,
        }
    }

    fn rules(&self) -> Vec<Rule> {
        let mut rules = vec![(positive(self.weight()), "loss.terms.weight", "more than 0")];
        match self {
            Self::Ohem { threshold, min_kept, .. } => rules.extend([
                (
                    *threshold > 0.0 && *threshold <= 1.0,
                    "loss.terms.threshold",
                    "more than 0 and at most 1",
                ),
                ((0.0..=1.0).contains(min_kept), "loss.terms.min_kept", "from 0 to 1"),
            ]),
            Self::Focal { gamma, .. } => {
                rules.push((not_negative(*gamma), "loss.terms.gamma", "at least 0"));
            }
            Self::Dice { smooth, .. } => {
                rules.push((positive(*smooth), "loss.terms.smooth", "more than 0"));
            }
            Self::CrossEntropy { .. } | Self::Lovasz { .. } | Self::CceDice { .. } => {}
        }
        rules
    }
}

impl LossConfig {
    pub(super) fn rules(&self) -> Vec<Rule> {
        let weighs = |weights: &ClassWeights| match weights {
            ClassWeights::Given(weights) => weights.iter().all(|&w| not_negative(f64::from(w))),
            ClassWeights::Counted(_) => true,
        };
        let kind = std::mem::discriminant::<LossTerm>;
        let is_first = |(i, term)| self.terms[..i].iter().all(|other| kind(other) != kind(term));
        let mut rules = vec![
            (not_negative(self.aux_weight), "loss.aux_weight", "at least 0"),
            (!self.terms.is_empty(), "loss.terms", "a list with at least one term"),
            (
                self.terms.iter().enumerate().all(is_first),
                "loss.terms",
                "a list that has no kind twice",
            ),
            (
                self.class_weights.as_ref().is_none_or(weighs),
                "loss.class_weights",
                "a list of numbers, each at least 0",
            ),
            (
                self.class_weights.is_none()
                    || self.terms.iter().any(LossTerm::takes_class_weights),
                "loss.class_weights",
                "left out where no term of loss.terms is cross-entropy, ohem or focal: no other takes them",
            ),
        ];
        rules.extend(self.terms.iter().flat_map(LossTerm::rules));
        rules
    }
}
