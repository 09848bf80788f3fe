//! Findings: objects of an annotation that are not painted, and how they are told.
//!
//! Deleted objects are counted and no more: an annotator meant them. Of the others the first are
//! also kept with their place, for a wrong label is put right in a file, not in a count.

use std::collections::BTreeMap;
use std::fmt;

use canet_core::{LabelMap, LabelTable};
use serde::{Deserialize, Serialize};

/// An object that is not painted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The object's place in the file.
    pub object: usize,
    /// Why it is not painted.
    pub kind: FindingKind,
}

/// Why an object is not painted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingKind {
    /// The annotator deleted it.
    Deleted,
    /// It has this many points, fewer than three.
    FewPoints(usize),
    /// It is something else, such as a circle.
    NotAPolygon(String),
    /// The label map does not know its label.
    UnknownLabel {
        /// The label as written.
        label: String,
        /// What the label may be.
        hint: Option<Hint>,
    },
}

/// What a label that the map does not know may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// This known label, which differs only in case, spaces, dashes or underscores, or in a letter
    /// or two.
    Lookalike(String),
    /// A label of IDD that this map leaves out.
    Official {
        /// The map's name.
        map: String,
    },
}

impl FindingKind {
    /// The finding for a label that `labels` does not know.
    pub fn unknown_label(label: String, labels: &LabelMap) -> Self {
        let hint = if LabelTable::idd().find(&label).is_some() {
            Some(Hint::Official { map: labels.classes().name.clone() })
        } else {
            let known = labels.lookalike(&label).or_else(|| nearest(&label, labels));
            known.map(|known| Hint::Lookalike(known.to_owned()))
        };
        Self::UnknownLabel { label, hint }
    }
}

/// The known label that is a slip of the hand away: one letter for each four, two at most.
fn nearest<'a>(label: &str, labels: &'a LabelMap) -> Option<&'a str> {
    let slips = (label.chars().count() / 4).min(2);
    labels
        .labels()
        .map(|(known, _)| (strsim::osa_distance(label, known), known))
        .filter(|(distance, _)| (1..=slips).contains(distance))
        .min()
        .map(|(_, known)| known)
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "objects[{}] ", self.object)?;
        match &self.kind {
            FindingKind::Deleted => write!(f, "is deleted"),
            FindingKind::FewPoints(points) => write!(f, "has {points} points, fewer than 3"),
            FindingKind::NotAPolygon(what) => write!(f, "is a {what}, not a polygon"),
            FindingKind::UnknownLabel { label, hint } => {
                write!(f, "has the unknown label {label:?}")?;
                hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
            }
        }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lookalike(known) => write!(f, "is {known:?} meant?"),
            Self::Official { map } => {
                write!(f, "it is an official label, but {map} has no class for it")
            }
        }
    }
}

/// How many objects were not painted, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingCounts {
    /// Deleted objects.
    pub deleted: u64,
    /// Objects of fewer than three points.
    pub few_points: u64,
    /// Objects that are no polygons; some formats have such.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_polygons: u64,
    /// Objects by unknown label.
    pub unknown_labels: BTreeMap<String, u64>,
}

impl FindingCounts {
    /// Counts findings.
    pub fn of(findings: &[Finding]) -> Self {
        let mut counts = Self::default();
        for finding in findings {
            match &finding.kind {
                FindingKind::Deleted => counts.deleted += 1,
                FindingKind::FewPoints(_) => counts.few_points += 1,
                FindingKind::NotAPolygon(_) => counts.not_polygons += 1,
                FindingKind::UnknownLabel { label, .. } => {
                    *counts.unknown_labels.entry(label.clone()).or_default() += 1;
                }
            }
        }
        counts
    }

    /// Adds the counts of another file.
    pub fn merge(&mut self, other: &Self) {
        self.deleted += other.deleted;
        self.few_points += other.few_points;
        self.not_polygons += other.not_polygons;
        for (label, count) in &other.unknown_labels {
            *self.unknown_labels.entry(label.clone()).or_default() += count;
        }
    }

    /// How many objects were not painted.
    pub fn total(&self) -> u64 {
        let labels: u64 = self.unknown_labels.values().sum();
        self.deleted + self.few_points + self.not_polygons + labels
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A finding with its file, as manifests list it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFinding {
    /// The annotation, relative to the raw folder.
    pub path: String,
    /// What was found, such as `objects[3] has 2 points, fewer than 3`.
    pub finding: String,
}

/// How many findings of one file are listed: with a wrong label map there are some in every file.
const LISTED_PER_FILE: usize = 10;

/// The first findings that an annotator may want to put right, in words.
pub(crate) fn worth_listing(findings: &[Finding]) -> Vec<String> {
    let meant = |finding: &&Finding| finding.kind != FindingKind::Deleted;
    findings.iter().filter(meant).take(LISTED_PER_FILE).map(Finding::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        let map = LabelMap::builtin("assignment-21").unwrap();
        let unknown = |label: &str| FindingKind::unknown_label(label.to_owned(), &map);
        let kinds = [
            FindingKind::Deleted,
            unknown("Guard_rail"),
            unknown("license plate"),
            unknown("ghost"),
            FindingKind::FewPoints(2),
            unknown("ghost"),
            FindingKind::NotAPolygon("circle".to_owned()),
        ];
        kinds.into_iter().enumerate().map(|(object, kind)| Finding { object, kind }).collect()
    }

    #[test]
    fn findings_say_what_the_label_may_be() {
        assert_eq!(
            worth_listing(&findings()),
            [
                "objects[1] has the unknown label \"Guard_rail\"; is \"guard rail\" meant?",
                "objects[2] has the unknown label \"license plate\"; it is an official label, but \
                 assignment-21 has no class for it",
                "objects[3] has the unknown label \"ghost\"",
                "objects[4] has 2 points, fewer than 3",
                "objects[5] has the unknown label \"ghost\"",
                "objects[6] is a circle, not a polygon",
            ]
        );
        let many = vec![findings()[3].clone(); 50];
        assert_eq!(worth_listing(&many).len(), LISTED_PER_FILE);
    }

    #[test]
    fn counts_add_up() {
        let mut counts = FindingCounts::of(&findings());
        counts.merge(&counts.clone());
        assert_eq!((counts.deleted, counts.few_points, counts.total()), (2, 2, 14));
        assert_eq!(counts.not_polygons, 2);
        assert_eq!(counts.unknown_labels["ghost"], 4);
    }
}
