//! What `canet-train eval` tells of a checkpoint: scores by every policy, as a table and as JSON.

use std::fmt;

use canet_core::ClassSet;
use canet_data::dataset::Dataset;
use serde::{Deserialize, Serialize};

use crate::evaluate::Counted;
use crate::metrics::{Drives, IouScores, IouTally, Policy, PolicyScores, Resolution, Scores};
use crate::{Error, Result};

/// How many of the worst frames the table names; the JSON has all that are kept.
const SHOWN: usize = 5;

/// A policy that cannot score the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// The policy.
    pub policy: Policy,
    /// Why.
    pub reason: String,
}

/// The scores of a checkpoint on a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The data set's name.
    pub dataset: String,
    /// The split.
    pub split: String,
    /// The size at which masks were compared, for `scores` and `matrix`.
    pub resolution: String,
    /// Class by class, under the policy `strict`.
    pub scores: Scores,
    /// How many drives the split has.
    pub drives: usize,
    /// By each policy that was asked for and can score these classes.
    pub policies: Vec<PolicyScores>,
    /// Policies that cannot.
    pub refused: Vec<Refused>,
    /// The student metric, if it was asked for.
    pub iou_score: Option<IouScores>,
    /// Pixels by true class (row) and predicted class (column), by id; the last of both is void.
    pub matrix: Vec<Vec<u64>>,
    /// Whether policies were asked for by name: then their classes are in the table, too.
    #[serde(skip)]
    pub named: bool,
}

/// Which policies to score by, and at what size.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Those named; none is all that can score the data.
    pub policies: Vec<Policy>,
    /// The size asked for; none is native, and the official one for official policies.
    pub resolution: Option<Resolution>,
}

impl Wanted {
    /// The size at which masks are compared.
    pub fn resolution(&self) -> Resolution {
        self.resolution.unwrap_or_default()
    }

    /// The official size, if a second matrix has to be taken at it.
    pub fn second(&self, classes: &ClassSet) -> Option<Resolution> {
        if self.resolution.is_some() || !self.all().contains(&Policy::IddOfficial) {
            return None;
        }
        Policy::official_resolution(classes)
    }

    /// Refuses, before a frame is read, policies that were named and cannot score these classes.
    pub fn check(&self, classes: &ClassSet) -> Result<()> {
        let nothing = Drives::new(classes.len());
        for policy in &self.policies {
            policy
                .judge(&nothing, classes, self.resolution())
                .map_err(|reason| Error::config(format!("--policy {policy}"), reason))?;
        }
        Ok(())
    }

    fn all(&self) -> &[Policy] {
        if self.policies.is_empty() { &Policy::ALL } else { &self.policies }
    }

    /// Scores what was counted on a split.
    pub fn judge(&self, counted: &Counted, dataset: &Dataset) -> Evaluation {
        let classes = dataset.classes();
        let drives = counted.tally.drives();
        let (mut policies, mut refused) = (Vec::new(), Vec::new());
        for &policy in self.all() {
            let second = counted.second.as_ref().zip(self.second(classes));
            let (drives, resolution) = match second.filter(|_| policy == Policy::IddOfficial) {
                Some((drives, resolution)) => (drives, resolution),
                None => (drives, self.resolution()),
            };
            match policy.judge(drives, classes, resolution) {
                Ok(scores) => policies.push(scores),
                Err(reason) => refused.push(Refused { policy, reason }),
            }
        }
        Evaluation {
            dataset: dataset.manifest().dataset.clone(),
            split: dataset.split().to_owned(),
            resolution: self.resolution().to_string(),
            scores: counted.tally.scores(classes),
            drives: drives.len(),
            policies,
            refused,
            iou_score: counted.iou.as_ref().map(IouTally::scores),
            matrix: drives.total().rows().map(<[u64]>::to_vec).collect(),
            named: !self.policies.is_empty(),
        }
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dataset, split, resolution, .. } = self;
        writeln!(f, "{dataset}, split {split}, policy strict, resolution {resolution}")?;
        writeln!(f, "{}", self.scores)?;
        match (self.scores.interval, self.drives) {
            (Some(_), drives) => writeln!(
                f,
                "in brackets: 95 % intervals of mIoU, bootstrapped over {drives} drives"
            )?,
            (None, drives) => writeln!(
                f,
                "no interval: the frames are of {drives} drive{}, and two are needed",
                if drives == 1 { "" } else { "s" }
            )?,
        }
        for policy in &self.policies {
            if self.named {
                writeln!(f, "{policy:#}")?;
            } else {
                writeln!(f, "{policy}")?;
            }
        }
        for Refused { policy, reason } in &self.refused {
            writeln!(f, "policy {policy}: not given: it {reason}")?;
        }
        if let Some(scores) = &self.iou_score {
            writeln!(f, "{scores}")?;
        }
        write!(f, "worst frames:")?;
        for frame in self.scores.worst.iter().take(SHOWN) {
            write!(f, " {}/{} {:.3}", frame.drive, frame.frame, frame.miou)?;
        }
        Ok(())
    }
}
