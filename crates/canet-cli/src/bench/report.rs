//! What a measurement tells.

use std::fmt;

use serde::Serialize;

use super::timing::Times;
use crate::escape::terminal;
use crate::units::{bytes, giga};

/// All of it. The JSON form is the program's `--json`.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) model: String,
    /// SHA-256 of the network's tensors.
    pub(crate) weights: String,
    pub(crate) device: String,
    pub(crate) instruction_set: &'static str,
    pub(crate) threads: usize,
    /// Height and width of the frame.
    pub(crate) size: [usize; 2],
    /// Reading the model and making it ready.
    pub(crate) load_ms: f64,
    /// The first frame, with the planning.
    pub(crate) first_frame_ms: f64,
    /// From RGB pixels to the mask.
    pub(crate) frame: Times,
    /// None on other devices than the CPU.
    pub(crate) network: Option<NetworkTimes>,
    /// If it was asked for.
    pub(crate) batch: Option<BatchTimes>,
    /// Bytes that a frame is planned to work in, beside the weights.
    pub(crate) planned_memory: usize,
    /// The most bytes that the process has held, loading the model among it; none where the system
    /// does not tell.
    pub(crate) peak_memory: Option<u64>,
}

/// The network alone.
#[derive(Serialize)]
pub(crate) struct NetworkTimes {
    /// Height and width of the picture that it sees.
    pub(crate) size: [usize; 2],
    #[serde(flatten)]
    pub(crate) times: Times,
    /// Multiply-adds of direct convolution.
    pub(crate) macs: u64,
    /// Twice as many operations, at the median.
    pub(crate) gflops: f64,
}

/// Several frames side by side.
#[derive(Serialize)]
pub(crate) struct BatchTimes {
    pub(crate) frames: usize,
    /// Of all frames together.
    #[serde(flatten)]
    pub(crate) times: Times,
    pub(crate) frames_per_second: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [h, w] = self.size;
        writeln!(f, "{}, weights {:.12}", terminal(&self.model), self.weights)?;
        let Self { device, instruction_set, threads, .. } = self;
        writeln!(f, "frames of {w}x{h} on {device}, {threads} threads, {instruction_set}\n")?;
        line(f, "model ready after", &format!("{:.1} ms", self.load_ms))?;
        line(f, "first frame", &format!("{:.1} ms", self.first_frame_ms))?;
        line(f, "RGB frame to mask", &times(&self.frame))?;
        match &self.network {
            Some(network) => {
                let [h, w] = network.size;
                line(f, &format!("network alone, {w}x{h}"), &times(&network.times))?;
                let macs = giga(network.macs);
                let gflops = network.gflops;
                line(f, "multiply-adds", &format!("{macs} G, {gflops:.1} GFLOP/s"))?;
            }
            None => line(f, "network alone", "not timed on this device")?,
        }
        if let Some(BatchTimes { frames, times: all, frames_per_second }) = &self.batch {
            line(f, &format!("{frames} frames together"), &times(all))?;
            line(f, "", &format!("{frames_per_second:.1} frames a second"))?;
        }
        let planned = bytes(self.planned_memory as u64);
        line(f, "planned memory", &format!("{planned} a frame, beside the weights"))?;
        let peak = self.peak_memory.map(bytes);
        line(f, "peak of the process", peak.as_deref().unwrap_or("not told by this system"))
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    writeln!(f, "  {name:<26}  {value}")
}

fn times(times: &Times) -> String {
    let Times { runs, median_ms, p95_ms, min_ms, per_second } = times;
    format!(
        "median {median_ms:.1} ms ({per_second:.1} a second), 95 % within {p95_ms:.1} ms, \
         least {min_ms:.1} ms, {runs} runs"
    )
}
