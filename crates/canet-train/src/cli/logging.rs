//! Where log lines go: to standard error, above the bars where it is a terminal, or to the dashboard.

use std::io::IsTerminal;

use tracing_indicatif::IndicatifLayer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use crate::progress::{self, BAR, Display};

/// Sets the log up. On a terminal, lines are printed above the bars and do not tear them; a
/// `dashboard` shows them as long as it is on.
pub(super) fn init(dashboard: bool) {
    #[cfg(feature = "tui")]
    if dashboard {
        use crate::watch::tui::{self, Lines};

        let lines = fmt::layer().with_target(false).without_time();
        let lines = lines.with_ansi(false).with_writer(|| Lines);
        registry().with(lines.with_filter(filter())).init();
        return progress::show(Display::Told(tui::tell));
    }
    // Without the feature, asking for one is an error, which is logged as any other.
    let _ = dashboard;
    let lines = fmt::layer().with_target(false).without_time();
    if !std::io::stderr().is_terminal() {
        let lines = lines.with_ansi(false).with_writer(std::io::stderr);
        return registry().with(lines.with_filter(filter())).init();
    }
    let bars = IndicatifLayer::new();
    let lines = lines.with_ansi(true).with_writer(bars.get_stderr_writer());
    let bars = bars.with_filter(filter_fn(|meta| meta.is_span() && meta.name() == BAR));
    registry().with(lines.with_filter(filter())).with(bars).init();
    progress::show(Display::Bars);
}

/// `RUST_LOG`, or all that users care about.
fn filter() -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"))
}
