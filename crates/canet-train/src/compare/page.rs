//! The comparison as a page, with the curves of all runs over each other.

use std::fmt::Write;

use canet_page::chart::{Chart, Line, legend};
use canet_page::escape::text;
use canet_page::{TABLE_END, section, table};

use super::Run;
use super::rows::{class_names, rows};
use crate::record::EpochRecord;
use crate::report::line;

/// Longer cells may take several lines.
const LONG: usize = 24;

/// The page.
pub fn page(runs: &[Run]) -> String {
    canet_page::page("Runs side by side", "", |page| {
        writeln!(page, "<header><h1>{} runs side by side</h1></header>", runs.len()).ok();
        curves(runs, page);
        for part in rows(runs).iter().filter(|part| !part.rows.is_empty()) {
            section(part.title, page);
            let names: Vec<String> =
                runs.iter().map(|run| format!("#{}", text(&run.name))).collect();
            let columns: Vec<&str> =
                [""].into_iter().chain(names.iter().map(String::as_str)).collect();
            table(&columns, page);
            for (name, cells) in &part.rows {
                write!(page, "<tr><th scope=\"row\">{}</th>", text(name)).ok();
                for cell in cells {
                    let class = if cell.chars().count() > LONG { "n words" } else { "n" };
                    write!(page, "<td class=\"{class}\">{}</td>", text(cell)).ok();
                }
                page.push_str("</tr>\n");
            }
            writeln!(page, "{TABLE_END}</section>").ok();
        }
        by_class(runs, page);
    })
}

/// A line a run.
fn lines<'a>(runs: &'a [Run], value: impl Fn(&EpochRecord) -> Option<f64>) -> Vec<Line<'a>> {
    let one =
        |(look, run): (usize, &'a Run)| Line { look, ..line(&run.name, &run.records, &value) };
    runs.iter().enumerate().map(one).collect()
}

fn curves(runs: &[Run], page: &mut String) {
    section("Curves", page);
    page.push_str("<div class=\"charts\">\n");
    for (title, lines) in [
        ("Validation mIoU", lines(runs, |record| Some(record.scores.miou))),
        ("Loss in training", lines(runs, |record| Some(record.loss))),
        ("Pixel accuracy", lines(runs, |record| Some(record.scores.pixel_accuracy))),
        ("Learning rate", lines(runs, |record| Some(record.rate))),
    ] {
        Chart { title, x: "epoch", range: None, small: false, lines }.draw(page);
    }
    page.push_str("</div>\n</section>\n");
}

fn by_class(runs: &[Run], page: &mut String) {
    section("IoU by class over time", page);
    legend(runs.iter().enumerate().map(|(look, run)| (look, run.name.as_str())), page);
    page.push_str("<div class=\"charts many\">\n");
    for class in class_names(runs) {
        let iou = |record: &EpochRecord| {
            record.scores.classes.iter().find(|line| line.class == class)?.iou
        };
        let (range, lines) = (Some((0.0, 1.0)), lines(runs, iou));
        Chart { title: &class, x: "epoch", range, small: true, lines }.draw(page);
    }
    page.push_str("</div>\n</section>\n");
}
