//! What is told while frames are done: a line for each, or on a terminal one line that changes.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How far a run is.
pub(super) struct Progress {
    /// How many frames there are; unknown for a stream.
    total: Option<usize>,
    pub(super) done: usize,
    pub(super) broken: usize,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Nothing is done. `RUST_LOG=warn` silences the changing line as it does the others.
    pub(super) fn new(total: Option<usize>) -> Self {
        let changing = stderr().is_terminal() && tracing::enabled!(tracing::Level::INFO);
        Self { total, done: 0, broken: 0, bar: changing.then(|| bar(total)) }
    }

    /// A frame is done; `summary` says what is in it.
    pub(super) fn done(&mut self, name: &str, summary: &str) {
        let line = format!("{}: {summary}", self.next(name));
        self.done += 1;
        if let Some(bar) = &self.bar {
            // The subscriber writes what would move the cursor as numbers; the bar would not.
            bar.set_message(line.replace(char::is_control, "\u{fffd}"));
            bar.inc(1);
        } else {
            tracing::info!("{line}");
        }
    }

    /// A frame cannot be read.
    pub(super) fn broken(&mut self, name: &str, reason: &str) {
        let line = format!("{}: {reason}", self.next(name));
        self.broken += 1;
        let tell = || tracing::error!("{line}");
        if let Some(bar) = &self.bar {
            bar.suspend(tell);
            bar.inc(1);
        } else {
            tell();
        }
    }

    /// The frame that is told next, with its number where that is not its name.
    pub(super) fn next(&self, name: &str) -> String {
        let number = self.done + self.broken + 1;
        self.total.map_or_else(|| name.to_owned(), |total| format!("{number}/{total} {name}"))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            tracing::info!("{} frames segmented", self.done);
        }
    }
}

fn bar(total: Option<usize>) -> ProgressBar {
    let bar = match total {
        Some(total) => ProgressBar::new(total as u64),
        None => ProgressBar::new_spinner(),
    };
    let form = match total {
        Some(_) => "{bar:20} {per_sec:.2}, {eta} left  {wide_msg}",
        None => "{spinner} {pos} frames, {per_sec:.2}  {wide_msg}",
    };
    bar.set_style(ProgressStyle::with_template(form).expect("the templates above are well formed"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
