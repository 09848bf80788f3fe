//! The report as one page: pictures of the worst, tables and small charts, in one file.
//!
//! The page is for whoever labels, perhaps on a phone; [`canet_page`] is its frame. All text from the data set
//! goes through `escape`. Charts are plain boxes, so that they get narrower with the page, and each has
//! its figures in words for those who do not see it.

mod chart;
mod picture;

use std::fmt::Write;
use std::path::Path;

use canet_page::escape::text;
use canet_page::{TABLE_END, section, table};

use super::finding::amount;
use super::kind::Severity;
use super::report::Report;

/// How many findings of a kind, and how many unknown labels, the page lists; the JSON file has all.
const LISTED: usize = 25;

/// The page. `root` is the raw folder, for the pictures.
pub fn page(report: &Report, root: &Path) -> String {
    let title = format!("Label check: {}", report.dataset);
    canet_page::page(&title, include_str!("html/style.css"), |page| {
        head(report, page);
        kinds(report, page);
        picture::gallery(report, root, page);
        unknown_labels(report, page);
        chart::balance(report, page);
        if let Some(objects) = &report.objects {
            chart::histogram("Objects a frame", "objects", objects, page);
        }
        if let Some(brightness) = &report.brightness {
            chart::histogram("Brightness of the frames", "of 255", brightness, page);
        }
        findings(report, page);
    })
}

fn head(report: &Report, page: &mut String) {
    let name = text(&report.dataset);
    let map = text(&report.classes.name);
    let frames = amount(report.frames() as u64, "frame");
    let drives = amount(report.balance.drives.len() as u64, "drive");
    writeln!(page, "<header><h1>Label check: {name}</h1>").ok();
    write!(page, "<p>{frames}, {drives} that can be used; label map {map}").ok();
    if let Some(share) = report.unlabelled() {
        write!(page, "; {share:.2} % of the pixels are unlabelled").ok();
    }
    page.push_str(".</p>\n<ul class=\"tiles\">\n");
    for severity in Severity::ALL {
        let (class, count) = (severity.name(), report.count(severity));
        let what = amount(count as u64, class);
        let what = what.trim_start_matches(|c: char| c.is_ascii_digit());
        writeln!(page, "<li class=\"{class}\"><b>{count}</b>{what}</li>").ok();
    }
    page.push_str("</ul></header>\n");
}

fn kinds(report: &Report, page: &mut String) {
    section("What was found", page);
    let kinds = report.kinds();
    if kinds.is_empty() {
        page.push_str("<p>Nothing at all.</p>\n</section>\n");
        return;
    }
    table(&["Kind", "How bad", "#Count", "What to do"], page);
    for (severity, kind, count) in kinds {
        let (name, bad) = (kind.name(), severity.name());
        let (meaning, advice) = (kind.meaning(), kind.advice());
        writeln!(
            page,
            "<tr><th scope=\"row\" class=\"words\">{name}<small>{meaning}</small></th><td><span class=\"tag {bad}\">{bad}</span></td>\
             <td class=\"n\">{count}</td><td class=\"words\">{advice}</td></tr>"
        )
        .ok();
    }
    writeln!(page, "{TABLE_END}</section>").ok();
}

fn unknown_labels(report: &Report, page: &mut String) {
    if report.unknown_labels.is_empty() {
        return;
    }
    section("Unknown labels", page);
    table(&["Label", "#Objects", "What it may be"], page);
    for (label, (count, hint)) in report.unknown_labels.iter().take(LISTED) {
        let hint = hint.as_ref().map(ToString::to_string).unwrap_or_default();
        let (label, hint) = (text(label), text(&hint));
        writeln!(page, "<tr><th scope=\"row\"><code>{label}</code></th><td class=\"n\">{count}</td><td>{hint}</td></tr>").ok();
    }
    writeln!(page, "{TABLE_END}</section>").ok();
}

/// The worst of each kind, one by one.
fn findings(report: &Report, page: &mut String) {
    if report.findings.is_empty() {
        return;
    }
    section("Findings one by one", page);
    writeln!(page, "<p>At most {LISTED} of a kind; the JSON report has them all.</p>").ok();
    table(&["Kind", "File", "Place", "What"], page);
    for (_, kind, _) in report.kinds() {
        for finding in report.worst_of(kind).into_iter().take(LISTED) {
            let (file, pointer) = (text(report.file(finding)), text(&finding.pointer));
            let (bad, name, message) = (finding.severity.name(), kind.name(), finding.message());
            let message = text(&message);
            writeln!(
                page,
                "<tr><td><span class=\"tag {bad}\">{name}</span></td><td><code>{file}</code></td>\
                 <td><code>{pointer}</code></td><td class=\"words\">{message}</td></tr>"
            )
            .ok();
        }
    }
    writeln!(page, "{TABLE_END}</section>").ok();
}
