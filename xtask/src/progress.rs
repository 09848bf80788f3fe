//! What the user sees: lines, and a bar for what takes long.
//!
//! On a terminal the bar moves; anywhere else (a log, a pipe) it is a line at some tenths, and none at
//! all for what is quickly done.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Writes a line of output.
pub(crate) fn say(line: impl std::fmt::Display) {
    // Whoever reads may have heard enough: `| head` is no reason to stop, and none to panic.
    writeln!(std::io::stdout(), "{line}").ok();
}

/// Writes a line about how things go, apart from the output.
pub(crate) fn note(line: impl std::fmt::Display) {
    // A closed standard error is no reason to stop.
    writeln!(std::io::stderr(), "{line}").ok();
}

/// The unit of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes of a download or an archive.
    Bytes,
    /// Frames.
    Frames,
}

/// The least time between two lines of a plain bar.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// How far something is.
pub(crate) struct Bar {
    what: &'static str,
    unit: Unit,
    shown: ProgressBar,
    plain: bool,
    tenth: u64,
    last_line: Instant,
}

impl Bar {
    /// A bar of unknown length.
    pub(crate) fn new(what: &'static str, unit: Unit) -> Self {
        let plain = !std::io::stderr().is_terminal();
        let bar = if plain { ProgressBar::hidden() } else { ProgressBar::no_length() };
        let template = match unit {
            Unit::Bytes => "{msg} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            Unit::Frames => "{msg} [{wide_bar}] {pos}/{len} {per_sec} {eta}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what);
        Self { what, unit, shown: bar, plain, tenth: 0, last_line: Instant::now() }
    }

    /// Says how far it is; a `total` of 0 is unknown.
    pub(crate) fn set(&mut self, done: u64, total: u64) {
        if total > 0 {
            self.shown.set_length(total);
        }
        self.shown.set_position(done);
        let tenth = (done.min(total) * 10).checked_div(total).unwrap_or(0);
        if self.plain && tenth > self.tenth && self.last_line.elapsed() > LINE_EVERY {
            (self.tenth, self.last_line) = (tenth, Instant::now());
            let amount = |n: u64| match self.unit {
                Unit::Bytes => bytes(n),
                Unit::Frames => n.to_string(),
            };
            note(format!("{}: {} of {}", self.what, amount(done), amount(total)));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.shown.finish_and_clear();
    }
}

/// A size for people, such as `1.5 MiB`.
pub(crate) fn bytes(n: u64) -> String {
    indicatif::BinaryBytes(n).to_string()
}
