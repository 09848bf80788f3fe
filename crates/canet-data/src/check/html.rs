//! The report as one page: pictures of the worst, tables and small charts, in one file.
//!
//! The page is for whoever labels, perhaps on a phone. It holds no script and asks for nothing from
//! anywhere; all text from the data set goes through `escape`. Charts are plain boxes, so that they
//! get narrower with the page, and each has its figures in words for those who do not see it.

mod chart;
mod escape;
mod picture;

use std::fmt::Write;
use std::path::Path;

use super::finding::amount;
use super::kind::Severity;
use super::report::Report;
use escape::text;

/// How many findings of a kind, and how many unknown labels, the page lists; the JSON file has all.
const LISTED: usize = 25;

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">
<style>
";

/// The page. `root` is the raw folder, for the pictures.
pub fn page(report: &Report, root: &Path) -> String {
    let mut page = String::from(HEAD);
    page.push_str(include_str!("html/style.css"));
    let name = text(&report.dataset);
    write!(page, "</style>\n<title>Label check: {name}</title>\n</head>\n<body>\n<main>\n").ok();
    head(report, &mut page);
    kinds(report, &mut page);
    picture::gallery(report, root, &mut page);
    unknown_labels(report, &mut page);
    chart::balance(report, &mut page);
    if let Some(objects) = &report.objects {
        chart::histogram("Objects a frame", "objects", objects, &mut page);
    }
    if let Some(brightness) = &report.brightness {
        chart::histogram("Brightness of the frames", "of 255", brightness, &mut page);
    }
    findings(report, &mut page);
    page.push_str("</main>\n</body>\n</html>\n");
    page
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
    page.push_str("</tbody></table></div>\n</section>\n");
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
    page.push_str("</tbody></table></div>\n</section>\n");
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
    page.push_str("</tbody></table></div>\n</section>\n");
}

fn section(title: &str, page: &mut String) {
    writeln!(page, "<section><h2>{title}</h2>").ok();
}

/// Begins a table, in a box of its own to scroll in; whoever uses a keyboard can scroll it, too.
/// Columns of numbers begin with `#`.
fn table(columns: &[&str], page: &mut String) {
    page.push_str("<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>");
    for column in columns {
        let class = if column.starts_with('#') { " class=\"n\"" } else { "" };
        let column = column.trim_start_matches('#');
        write!(page, "<th scope=\"col\"{class}>{column}</th>").ok();
    }
    page.push_str("</tr></thead><tbody>\n");
}
