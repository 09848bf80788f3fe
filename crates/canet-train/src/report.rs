//! A run as one page: how it learns, what it gets right and wrong, what it was made with.
//!
//! [`canet_page`] is the frame and draws. The page is made of records alone, so that a run which was
//! resumed tells of all its epochs.

use std::fmt::Write;

use canet_core::ClassSet;
use canet_page::escape::{base64, text};
use canet_page::{TABLE_END, anchored, table};

use crate::about::About;
use crate::config::Config;
use crate::metrics::Scores;
use crate::record::EpochRecord;

mod curves;
mod scores;

pub(crate) use curves::line;

/// What a page is made of.
pub(crate) struct Material<'a> {
    /// The run's name.
    pub(crate) name: &'a str,
    pub(crate) config: &'a Config,
    pub(crate) about: &'a About,
    pub(crate) classes: &'a ClassSet,
    /// The validated epochs, in order.
    pub(crate) records: &'a [EpochRecord],
    /// Strips of frame | truth | prediction: their size, and the JPEG.
    pub(crate) sheet: Option<((u32, u32), &'a [u8])>,
}

/// The sections that links lead to.
const SECTIONS: [(&str, &str); 8] = [
    ("curves", "Curves"),
    ("classes", "Classes"),
    ("by-class", "IoU by class over time"),
    ("confusion", "Confusion"),
    ("frames", "Frames"),
    ("worst", "Worst frames"),
    ("config", "Configuration"),
    ("environment", "Environment"),
];

/// The page; without a record there is nothing on it but what the run was made with.
pub(crate) fn page(material: &Material) -> String {
    let title = format!("Run: {}", material.name);
    let mut body = String::new();
    if let Some(last) = material.records.last() {
        curves::curves(material.records, &mut body);
        scores::classes(&last.scores, material.classes, &mut body);
        curves::by_class(material.records, &mut body);
        scores::confusion(&last.scores, &mut body);
        frames(material, &mut body);
        scores::worst(&last.scores, &mut body);
    }
    config(material, &mut body);
    environment(material.about, &mut body);
    canet_page::page(&title, "", |page| {
        head(material, page);
        links(&body, page);
        page.push_str(&body);
    })
}

/// The best of some epochs by mIoU; of equals the first.
pub(crate) fn best(records: &[EpochRecord]) -> Option<&EpochRecord> {
    let better =
        |best: &'_ EpochRecord, record: &'_ EpochRecord| record.scores.miou > best.scores.miou;
    records.iter().reduce(|best, record| if better(best, record) { record } else { best })
}

/// A score with four digits, and its interval if there is one.
pub(crate) fn with_interval(scores: &Scores) -> String {
    match scores.interval {
        Some([low, high]) => format!("{:.4} ({low:.3} to {high:.3})", scores.miou),
        None => format!("{:.4}", scores.miou),
    }
}

fn head(material: &Material, page: &mut String) {
    let Material { name, config, about, classes, records, .. } = material;
    let (dataset, map) = (text(&about.dataset), text(&about.label_map));
    let epoch = records.last().map_or(0, |last| last.epoch);
    writeln!(page, "<header><h1>Run: {}</h1>", text(name)).ok();
    writeln!(
        page,
        "<p>{dataset}: {} training and {} validation frames, {} classes of {map}; {} parameters; \
         epoch {epoch} of {}.</p>",
        about.train_frames,
        about.val_frames,
        classes.len(),
        about.parameters,
        config.epochs
    )
    .ok();
    if let (Some(best), Some(last)) = (best(records), records.last()) {
        page.push_str("<ul class=\"tiles many note\">\n");
        let interval = last.scores.interval.map_or("last mIoU".to_owned(), |[low, high]| {
            format!("last mIoU; 95 % from {low:.3} to {high:.3}")
        });
        let averaged = records.iter().filter_map(|r| Some((r.ema.as_ref()?.miou, r.epoch)));
        let averaged = averaged.reduce(|best, new| if new.0 > best.0 { new } else { best });
        let averaged =
            averaged.map(|(miou, epoch)| (miou, format!("of the averaged weights, epoch {epoch}")));
        let tiles = [
            Some((best.scores.miou, format!("best mIoU, epoch {}", best.epoch))),
            averaged,
            Some((last.scores.miou, interval)),
            Some((last.scores.pixel_accuracy, "pixel accuracy".to_owned())),
            Some((last.loss, "loss".to_owned())),
        ];
        for (value, what) in tiles.into_iter().flatten() {
            writeln!(page, "<li><b>{value:.4}</b>{what}</li>").ok();
        }
        page.push_str("</ul>\n");
    }
    page.push_str("</header>\n");
}

/// Links to the sections that there are.
fn links(body: &str, page: &mut String) {
    page.push_str("<nav aria-label=\"Sections\">");
    for (id, title) in SECTIONS {
        if body.contains(&format!("<section id=\"{id}\">")) {
            write!(page, "<a href=\"#{id}\">{title}</a>").ok();
        }
    }
    page.push_str("</nav>\n");
}

/// The sheet of strips.
fn frames(material: &Material, page: &mut String) {
    let Some(((width, height), jpeg)) = material.sheet else { return };
    anchored("frames", "Frames", page);
    let jpeg = base64(jpeg);
    writeln!(
        page,
        "<p>Frame, truth and prediction of some validation frames after this epoch.</p>\n\
         <img alt=\"Strips of frame, truth and prediction\" width=\"{width}\" height=\"{height}\" \
         src=\"data:image/jpeg;base64,{jpeg}\">\n</section>"
    )
    .ok();
}

fn config(material: &Material, page: &mut String) {
    anchored("config", "Configuration", page);
    page.push_str("<div class=\"scroll\" tabindex=\"0\"><pre>");
    for line in toml::to_string(material.config).unwrap_or_default().lines() {
        writeln!(page, "{}", text(line)).ok();
    }
    page.push_str("</pre></div>\n</section>\n");
}

fn environment(about: &About, page: &mut String) {
    anchored("environment", "Environment", page);
    let hash = text(&about.data_hash);
    writeln!(page, "<p>Content hash of the data: <code>{hash}</code></p>").ok();
    table(
        &[
            "Started",
            "#After step",
            "Version",
            "Device",
            "#Cores",
            "#Threads",
            "Processor",
            "System",
        ],
        page,
    );
    for session in &about.sessions {
        let [started, version, device, cpu, os] =
            [&session.started, &session.version, &session.device, &session.cpu, &session.os]
                .map(|value| text(value));
        let (step, cores, threads) = (session.after_step, session.cores, session.threads);
        writeln!(
            page,
            "<tr><th scope=\"row\" class=\"name\">{started}</th><td class=\"n\">{step}</td><td>{version}</td>\
             <td>{device}</td><td class=\"n\">{cores}</td><td class=\"n\">{threads}</td>\
             <td class=\"words\">{cpu}</td><td class=\"words\">{os}</td></tr>"
        )
        .ok();
    }
    writeln!(page, "{TABLE_END}</section>").ok();
}

#[cfg(test)]
pub(crate) mod tests;
