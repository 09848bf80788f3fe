//! The report for a terminal: short, the worst first, and what to do next.

use std::fmt::Write;

use super::finding::{Finding, amount};
use super::kind::{Kind, Severity};
use super::report::Report;

/// How many unknown labels are told.
const LABELS: usize = 8;

/// The summary, several lines.
pub fn summary(report: &Report) -> String {
    let mut text = String::new();
    let drives = report.balance.drives.len();
    writeln!(
        text,
        "{}, label map {}: {}, {} that can be used",
        report.dataset,
        report.classes.name,
        amount(report.frames() as u64, "frame"),
        amount(drives as u64, "drive"),
    )
    .ok();
    let tally = |s: &Severity| amount(report.count(*s) as u64, s.name());
    let tally: Vec<_> = Severity::ALL.iter().map(tally).collect();
    writeln!(text, "{}", tally.join(", ")).ok();
    for (severity, kind, count) in report.kinds() {
        let severity = severity.name();
        writeln!(text, "\n{severity:<8} {:<22} {count:>7}  {}", kind.name(), kind.meaning()).ok();
        if let Some(finding) = report.worst_of(kind).first() {
            writeln!(text, "         such as {}", line(report, finding)).ok();
        }
    }
    labels(report, &mut text);
    figures(report, &mut text);
    writeln!(text, "\nnext: {}", next(report)).ok();
    text
}

/// A finding with its place, on one line.
pub(super) fn line(report: &Report, finding: &Finding) -> String {
    let space = if finding.pointer.is_empty() { "" } else { " " };
    let line = format!("{}{space}{}: {}", report.file(finding), finding.pointer, finding.message());
    // A file's name may hold what would steer the terminal.
    line.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn labels(report: &Report, text: &mut String) {
    let mut labels: Vec<_> = report.unknown_labels.iter().collect();
    labels.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    if !labels.is_empty() {
        writeln!(text, "\nunknown labels:").ok();
    }
    for (label, (count, hint)) in labels.iter().take(LABELS) {
        let hint = hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
        writeln!(text, "  {count:>7}  {label:?}{hint}").ok();
    }
    if labels.len() > LABELS {
        writeln!(text, "  and {} more", labels.len() - LABELS).ok();
    }
}

fn figures(report: &Report, text: &mut String) {
    writeln!(text).ok();
    if let Some(share) = report.unlabelled() {
        writeln!(text, "unlabelled       {share:.2} % of the pixels").ok();
    }
    if let Some(s) = &report.objects {
        writeln!(text, "objects a frame  median {}, {} to {}", s.median, s.min, s.max).ok();
    }
    if let Some(s) = &report.brightness {
        writeln!(text, "brightness       median {:.0}, {:.0} to {:.0}", s.median, s.min, s.max)
            .ok();
    }
    let absent = absent(report);
    if !absent.is_empty() {
        writeln!(text, "never seen       {}", absent.join(", ")).ok();
    }
    for (folder, frames) in &report.left_out {
        let frames = amount(*frames, "frame");
        writeln!(text, "not checked      {frames} of {folder:?}, no split with public labels").ok();
    }
}

/// The classes without a pixel.
fn absent(report: &Report) -> Vec<&str> {
    let balance = &report.balance;
    let seen = |id: &usize| balance.drives.iter().any(|drive| drive.pixels[*id] > 0);
    let absent = (0..balance.classes.len()).filter(|id| !seen(id));
    absent.map(|id| balance.classes[id].as_str()).collect()
}

/// What to do about the worst kind.
fn next(report: &Report) -> String {
    match report.kinds().first() {
        Some(&(Severity::Error | Severity::Warning, kind, _)) => {
            format!("{}: {}", kind.name(), Kind::advice(kind))
        }
        _ => "nothing needs to be put right".to_owned(),
    }
}
