//! Telling how far an epoch is: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::step::StepReport;

/// Without a terminal, a line is printed this often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of one epoch.
pub(crate) struct EpochProgress {
    bar: Option<ProgressBar>,
    title: String,
    steps: u64,
    frames_a_step: usize,
    start: Instant,
    first: u64,
    last_line: Instant,
}

impl EpochProgress {
    /// `first` steps of the epoch's `steps` were done in an earlier run.
    pub(crate) fn new(title: String, first: u64, steps: u64, frames_a_step: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} eta {eta}");
            let bar = ProgressBar::new(steps).with_position(first);
            bar.set_prefix(title.clone());
            match style {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        let start = Instant::now();
        Self { bar, title, steps, frames_a_step, start, first, last_line: start }
    }

    /// After step number `done` of the epoch.
    pub(crate) fn step(&mut self, done: u64, report: &StepReport) {
        let seconds = self.start.elapsed().as_secs_f64();
        let speed = (done - self.first) as f64 * self.frames_a_step as f64 / seconds.max(1e-9);
        let text = format!("loss {:.4} rate {:.2e} {speed:.1} images/s", report.loss, report.rate);
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(text);
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let eta = seconds / (done - self.first) as f64 * (self.steps - done) as f64;
            tracing::info!("{} step {done}/{} {text} eta {eta:.0} s", self.title, self.steps);
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

impl Drop for EpochProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
