//! Telling how far the work is: a bar on a terminal, a line now and then elsewhere, or a dashboard.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tracing::Span;
use tracing_indicatif::span_ext::IndicatifSpanExt;
use tracing_indicatif::style::ProgressStyle;

/// Without a terminal, a line is printed this often.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// The name of the spans that are shown as bars.
pub(crate) const BAR: &str = "progress";

/// How a program shows progress.
pub(crate) enum Display {
    /// A bar for each span named [`BAR`], which the log's subscriber draws.
    Bars,
    /// Somebody else shows it.
    #[cfg(feature = "tui")]
    Told(fn(Now)),
}

/// Set once, before the first work; unset, lines are logged.
static DISPLAY: OnceLock<Display> = OnceLock::new();

/// Says how progress is shown from now on. Only the first call counts.
pub(crate) fn show(display: Display) {
    // A second display would be a second program in this process; the first one's is kept.
    let _ = DISPLAY.set(display);
}

/// How far a piece of work is.
#[cfg(feature = "tui")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Now {
    /// What is done.
    pub(crate) title: String,
    /// Units done, of how many.
    pub(crate) done: u64,
    pub(crate) total: u64,
    /// Speed and the like, and when it will be done.
    pub(crate) text: String,
}

/// The progress of an epoch or a validation.
pub(crate) struct Progress {
    /// Shown as a bar while it lives.
    bar: Option<Span>,
    title: String,
    total: u64,
    first: u64,
    start: Instant,
    last_line: Instant,
}

impl Progress {
    /// `first` of `total` units were done before.
    pub(crate) fn new(title: &str, first: u64, total: u64) -> Self {
        let bar = matches!(DISPLAY.get(), Some(Display::Bars)).then(|| bar(title, first, total));
        let start = Instant::now();
        Self { bar, title: title.to_owned(), total, first, start, last_line: start }
    }

    /// After unit number `done`; `text` is made from the seconds that a unit takes, which are
    /// returned.
    pub(crate) fn at(&mut self, done: u64, text: impl FnOnce(f64) -> String) -> f64 {
        let seconds = self.start.elapsed().as_secs_f64() / (done - self.first).max(1) as f64;
        let eta = duration(seconds * self.total.saturating_sub(done) as f64);
        match DISPLAY.get() {
            #[cfg(feature = "tui")]
            Some(Display::Told(tell)) => tell(Now {
                title: self.title.clone(),
                done,
                total: self.total,
                text: format!("{} eta {eta}", text(seconds)),
            }),
            _ => {
                if let Some(bar) = &self.bar {
                    bar.pb_set_position(done);
                    bar.pb_set_message(&format!("{} eta {eta}", text(seconds)));
                } else if self.last_line.elapsed() >= LINE_EVERY {
                    self.last_line = Instant::now();
                    tracing::info!(
                        "{} {done}/{} {} eta {eta}",
                        self.title,
                        self.total,
                        text(seconds)
                    );
                }
            }
        }
        seconds
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

/// A span that is drawn as a bar until it is dropped. Nothing is ever logged within it.
fn bar(title: &str, first: u64, total: u64) -> Span {
    let span = tracing::info_span!(BAR);
    // The title may hold anything, and a template gives braces a meaning.
    let title = title.replace('{', "{{").replace('}', "}}");
    if let Ok(style) =
        ProgressStyle::with_template(&format!("{title} {{wide_bar}} {{pos}}/{{len}} {{msg}}"))
    {
        span.pb_set_style(&style);
    }
    span.pb_set_length(total);
    span.pb_set_position(first);
    span.pb_start();
    span
}

/// Seconds in words.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
