//! Hostile input: what the tests and the fuzz targets share, and nothing that a program uses.
//!
//! [`bodies`] says what must hold for any bytes at all, once for each kind of input; the fuzz targets
//! in `fuzz/` call it with what libFuzzer finds, and `tests/fuzzed.rs` with seeded mutations, on the
//! stable compiler. The other tests here are corpora: tables of crafted files, each with what must
//! become of it. [`Tally`] counts, so that a corpus that has become empty is noticed.

pub mod bodies;
mod mutate;
pub mod peak;
mod tally;

pub use mutate::Mutator;
pub use tally::{Fate, Tally};

use std::path::Path;

use tempfile::TempDir;

/// A temporary folder, in memory where the system has a place for that: thousands are made.
///
/// # Panics
/// If there is no room for one.
pub fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("room for a temporary folder")
}
