//! The kinds of findings: their names for ever, how bad each is, and what to do about it.

use serde::{Serialize, Serializer};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Preparation leaves the file out.
    Error,
    /// The file is used, but a label is probably not what its author meant.
    Warning,
    /// Worth knowing; nothing needs to be done.
    Note,
}

impl Severity {
    /// All, the worst first.
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Note];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What kind of thing was found. A kind's name never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "TABLE says in words what each one is")]
pub enum Kind {
    MissingAnnotation,
    MissingFrame,
    UnreadableFrame,
    UnreadableAnnotation,
    NotANumber,
    SizeMismatch,
    UnknownValue,
    UnknownLabel,
    FewPoints,
    NotAPolygon,
    ZeroArea,
    OutsideFrame,
    BeyondFrame,
    SelfCrossing,
    HiddenObject,
    NoObjects,
    MostlyUnlabelled,
    NearDuplicate,
    DarkFrame,
    BrightFrame,
    Deleted,
    RepeatedPoints,
    ClosedOutline,
    ManyObjects,
    CrossingUndecided,
}

/// Name, severity, what it is, and what to do, in the order of [`Kind`].
type Row = (Kind, &'static str, Severity, &'static str, &'static str);

use Severity::{Error, Note, Warning};

#[rustfmt::skip]
const TABLE: [Row; 25] = [
    (Kind::MissingAnnotation, "missing-annotation", Error,
        "frames without an annotation", "label them, or move them out of the tree"),
    (Kind::MissingFrame, "missing-frame", Error,
        "annotations without a frame", "look for the image; its name must be the annotation's"),
    (Kind::UnreadableFrame, "unreadable-frame", Error,
        "images that cannot be read to their end", "fetch them again"),
    (Kind::UnreadableAnnotation, "unreadable-annotation", Error,
        "annotations that are cut, foreign or not as the contract says", "write them again"),
    (Kind::NotANumber, "not-a-number", Error,
        "coordinates that are no finite number", "draw the object again"),
    (Kind::SizeMismatch, "size-mismatch", Error,
        "annotations of another size than their frame's", "find the frame that they were drawn on"),
    (Kind::UnknownValue, "unknown-value", Error,
        "values of label images that the label map does not know", "choose the map of this data set"),
    (Kind::UnknownLabel, "unknown-label", Warning,
        "labels that the label map does not know; not painted", "rename them, or add them to the map"),
    (Kind::FewPoints, "few-points", Warning,
        "objects of fewer than 3 points; not painted", "draw them again, or delete them"),
    (Kind::NotAPolygon, "not-a-polygon", Warning,
        "shapes such as circles and points; not painted", "draw them as polygons"),
    (Kind::ZeroArea, "zero-area", Warning,
        "outlines that enclose nothing: lines and dots",
        "delete slips of the hand; if they were traced from a mask, they are its pixels and may stay"),
    (Kind::OutsideFrame, "outside-frame", Warning,
        "objects wholly outside of the frame", "move or delete them"),
    (Kind::BeyondFrame, "beyond-frame", Warning,
        "objects that reach far beyond the frame", "look at the point that is out there"),
    (Kind::SelfCrossing, "self-crossing", Warning,
        "outlines that cross themselves; what lies between may stay unpainted", "untangle the outline"),
    (Kind::HiddenObject, "hidden-object", Warning,
        "objects of which later ones leave no pixel to be seen", "move them up in the order, or delete them"),
    (Kind::NoObjects, "no-objects", Warning,
        "annotations without an object to paint", "label the frame, or move it out of the tree"),
    (Kind::MostlyUnlabelled, "mostly-unlabelled", Warning,
        "frames of which more than half is unlabelled", "finish labelling them"),
    (Kind::NearDuplicate, "near-duplicate", Warning,
        "frames that look like one of another drive", "keep both in one split, or one of the two"),
    (Kind::DarkFrame, "dark-frame", Warning,
        "frames that are nearly black", "look whether there is anything to be seen"),
    (Kind::BrightFrame, "bright-frame", Warning,
        "frames that are nearly white", "look whether there is anything to be seen"),
    (Kind::Deleted, "deleted", Note,
        "objects that the annotator deleted; not painted", "nothing"),
    (Kind::RepeatedPoints, "repeated-points", Note,
        "outlines with a point twice in a row", "nothing; they can be left out"),
    (Kind::ClosedOutline, "closed-outline", Note,
        "outlines that repeat the first point at the end", "nothing"),
    (Kind::ManyObjects, "many-objects", Note,
        "frames with far more objects than the others", "look whether objects are there twice"),
    (Kind::CrossingUndecided, "crossing-undecided", Note,
        "outlines too tangled to say whether they cross themselves", "draw them with fewer points"),
];

impl Kind {
    /// All kinds, the worst first.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The name in reports, such as `self-crossing`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// How bad it usually is. A deleted object's findings are notes, whatever they are.
    pub fn severity(self) -> Severity {
        self.row().2
    }

    /// What it is, in words.
    pub fn meaning(self) -> &'static str {
        self.row().3
    }

    /// What to do about it, in words.
    pub fn advice(self) -> &'static str {
        self.row().4
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_every_kind_is_told() {
        let mut names: Vec<_> = Kind::all().map(Kind::name).collect();
        for (at, kind) in Kind::all().enumerate() {
            assert_eq!(kind as usize, at, "{}", kind.name());
            assert!(!kind.meaning().is_empty() && !kind.advice().is_empty());
        }
        assert!(Kind::all().is_sorted_by_key(Kind::severity), "the worst first");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
        let documented = include_str!("../../../../docs/check.md");
        for kind in Kind::all() {
            let row = format!("| `{}` | {} |", kind.name(), kind.severity().name());
            assert!(documented.contains(&row), "docs/check.md lacks {row}");
        }
    }
}
