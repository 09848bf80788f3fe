//! Telling how far the work is: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Without a terminal, a line is printed this often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of an epoch or a validation.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    title: String,
    total: u64,
    first: u64,
    start: Instant,
    last_line: Instant,
}

impl Progress {
    /// `first` of `total` units were done before.
    pub(crate) fn new(title: &str, first: u64, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg}");
            let bar = ProgressBar::new(total).with_position(first);
            bar.set_prefix(title.to_owned());
            match style {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        let start = Instant::now();
        Self { bar, title: title.to_owned(), total, first, start, last_line: start }
    }

    /// After unit number `done`; `text` is made from the seconds that a unit takes, which are
    /// returned.
    pub(crate) fn at(&mut self, done: u64, text: impl FnOnce(f64) -> String) -> f64 {
        let seconds = self.start.elapsed().as_secs_f64() / (done - self.first).max(1) as f64;
        let eta = duration(seconds * self.total.saturating_sub(done) as f64);
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(format!("{} eta {eta}", text(seconds)));
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            tracing::info!("{} {done}/{} {} eta {eta}", self.title, self.total, text(seconds));
        }
        seconds
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Seconds in words.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
