//! `canet segment` as a whole program, with a small network of random weights.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod files;
mod hostile;
mod polygons;
mod video;
mod world;
