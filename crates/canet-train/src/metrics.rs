//! Scores from integer counts over a whole split.
//!
//! ```text
//! truth, prediction --> tally: a confusion matrix a drive, boundary pixels, the worst frames
//!                         |--> scores: class by class under the policy `strict`
//!                         |--> policy: the same matrices by other rules, at each of IDD's levels
//!                         '--> drives: 95 % intervals
//! probabilities -------> iou_score: the students' metric, which is no mIoU
//! ```
//!
//! `docs/scores.md` says what each number counts, and where the official programs differ.

mod boundary;
mod confusion;
mod drives;
#[cfg(test)]
mod goldens;
mod iou_score;
mod levels;
mod policy;
mod resolution;
mod scores;
mod tally;
mod worst;

pub use boundary::Boundary;
pub use confusion::{Confusion, Counts};
pub use drives::{Drives, RESAMPLES};
pub use iou_score::{IouScore, IouScores, IouTally};
pub use policy::{ClassIou, LevelScores, Policy, PolicyScores};
pub use resolution::Resolution;
pub use scores::{ClassScore, Scores, WorstFrame};
pub use tally::Tally;
pub use worst::{Scored, WORST, Worst};
