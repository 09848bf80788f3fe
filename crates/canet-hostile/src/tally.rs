//! What became of the cases of a corpus, counted.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What became of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Refused, with this message.
    Refused(String),
    /// Read, unpacked or downloaded, as it should be.
    Accepted,
}

/// The counts of one corpus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cases.
    pub tried: usize,
    /// Cases that were refused with an error.
    pub refused: usize,
    /// Cases that were accepted.
    pub accepted: usize,
    /// Cases that panicked.
    pub crashed: usize,
    /// Files that appeared where none should.
    pub outside: usize,
    /// The most memory that a case took, in bytes, if that was measured.
    pub peak: usize,
}

impl Tally {
    /// Tries a case; `None` is a panic, whose message has been printed by then.
    pub fn case(&mut self, work: impl FnOnce() -> Fate) -> Option<Fate> {
        self.tried += 1;
        let (fate, peak) = crate::peak::of(|| catch_unwind(AssertUnwindSafe(work)).ok());
        self.peak = self.peak.max(peak);
        match &fate {
            Some(Fate::Refused(_)) => self.refused += 1,
            Some(Fate::Accepted) => self.accepted += 1,
            None => self.crashed += 1,
        }
        fate
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tried, refused, accepted, crashed, outside, peak } = self;
        write!(
            f,
            "tried {tried}, refused {refused}, accepted {accepted}, crashed {crashed}, \
             written outside {outside}, at most {:.1} MB each",
            *peak as f64 / 1e6
        )
    }
}
