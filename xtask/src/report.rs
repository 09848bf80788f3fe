//! What a prepared folder holds, for people.

use std::fmt::Write;

use canet_data::layout::IN_NO_LIST;
use canet_data::manifest::{Manifest, SplitStatistics};

/// How many skipped files and how many findings are listed; the manifest has more.
const LISTED: usize = 20;

/// The table of classes: in each split, the share of the pixels and the number of frames.
pub(crate) fn statistics(manifest: &Manifest) -> String {
    let width = manifest.classes.classes.iter().map(|c| c.name.chars().count()).max();
    let width = width.unwrap_or(0).max("class".len());
    let mut table = format!("{:<width$}", "class");
    for (split, statistics) in &manifest.statistics {
        let frames = format!("of {}", statistics.frames);
        write!(table, "  {:>9} {frames:>9}", format!("{split} %")).ok();
    }
    for (id, class) in manifest.classes.classes.iter().enumerate() {
        write!(table, "\n{:<width$}", class.name).ok();
        for statistics in manifest.statistics.values() {
            let (pixels, frames) =
                statistics.classes.get(id).map_or((0, 0), |class| (class.pixels, class.frames));
            write!(table, "  {} {frames:>9}", share(pixels, statistics)).ok();
        }
    }
    write!(table, "\n{:<width$}", "(void)").ok();
    for statistics in manifest.statistics.values() {
        write!(table, "  {} {:>9}", share(statistics.void_pixels, statistics), "").ok();
    }
    table.push('\n');
    table
}

/// A percentage of all pixels; what is there but rounds to nothing is not shown as nothing.
fn share(pixels: u64, of: &SplitStatistics) -> String {
    let percent = 100.0 * pixels as f64 / of.pixels.max(1) as f64;
    match pixels {
        0 => format!("{:>9}", "-"),
        _ if percent < 0.01 => format!("{:>9}", "<0.01"),
        _ => format!("{percent:>9.2}"),
    }
}

/// What could not be used or was left out, a line each.
pub(crate) fn faults(manifest: &Manifest) -> Vec<String> {
    let mut lines = Vec::new();
    for (split, frames) in &manifest.left_out {
        lines.push(if split == IN_NO_LIST {
            format!("{frames} frames are left out: no list of a split names them")
        } else {
            format!("{frames} frames of {split:?} are left out: it is no split with public labels")
        });
    }
    let findings = &manifest.findings;
    for (count, what) in [
        (findings.deleted, "marked as deleted"),
        (findings.few_points, "of fewer than 3 points"),
        (findings.not_polygons, "that are no polygons"),
    ] {
        if count > 0 {
            lines.push(format!("{count} objects {what} are not painted"));
        }
    }
    for (label, count) in &findings.unknown_labels {
        lines
            .push(format!("{count} objects have the label {label:?}, which the map does not know"));
    }
    let findings = manifest.listed_findings.iter().map(|l| format!("{}: {}", l.path, l.finding));
    list("the first of these objects:", findings, &mut lines);
    let skipped = manifest.skipped.iter().map(|s| format!("{}: {}", s.path, s.reason));
    list(&format!("{} files could not be used:", skipped.len()), skipped, &mut lines);
    lines
}

/// Adds a list below its heading, up to a point; an empty one is left out.
fn list(heading: &str, items: impl ExactSizeIterator<Item = String>, lines: &mut Vec<String>) {
    let more = items.len().saturating_sub(LISTED);
    if items.len() > 0 {
        lines.push(heading.to_owned());
    }
    lines.extend(items.take(LISTED).map(|item| format!("  {item}")));
    if more > 0 {
        lines.push(format!("  and {more} more, listed in manifest.json"));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use canet_core::LabelMap;
    use canet_data::findings::{FindingCounts, ListedFinding};
    use canet_data::manifest::Skipped;
    use canet_data::split::Split;

    use super::*;

    fn manifest() -> Manifest {
        let classes = LabelMap::builtin("idd-lite-7").unwrap().classes().clone();
        let mut train = SplitStatistics::of(&classes);
        train.add(&BTreeMap::from([(0, 750), (6, 200), (255, 50)]));
        let mut val = SplitStatistics::of(&classes);
        val.add(&BTreeMap::from([(0, 99_999), (1, 1)]));
        let skip = |i| Skipped { path: format!("a/{i}.jpg"), reason: "is cut".into() };
        Manifest {
            format: 1,
            dataset: "test".into(),
            classes,
            rule: "label-images".into(),
            resize: None,
            shards: Vec::new(),
            official_splits: true,
            seed: 0,
            val_share: 0.2,
            hash: String::new(),
            splits: BTreeMap::new(),
            statistics: BTreeMap::from([(Split::Train, train), (Split::Val, val)]),
            findings: FindingCounts {
                deleted: 3,
                few_points: 0,
                not_polygons: 0,
                unknown_labels: BTreeMap::from([("raod".into(), 2)]),
            },
            listed_findings: vec![ListedFinding {
                path: "m/1.json".into(),
                finding: "objects[3] has the unknown label \"raod\"".into(),
            }],
            skipped: (0..25).map(skip).collect(),
            left_out: BTreeMap::from([("test".into(), 404)]),
        }
    }

    #[test]
    fn the_table_has_a_line_for_each_class_and_void() {
        let table = statistics(&manifest());
        let lines: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines.len(), 1 + 7 + 1);
        assert_eq!(lines[0], ["class", "train", "%", "of", "1", "val", "%", "of", "1"]);
        assert_eq!(lines[1][1..], ["75.00", "1", "100.00", "1"]);
        assert_eq!(lines[2][1..], ["-", "0", "<0.01", "1"], "{table}");
        assert_eq!(lines[8], ["(void)", "5.00", "-"]);
    }

    #[test]
    fn faults_are_listed_up_to_a_point() {
        let lines = faults(&manifest());
        let text = lines.join("\n");
        for needle in [
            "404 frames of \"test\"",
            "3 objects marked",
            "2 objects have the label \"raod\"",
            "  m/1.json: objects[3] has the unknown label \"raod\"",
            "25 files",
            "a/19.jpg: is cut",
            "and 5 more",
        ] {
            assert!(text.contains(needle), "{needle}: {text}");
        }
        assert!(!text.contains("a/20.jpg") && !text.contains("fewer than 3"));
    }
}
