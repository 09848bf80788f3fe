//! Policies: rules by which a confusion matrix becomes scores, by name. `docs/scores.md` compares them.
//!
//! All count a predicted void as a miss and leave pixels of true void out, as both official scorers
//! do. They differ in what becomes of an absent class and of IDD's coarser levels.

use std::fmt;
use std::str::FromStr;

use canet_core::ClassSet;
use serde::{Deserialize, Serialize};

use super::confusion::Confusion;
use super::drives::Drives;
use super::levels::{Kind, Level};
use super::resolution::Resolution;
use super::scores::{mean, percent};
use crate::{Error, Result};

/// A rule for scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// This project's own rule, by which training chooses its best checkpoint. A class in neither truth
    /// nor prediction has no IoU; one that is predicted and never true has IoU 0 and counts. At IDD's
    /// coarser levels a predicted void is a miss, too.
    Strict,
    /// The program of cityscapesScripts. On class IoU it agrees with `strict`; for the 19 classes of
    /// Cityscapes it adds the 7 categories.
    Cityscapes,
    /// IDD's public script with level 1 from the matrix of level 2, and absent classes left out of means.
    IddFixed,
    /// IDD's public script to the letter, with its level 1, and no mean where a class is absent.
    IddOfficial,
}

impl Policy {
    /// All policies.
    pub const ALL: [Self; 4] = [Self::Strict, Self::Cityscapes, Self::IddFixed, Self::IddOfficial];

    /// The name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Cityscapes => "cityscapes",
            Self::IddFixed => "idd-fixed",
            Self::IddOfficial => "idd-official",
        }
    }

    /// What becomes of an absent class, in words.
    pub fn absent_classes(self) -> &'static str {
        match self {
            Self::IddOfficial => {
                "a class in neither truth nor prediction has IoU nan, and so has the mean"
            }
            Self::Strict | Self::Cityscapes | Self::IddFixed => {
                "a class in neither truth nor prediction is left out of the mean; one that is predicted and never true has IoU 0"
            }
        }
    }

    /// The size at which the official script scores data of these classes.
    pub fn official_resolution(classes: &ClassSet) -> Option<Resolution> {
        match Kind::of(classes) {
            Kind::IddLevel3 => Some(Resolution::IDD),
            Kind::IddLite => Some(Resolution::IDD_LITE),
            Kind::Cityscapes | Kind::Other => None,
        }
    }

    /// The mean of classes' IoU; none is nan.
    fn mean(self, ious: impl Iterator<Item = Option<f64>>) -> Option<f64> {
        if self != Self::IddOfficial {
            return mean(ious.flatten());
        }
        let all: Option<Vec<f64>> = ious.collect();
        all.and_then(|ious| mean(ious.into_iter()))
    }

    /// The levels at which the policy scores data of these classes, or why it cannot.
    pub(super) fn levels(self, classes: &ClassSet) -> Result<Vec<Level>, String> {
        match (self, Kind::of(classes)) {
            (Self::Strict, Kind::IddLevel3) => Level::idd(),
            (Self::Strict | Self::Cityscapes, kind) => {
                let mut levels = vec![Level::classes(classes)];
                if self == Self::Cityscapes && kind == Kind::Cityscapes {
                    levels.push(Level::cityscapes_categories());
                }
                Ok(levels)
            }
            (Self::IddFixed, Kind::IddLevel3) => Level::idd_fixed(),
            (Self::IddOfficial, Kind::IddLevel3) => Level::idd_official(),
            (Self::IddFixed, Kind::IddLite) => Ok(vec![Level::classes(classes)]),
            (Self::IddOfficial, Kind::IddLite) => Ok(Level::idd_lite(classes)),
            (Self::IddFixed | Self::IddOfficial, Kind::Cityscapes | Kind::Other) => Err(format!(
                "scores the 26 classes of idd-level3 or the 7 of idd-lite-7, but the data has the {} of {}; prepare IDD with --label-map idd-level3",
                classes.len(),
                classes.name
            )),
        }
    }

    /// Scores matrices of these classes, taken at `resolution`; an error says why the policy cannot.
    pub fn judge(
        self,
        drives: &Drives,
        classes: &ClassSet,
        resolution: Resolution,
    ) -> Result<PolicyScores, String> {
        let total = drives.total();
        let score = |level: Level| {
            let miou = |matrix: &Confusion| self.mean(level.matrix(matrix).ious());
            let ious = level.matrix(&total).ious().collect::<Vec<_>>();
            LevelScores {
                miou: self.mean(ious.iter().copied()),
                interval: drives.interval(|matrix| miou(matrix).unwrap_or(f64::NAN)),
                classes: level
                    .names
                    .into_iter()
                    .zip(ious)
                    .map(|(class, iou)| ClassIou { class, iou })
                    .collect(),
                level: level.title,
            }
        };
        Ok(PolicyScores {
            policy: self,
            resolution: resolution.to_string(),
            absent_classes: self.absent_classes().to_owned(),
            levels: self.levels(classes)?.into_iter().map(score).collect(),
        })
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Policy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::config("--policy", format!("{text:?} is not known; known are {known}"))
        })
    }
}

/// The scores of a split under one policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyScores {
    /// The policy.
    pub policy: Policy,
    /// The size at which masks were compared: `native`, or such as `1280x720`.
    pub resolution: String,
    /// Its rule for absent classes, in words.
    pub absent_classes: String,
    /// Each level that it scores, the finest first.
    pub levels: Vec<LevelScores>,
}

/// The scores at one level of classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelScores {
    /// What the classes are, such as `level 3`.
    pub level: String,
    /// Mean IoU; none is nan.
    pub miou: Option<f64>,
    /// Its 95 % interval, bootstrapped over drives; none with fewer than two drives, or if the mean of
    /// a draw is nan.
    pub interval: Option<[f64; 2]>,
    /// The classes, by id.
    pub classes: Vec<ClassIou>,
}

/// A class's IoU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassIou {
    /// The class's name.
    pub class: String,
    /// Intersection over union; none if the class is in neither truth nor prediction.
    pub iou: Option<f64>,
}

/// mIoU under `strict`; 0 if no pixel is valid.
pub(super) fn strict_miou(confusion: &Confusion) -> f64 {
    Policy::Strict.mean(confusion.ious()).unwrap_or(0.0)
}

/// A line a level; with `{:#}` the classes, too.
impl fmt::Display for PolicyScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy {}, {}: {}", self.policy, self.resolution, self.absent_classes)?;
        for level in &self.levels {
            let miou = level.miou.map_or_else(|| "nan".to_owned(), |miou| format!("{miou:.4}"));
            write!(f, "\n  mIoU {miou}")?;
            if let Some([low, high]) = level.interval {
                write!(f, " ({low:.4} to {high:.4})")?;
            }
            write!(f, " at {}", level.level)?;
            if !f.alternate() {
                continue;
            }
            for row in level.classes.chunks(3) {
                write!(f, "\n   ")?;
                for line in row {
                    write!(f, " {:<22}{}", line.class, percent(line.iou))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
