//! What the corpora share.

use std::time::{Duration, Instant};

/// How long `work` kept a processor busy: time that others took does not count, where the system
/// tells.
pub(crate) fn busy<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let spent = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
    };
    let (before, begin) = (spent(), Instant::now());
    let result = work();
    let time =
        before.zip(spent()).map_or(begin.elapsed(), |(before, after)| after.saturating_sub(before));
    (result, time)
}
