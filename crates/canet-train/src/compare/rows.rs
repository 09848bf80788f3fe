//! What is compared, as rows with a cell a run.

use std::collections::BTreeSet;

use canet_page::chart::number;

use super::Run;
use crate::report::with_interval;

/// Rows under a title.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// What they are about.
    pub title: &'static str,
    /// Names, each with a cell a run.
    pub rows: Vec<(String, Vec<String>)>,
}

/// Where a run does not tell.
const NONE: &str = "-";

/// All rows, in parts.
pub fn rows(runs: &[Run]) -> Vec<Rows> {
    vec![
        Rows { title: "Scores", rows: scores(runs) },
        Rows { title: "Configuration, where it differs", rows: config(runs) },
        Rows { title: "Data and cost", rows: cost(runs) },
        Rows { title: "IoU by class, at the best epoch", rows: classes(runs) },
    ]
}

/// A row whose cells `cell` makes.
fn row(name: &str, runs: &[Run], cell: impl Fn(&Run) -> String) -> (String, Vec<String>) {
    (name.to_owned(), runs.iter().map(cell).collect())
}

fn or_none<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| value.to_string())
}

fn score(value: f64) -> String {
    format!("{value:.4}")
}

fn scores(runs: &[Run]) -> Vec<(String, Vec<String>)> {
    vec![
        row("best mIoU", runs, |run| with_interval(&run.best().scores)),
        row("at epoch", runs, |run| run.best().epoch.to_string()),
        row("last mIoU", runs, |run| with_interval(&run.last().scores)),
        row("at epoch", runs, |run| format!("{} of {}", run.last().epoch, run.config.epochs)),
        row("best of the averaged weights", runs, |run| {
            let all = run.records.iter().filter_map(|record| Some(record.ema.as_ref()?.miou));
            or_none(all.reduce(f64::max).map(score))
        }),
        row("pixel accuracy (best epoch)", runs, |run| score(run.best().scores.pixel_accuracy)),
        row("frequency-weighted IoU", runs, |run| score(run.best().scores.frequency_weighted_iou)),
        row("boundary IoU", runs, |run| or_none(run.best().scores.mean_boundary_iou.map(score))),
        row("last loss", runs, |run| number(run.last().loss)),
    ]
}

/// The classes of all runs by name, in the order in which they first occur.
fn classes(runs: &[Run]) -> Vec<(String, Vec<String>)> {
    let iou = |run: &Run, class: &str| {
        let line = run.best().scores.classes.iter().find(|line| line.class == class)?;
        line.iou.map(score)
    };
    class_names(runs).iter().map(|class| row(class, runs, |run| or_none(iou(run, class)))).collect()
}

/// The classes of all runs, each once.
pub(super) fn class_names(runs: &[Run]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let all = runs.iter().flat_map(|run| &run.last().scores.classes).map(|line| line.class.clone());
    all.filter(|class| seen.insert(class.clone())).collect()
}

fn cost(runs: &[Run]) -> Vec<(String, Vec<String>)> {
    let about = |run: &Run, of: &dyn Fn(&crate::about::About) -> String| {
        or_none(run.about.as_ref().map(of))
    };
    vec![
        row("data set", runs, |run| about(run, &|a| a.dataset.clone())),
        row("data hash", runs, |run| about(run, &|a| a.data_hash.chars().take(12).collect())),
        row("training frames", runs, |run| about(run, &|a| a.train_frames.to_string())),
        row("parameters", runs, |run| about(run, &|a| a.parameters.to_string())),
        row("seconds a step (median)", runs, |run| or_none(seconds_a_step(run).map(number))),
        row("peak memory, MiB", runs, |run| {
            or_none(run.records.iter().filter_map(|record| record.peak_memory_mib).max())
        }),
        row("processes", runs, |run| about(run, &|a| a.sessions.len().to_string())),
        row("processor", runs, |run| {
            about(run, &|a| or_none(a.sessions.last().map(|session| &session.cpu)))
        }),
        row("threads", runs, |run| {
            about(run, &|a| or_none(a.sessions.last().map(|session| session.threads)))
        }),
    ]
}

/// The median over the epochs; of an even number the lower of the middle two.
fn seconds_a_step(run: &Run) -> Option<f64> {
    let mut all: Vec<f64> =
        run.records.iter().filter_map(|record| record.seconds_per_step).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len().saturating_sub(1) / 2).copied()
}

/// The keys that are not the same in all runs.
fn config(runs: &[Run]) -> Vec<(String, Vec<String>)> {
    let flat: Vec<_> = runs.iter().map(|run| run.config.flat()).collect();
    let keys: BTreeSet<&String> = flat.iter().flatten().map(|(key, _)| key).collect();
    let value = |of: &[(String, String)], key: &str| {
        or_none(of.iter().find(|(k, _)| k == key).map(|(_, value)| value))
    };
    keys.into_iter()
        .map(|key| (key.clone(), flat.iter().map(|of| value(of, key)).collect::<Vec<_>>()))
        .filter(|(_, cells)| cells.iter().any(|cell| *cell != cells[0]))
        .collect()
}
