//! One finding: what it is, and the place in the file where it stands.

use std::fmt;

use super::kind::{Kind, Severity};
use crate::findings::Hint;

/// A finding of the label check.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Which frame it is of, as an index into [`Report::subjects`](super::Report::subjects).
    pub subject: usize,
    /// Which of the frame's two files it is in.
    pub file: FileOf,
    /// The place in an annotation, as a JSON pointer (RFC 6901) such as `/objects/3/polygon/0`;
    /// empty for the file as a whole.
    pub pointer: String,
    /// What was found.
    pub what: What,
    /// How bad it is.
    pub severity: Severity,
    /// Where in the frame, as left, top, right and bottom in pixels.
    pub area: Option<[f64; 4]>,
}

/// One of the two files of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileOf {
    /// The image.
    Image,
    /// The annotation.
    Annotation,
}

/// What was found; [`What::kind`] is its kind without the particulars, `Display` the words.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "Kind says what each is, and Display what the fields are")]
pub enum What {
    MissingAnnotation,
    MissingFrame { reason: String },
    UnreadableFrame { reason: String },
    UnreadableAnnotation { reason: String },
    NotANumber { reason: String },
    SizeMismatch { frame: (u32, u32), annotation: (u32, u32) },
    UnknownValue { value: u8, pixels: u64 },
    UnknownLabel { label: String, hint: Option<Hint> },
    FewPoints { points: usize },
    NotAPolygon { shape: String },
    ZeroArea,
    OutsideFrame,
    BeyondFrame { by: f64, point: usize },
    SelfCrossing { sides: (usize, usize) },
    HiddenObject { pixels: u64 },
    NoObjects,
    MostlyUnlabelled { percent: f64 },
    NearDuplicate { other: String, bits: u32 },
    DarkFrame { mean: f64 },
    BrightFrame { mean: f64 },
    Deleted,
    RepeatedPoints { points: usize },
    ClosedOutline,
    ManyObjects { objects: usize, median: usize },
    CrossingUndecided { points: usize },
}

impl Finding {
    /// What was found, in words.
    pub fn message(&self) -> String {
        let muted = self.severity > self.what.kind().severity();
        let deleted = muted && !matches!(self.what, What::NearDuplicate { .. });
        format!("{}{}", self.what, if deleted { "; the object is deleted" } else { "" })
    }
}

impl What {
    /// How bad it is among others of its kind: more is worse.
    pub(super) fn weight(&self) -> f64 {
        match self {
            Self::UnknownValue { pixels, .. } | Self::HiddenObject { pixels } => *pixels as f64,
            Self::BeyondFrame { by, .. } => *by,
            Self::MostlyUnlabelled { percent } => *percent,
            Self::NearDuplicate { bits, .. } => -f64::from(*bits),
            Self::DarkFrame { mean } => -mean,
            Self::BrightFrame { mean } => *mean,
            Self::RepeatedPoints { points } => *points as f64,
            Self::ManyObjects { objects, .. } => *objects as f64,
            _ => 0.0,
        }
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::MissingAnnotation => Kind::MissingAnnotation,
            Self::MissingFrame { .. } => Kind::MissingFrame,
            Self::UnreadableFrame { .. } => Kind::UnreadableFrame,
            Self::UnreadableAnnotation { .. } => Kind::UnreadableAnnotation,
            Self::NotANumber { .. } => Kind::NotANumber,
            Self::SizeMismatch { .. } => Kind::SizeMismatch,
            Self::UnknownValue { .. } => Kind::UnknownValue,
            Self::UnknownLabel { .. } => Kind::UnknownLabel,
            Self::FewPoints { .. } => Kind::FewPoints,
            Self::NotAPolygon { .. } => Kind::NotAPolygon,
            Self::ZeroArea => Kind::ZeroArea,
            Self::OutsideFrame => Kind::OutsideFrame,
            Self::BeyondFrame { .. } => Kind::BeyondFrame,
            Self::SelfCrossing { .. } => Kind::SelfCrossing,
            Self::HiddenObject { .. } => Kind::HiddenObject,
            Self::NoObjects => Kind::NoObjects,
            Self::MostlyUnlabelled { .. } => Kind::MostlyUnlabelled,
            Self::NearDuplicate { .. } => Kind::NearDuplicate,
            Self::DarkFrame { .. } => Kind::DarkFrame,
            Self::BrightFrame { .. } => Kind::BrightFrame,
            Self::Deleted => Kind::Deleted,
            Self::RepeatedPoints { .. } => Kind::RepeatedPoints,
            Self::ClosedOutline => Kind::ClosedOutline,
            Self::ManyObjects { .. } => Kind::ManyObjects,
            Self::CrossingUndecided { .. } => Kind::CrossingUndecided,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingAnnotation => write!(f, "has no annotation"),
            Self::UnreadableFrame { reason } | Self::UnreadableAnnotation { reason } => {
                write!(f, "cannot be used: {reason}")
            }
            Self::MissingFrame { reason } | Self::NotANumber { reason } => write!(f, "{reason}"),
            Self::SizeMismatch { frame: (w, h), annotation: (aw, ah) } => {
                write!(f, "is for {aw}x{ah} pixels, but its frame has {w}x{h}")
            }
            Self::UnknownValue { value, pixels } => {
                write!(f, "has the unknown value {value} in {pixels} pixels")
            }
            Self::UnknownLabel { label, hint } => {
                write!(f, "has the unknown label {label:?}")?;
                hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
            }
            Self::FewPoints { points } => write!(f, "has {points} points, fewer than 3"),
            Self::NotAPolygon { shape } => write!(f, "is no polygon but a {shape}"),
            Self::ZeroArea => write!(f, "encloses nothing"),
            Self::OutsideFrame => write!(f, "lies wholly outside of the frame"),
            Self::BeyondFrame { by, point } => {
                write!(f, "reaches {by:.1} pixels beyond the frame at point {point}")
            }
            Self::SelfCrossing { sides: (a, b) } => {
                write!(f, "crosses itself: the side from point {a} and that from point {b}")
            }
            Self::HiddenObject { pixels } => {
                write!(f, "is hidden: later objects cover all of its {pixels} pixels")
            }
            _ => self.of_frame(f),
        }
    }
}

impl What {
    /// The rest of the words: what concerns frames, and notes.
    fn of_frame(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoObjects => write!(f, "has no object to paint"),
            Self::MostlyUnlabelled { percent } => write!(f, "is to {percent:.0} % unlabelled"),
            Self::NearDuplicate { other, bits } => {
                write!(f, "looks like {other} ({bits} of 64 bits differ)")
            }
            Self::DarkFrame { mean } => write!(f, "is nearly black: its mean is {mean:.1} of 255"),
            Self::BrightFrame { mean } => {
                write!(f, "is nearly white: its mean is {mean:.1} of 255")
            }
            Self::Deleted => write!(f, "is deleted"),
            Self::RepeatedPoints { points } => {
                write!(f, "has {} equal to the one before", amount(*points as u64, "point"))
            }
            Self::ClosedOutline => write!(f, "repeats its first point at the end"),
            Self::ManyObjects { objects, median } => {
                write!(f, "has {objects} objects; half of the frames have at most {median}")
            }
            Self::CrossingUndecided { points } => {
                write!(f, "is too tangled, with {points} points, to look for crossings")
            }
            _ => Ok(()),
        }
    }
}

/// `1 frame`, `2 frames`.
pub(super) fn amount(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
