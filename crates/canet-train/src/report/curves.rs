//! What changes from epoch to epoch, as lines, and as a table for those who want the figures.

use std::fmt::Write;

use canet_page::chart::{Chart, Line, number};
use canet_page::{TABLE_END, anchored, table};

use super::with_interval;
use crate::record::EpochRecord;

/// Loss, scores and learning rate.
pub(super) fn curves(records: &[EpochRecord], page: &mut String) {
    anchored("curves", "Curves", page);
    page.push_str("<div class=\"charts\">\n");
    let mut miou = line("mIoU", records, |record| Some(record.scores.miou));
    miou.band = records
        .iter()
        .filter_map(|r| r.scores.interval.map(|[low, high]| (f64::from(r.epoch), low, high)))
        .collect();
    let title = match miou.band.as_slice() {
        [] => "Validation mIoU",
        _ => "Validation mIoU, with its 95 % interval",
    };
    let mut mious = vec![miou];
    if records.iter().any(|record| record.ema.is_some()) {
        let of = |record: &EpochRecord| record.ema.as_ref().map(|scores| scores.miou);
        mious.push(Line { look: 1, ..line("average of the weights", records, of) });
    }
    for (title, lines) in [
        ("Loss in training", vec![line("loss", records, |record| Some(record.loss))]),
        (title, mious),
        ("Pixel accuracy", vec![line("accuracy", records, |r| Some(r.scores.pixel_accuracy))]),
        ("Learning rate", vec![line("rate", records, |record| Some(record.rate))]),
    ] {
        Chart { title, x: "epoch", range: None, small: false, lines }.draw(page);
    }
    page.push_str("</div>\n<details><summary>Figures of all epochs</summary>\n");
    figures(records, page);
    page.push_str("</details>\n</section>\n");
}

/// A small chart a class.
pub(super) fn by_class(records: &[EpochRecord], page: &mut String) {
    let Some(last) = records.last() else { return };
    anchored("by-class", "IoU by class over time", page);
    page.push_str("<div class=\"charts many\">\n");
    for (id, class) in last.scores.classes.iter().enumerate() {
        let of = |record: &EpochRecord| record.scores.classes.get(id).and_then(|line| line.iou);
        let lines = vec![line("IoU", records, of)];
        let range = Some((0.0, 1.0));
        Chart { title: &class.class, x: "epoch", range, small: true, lines }.draw(page);
    }
    page.push_str("</div>\n</section>\n");
}

/// A line of one value an epoch.
pub(crate) fn line<'a>(
    name: &'a str,
    records: &[EpochRecord],
    value: impl Fn(&EpochRecord) -> Option<f64>,
) -> Line<'a> {
    let points = records.iter().map(|record| (f64::from(record.epoch), value(record))).collect();
    Line { name, points, ..Line::default() }
}

fn figures(records: &[EpochRecord], page: &mut String) {
    let columns = [
        "#Epoch",
        "#Step",
        "#Loss",
        "#Rate",
        "#mIoU",
        "#Pixel accuracy",
        "#Seconds a step",
        "#Validation, s",
        "#Memory, MiB",
    ];
    table(&columns, page);
    for record in records {
        let memory = record.peak_memory_mib.map_or("-".to_owned(), |mib| mib.to_string());
        let seconds = record.seconds_per_step.map_or("-".to_owned(), number);
        page.push_str("<tr>");
        for cell in [
            record.epoch.to_string(),
            record.step.to_string(),
            number(record.loss),
            number(record.rate),
            with_interval(&record.scores),
            format!("{:.4}", record.scores.pixel_accuracy),
            seconds,
            number(record.validation_seconds),
            memory,
        ] {
            write!(page, "<td class=\"n\">{cell}</td>").ok();
        }
        page.push_str("</tr>\n");
    }
    page.push_str(TABLE_END);
}
