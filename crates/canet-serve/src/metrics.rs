//! Counters, in the text form that Prometheus reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use image::RgbImage;

use crate::{Reason, Route};

/// Upper ends of the histograms' buckets, in seconds.
const BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// How much a new time counts in the mean.
const NEWEST: f64 = 0.2;

/// What a request goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Decode,
    Queue,
    Network,
    Encode,
}

impl Stage {
    pub(crate) const ALL: [Self; 4] = [Self::Decode, Self::Queue, Self::Network, Self::Encode];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Queue => "queue",
            Self::Network => "network",
            Self::Encode => "encode",
        }
    }
}

/// What is true at the moment of asking.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) queued: usize,
    pub(crate) active: usize,
    pub(crate) connections: usize,
}

/// All counters of a server.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// By route, or none for other addresses, and status.
    requests: BTreeMap<(Option<Route>, u16), u64>,
    refusals: BTreeMap<Reason, u64>,
    stages: [Histogram; 4],
    pixels: u64,
    skipped: u64,
    left: u64,
    /// A mean of recent times in the network, in seconds.
    network: Option<f64>,
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    seconds: f64,
}

impl Metrics {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request was answered.
    pub(crate) fn answered(&self, route: Option<Route>, status: u16, reason: Option<Reason>) {
        let mut counts = self.counts();
        *counts.requests.entry((route, status)).or_default() += 1;
        if let Some(reason) = reason {
            *counts.refusals.entry(reason).or_default() += 1;
        }
    }

    /// A client went away before its answer.
    pub(crate) fn left(&self) {
        self.counts().left += 1;
    }

    /// A frame was not computed, because its client had gone.
    pub(crate) fn skipped(&self) {
        self.counts().skipped += 1;
    }

    /// A frame was computed.
    pub(crate) fn computed(&self, frame: &RgbImage, took: Duration) {
        let mut counts = self.counts();
        counts.pixels += u64::from(frame.width()) * u64::from(frame.height());
        let seconds = took.as_secs_f64();
        let mean = counts.network.map_or(seconds, |mean| mean + NEWEST * (seconds - mean));
        counts.network = Some(mean);
    }

    /// How long something took.
    pub(crate) fn took(&self, stage: Stage, time: Duration) {
        let mut counts = self.counts();
        let histogram = &mut counts.stages[stage as usize];
        let seconds = time.as_secs_f64();
        histogram.count += 1;
        histogram.seconds += seconds;
        for (count, end) in histogram.buckets.iter_mut().zip(BUCKETS) {
            *count += u64::from(seconds <= end);
        }
    }

    /// How long so many frames will take, going by recent ones; none without any.
    pub(crate) fn expected(&self, frames: usize, side_by_side: usize) -> Option<Duration> {
        let each = self.counts().network?;
        Duration::try_from_secs_f64(each * frames as f64 / side_by_side.max(1) as f64).ok()
    }

    /// The same in whole seconds from 1 to 60; a frame is taken for one if there was none yet.
    pub(crate) fn patience(&self, frames: usize, side_by_side: usize) -> u64 {
        let expected = self.expected(frames, side_by_side).map(|time| time.as_secs_f64());
        (expected.unwrap_or(frames as f64).ceil() as u64).clamp(1, 60)
    }

    /// All of it as text.
    pub(crate) fn to_text(&self, now: Now) -> String {
        let counts = self.counts();
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, lines: &[(String, String)]| {
            // Writing to a string cannot fail.
            _ = write!(text, "# HELP canet_{name} {help}\n# TYPE canet_{name} {kind}\n");
            for (labels, value) in lines {
                _ = writeln!(text, "canet_{labels} {value}");
            }
        };
        let one = |name: &str, value: u64| vec![(name.to_owned(), value.to_string())];
        let build = format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
        family("build_info", "gauge", "The version of this program.", &one(&build, 1));
        let requests = counts.requests.iter().map(|((route, status), count)| {
            let route = route.map_or("other", Route::path);
            (format!("requests_total{{route=\"{route}\",status=\"{status}\"}}"), count.to_string())
        });
        let requests: Vec<_> = requests.collect();
        family("requests_total", "counter", "Requests by route and status.", &requests);
        let refusals = counts.refusals.iter().map(|(reason, count)| {
            (format!("refusals_total{{reason=\"{}\"}}", reason.code()), count.to_string())
        });
        let refusals: Vec<_> = refusals.collect();
        family("refusals_total", "counter", "Requests that were refused.", &refusals);
        let stages: Vec<_> = Stage::ALL.into_iter().flat_map(|stage| counts.stage(stage)).collect();
        let help = "How long the parts of segmenting took.";
        family("stage_seconds", "histogram", help, &stages);
        for (name, kind, help, value) in [
            ("queue_length", "gauge", "Pictures that wait.", now.queued as u64),
            ("frames_in_flight", "gauge", "Pictures that are worked on.", now.active as u64),
            ("connections", "gauge", "Open connections.", now.connections as u64),
            ("pixels_total", "counter", "Pixels of all computed frames.", counts.pixels),
            ("frames_skipped_total", "counter", "Frames whose client had gone.", counts.skipped),
            ("clients_left_total", "counter", "Clients that went before the answer.", counts.left),
        ] {
            family(name, kind, help, &one(name, value));
        }
        text
    }
}

impl Counts {
    fn stage(&self, stage: Stage) -> Vec<(String, String)> {
        let (name, histogram) = (stage.name(), &self.stages[stage as usize]);
        let bucket = |end: &str, count: u64| {
            (format!("stage_seconds_bucket{{stage=\"{name}\",le=\"{end}\"}}"), count.to_string())
        };
        let ends = BUCKETS.iter().zip(histogram.buckets);
        let mut lines: Vec<_> = ends.map(|(end, count)| bucket(&end.to_string(), count)).collect();
        lines.push(bucket("+Inf", histogram.count));
        let sum = format!("stage_seconds_sum{{stage=\"{name}\"}}");
        lines.push((sum, histogram.seconds.to_string()));
        let count = format!("stage_seconds_count{{stage=\"{name}\"}}");
        lines.push((count, histogram.count.to_string()));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_what_recent_frames_took() {
        let metrics = Metrics::default();
        assert_eq!((metrics.patience(3, 1), metrics.expected(3, 1)), (3, None));
        let frame = RgbImage::new(3, 2);
        metrics.computed(&frame, Duration::from_millis(100));
        for (frames, side_by_side, expected) in [(1, 1, 1), (64, 1, 7), (64, 2, 4), (9999, 1, 60)] {
            assert_eq!(metrics.patience(frames, side_by_side), expected, "{frames}");
        }
        metrics.computed(&frame, Duration::from_millis(600));
        assert_eq!(metrics.patience(10, 1), 2);
    }

    #[test]
    fn the_text_has_every_family_and_adds_up() {
        let metrics = Metrics::default();
        metrics.answered(Some(Route::Segment), 200, None);
        metrics.answered(Some(Route::Segment), 200, None);
        metrics.answered(None, 404, Some(Reason::NotFound));
        metrics.took(Stage::Network, Duration::from_millis(30));
        metrics.took(Stage::Network, Duration::from_secs(100));
        metrics.computed(&RgbImage::new(30, 20), Duration::from_secs(1));
        let text = metrics.to_text(Now { queued: 4, active: 5, connections: 6 });
        for line in [
            "canet_requests_total{route=\"/v1/segment\",status=\"200\"} 2",
            "canet_requests_total{route=\"other\",status=\"404\"} 1",
            "canet_refusals_total{reason=\"not_found\"} 1",
            "canet_stage_seconds_bucket{stage=\"network\",le=\"0.025\"} 0",
            "canet_stage_seconds_bucket{stage=\"network\",le=\"0.05\"} 1",
            "canet_stage_seconds_bucket{stage=\"network\",le=\"30\"} 1",
            "canet_stage_seconds_bucket{stage=\"network\",le=\"+Inf\"} 2",
            "canet_stage_seconds_sum{stage=\"network\"} 100.03",
            "canet_stage_seconds_count{stage=\"decode\"} 0",
            "canet_queue_length 4",
            "canet_frames_in_flight 5",
            "canet_connections 6",
            "canet_pixels_total 600",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let families = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
        assert_eq!(families, 10);
    }
}
