//! Small charts out of boxes: classes by drive as stacked bars, figures of frames as histograms.

use std::fmt::Write;

use canet_core::ClassId;
use canet_page::escape::text;
use canet_page::{TABLE_END, section, table};

use super::super::finding::amount;
use super::super::report::Report;
use super::super::statistics::{Drive, Spread};

/// How many drives are drawn; the JSON file has all.
const DRIVES: usize = 30;

/// The classes: in all, then by drive.
pub(super) fn balance(report: &Report, page: &mut String) {
    let drives = &report.balance.drives;
    if drives.is_empty() {
        return;
    }
    section("Classes", page);
    classes(report, page);
    let mut most: Vec<&Drive> = drives.iter().collect();
    most.sort_by_key(|drive| std::cmp::Reverse(drive.frames));
    page.push_str("<h3>By drive</h3>\n<p>In the colours of the table.</p>\n");
    if most.len() > DRIVES {
        let all = most.len();
        writeln!(page, "<p>The {DRIVES} of {all} drives with most frames.</p>").ok();
    }
    page.push_str("<div class=\"bars\">\n");
    most.into_iter().take(DRIVES).for_each(|drive| bar(report, drive, page));
    page.push_str("</div>\n</section>\n");
}

/// The table of classes: their shares of all pixels, and in how many frames and drives they are.
fn classes(report: &Report, page: &mut String) {
    let drives = &report.balance.drives;
    let total: u64 = drives.iter().map(Drive::total).sum();
    table(&["Class", "#Pixels", "#Frames", "#Drives"], page);
    for (id, name) in report.balance.classes.iter().enumerate() {
        let sum = |of: &dyn Fn(&Drive) -> u64| drives.iter().map(of).sum::<u64>();
        let pixels = sum(&|drive| drive.pixels[id]);
        let frames = sum(&|drive| drive.frames_with[id]);
        let with = drives.iter().filter(|drive| drive.frames_with[id] > 0).count();
        let (name, share, key) = (text(name), share(pixels, total), key(report, id));
        writeln!(
            page,
            "<tr><th scope=\"row\">{key}{name}</th><td class=\"n\">{share}</td>\
             <td class=\"n\">{frames}</td><td class=\"n\">{with}</td></tr>"
        )
        .ok();
    }
    let void = drives.iter().map(|drive| drive.void_pixels).sum();
    let (key, share) = (key(report, 255), share(void, total));
    writeln!(
        page,
        "<tr><th scope=\"row\">{key}(void)</th><td class=\"n\">{share}</td><td></td><td></td></tr>"
    )
    .ok();
    page.push_str(TABLE_END);
}

/// The patch of a class's colour.
fn key(report: &Report, id: usize) -> String {
    let color = String::from(report.classes.color(ClassId(id as u8)));
    format!("<i class=\"key\" style=\"background:{color}\"></i>")
}

fn share(part: u64, of: u64) -> String {
    match 100.0 * part as f64 / of.max(1) as f64 {
        _ if part == 0 => "-".to_owned(),
        percent if percent < 0.01 => "&lt;0.01 %".to_owned(),
        percent => format!("{percent:.2} %"),
    }
}

/// One drive as a bar of its classes.
fn bar(report: &Report, drive: &Drive, page: &mut String) {
    let total = drive.total().max(1) as f64;
    let mut parts: Vec<_> = drive.pixels.iter().copied().enumerate().collect();
    parts.push((255, drive.void_pixels));
    parts.retain(|(_, pixels)| *pixels > 0);
    let mut words: Vec<_> = parts.clone();
    words.sort_by_key(|(_, pixels)| std::cmp::Reverse(*pixels));
    let word = |(id, pixels): &(usize, u64)| {
        let name = report.classes.class_name(ClassId(*id as u8));
        format!("{name} {:.1} %", 100.0 * *pixels as f64 / total)
    };
    let words = words.iter().take(5).map(word).collect::<Vec<_>>().join(", ");
    let split = drive.split.map_or(String::new(), |split| format!("{split}/"));
    let (name, words) = (text(drive.drive.as_str()), text(&words));
    let frames = amount(drive.frames, "frame");
    write!(
        page,
        "<div class=\"row\"><span>{split}{name}<small>{frames}</small></span>\
         <div class=\"bar\" role=\"img\" aria-label=\"{words}\" title=\"{words}\">"
    )
    .ok();
    for (id, pixels) in parts {
        let color = String::from(report.classes.color(ClassId(id as u8)));
        let width = 100.0 * pixels as f64 / total;
        write!(page, "<i style=\"width:{width:.3}%;background:{color}\"></i>").ok();
    }
    page.push_str("</div></div>\n");
}

/// A histogram, with its quartiles in words.
pub(super) fn histogram(title: &str, unit: &str, spread: &Spread, page: &mut String) {
    section(title, page);
    let Spread { min, lower_quartile, median, upper_quartile, max, bin, histogram } = spread;
    writeln!(
        page,
        "<p>Median {median:.0} {unit}; half of the frames from {lower_quartile:.0} to \
         {upper_quartile:.0}, all from {min:.0} to {max:.0}.</p>"
    )
    .ok();
    let highest = histogram.iter().copied().max().unwrap_or(1).max(1) as f64;
    page.push_str("<div class=\"histogram\">\n");
    for (place, &count) in histogram.iter().enumerate() {
        let from = place as f64 * bin;
        let (to, height) = (from + bin, 100.0 * count as f64 / highest);
        let frames = amount(count, "frame");
        let words = format!("{from:.0} to below {to:.0}: {frames}");
        writeln!(
            page,
            "<div class=\"column\" role=\"img\" aria-label=\"{words}\" title=\"{words}\">\
             <i style=\"height:{height:.1}%\"></i></div>"
        )
        .ok();
    }
    let end = histogram.len() as f64 * bin;
    writeln!(page, "</div>\n<div class=\"ends\"><span>0</span><span>{end:.0}</span></div>").ok();
    page.push_str("</section>\n");
}
