//! Trains CANet on a prepared data set, and scores it.
//!
//! ```text
//! config ----> run: for each epoch
//!                loader --> step: forward, loss, backward, guard --> optim at the rate of schedule
//!                evaluate --> metrics: scores by class, interval, worst frames
//!                gallery: frame | truth | prediction
//!                record --> watch: metrics.jsonl, pictures/, tensorboard/ (events), report.html (report)
//!                state: checkpoints/{last,previous,best}.safetensors
//! ```
//!
//! [`plan::plan`] tries a few steps and tells what a run would need; `compare` puts runs side by side from what
//! they left.
//!
//! Start reading at [`run::train`]; `setup` is what comes before the first step. The same seed gives the same weights, bit for bit, for any number
//! of threads and however often a run is stopped and resumed.

#![forbid(unsafe_code)]

pub mod about;
mod average;
mod checkpoints;
pub mod class_weights;
pub mod cli;
pub mod compare;
pub mod config;
mod error;
pub mod evaluate;
pub mod evaluation;
pub mod events;
pub mod first_data;
mod gallery;
mod guard;
pub mod job;
pub mod loss;
pub mod memory;
pub mod metrics;
pub mod optim;
pub mod plan;
mod progress;
pub mod record;
mod report;
pub mod run;
mod run_folder;
mod schedule;
pub mod selftest;
mod setup;
mod start;
mod state;
mod step;
mod watch;
pub mod worst_frames;

pub use error::Error;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;
