use canet_core::{Class, Rgb};

use super::*;
use crate::about::Session;
use crate::metrics::{ClassScore, Scores, WorstFrame};

/// The scores of three classes, the last of which is nowhere.
pub(crate) fn scores(miou: f64) -> Scores {
    let class = |name: &str, iou: Option<f64>| ClassScore {
        class: name.into(),
        iou,
        recall: iou,
        precision: iou,
        dice: iou,
        boundary_iou: None,
        pixels: iou.map_or(0, |_| 50),
    };
    Scores {
        miou,
        pixel_accuracy: 0.75,
        frames: 2,
        classes: vec![class("road", Some(miou)), class("<b>&\"'", Some(0.5)), class("sky", None)],
        frequency_weighted_iou: 0.4,
        mean_dice: 0.6,
        mean_boundary_iou: None,
        interval: Some([0.1, 0.9]),
        confusion: vec![vec![40, 10, 0], vec![25, 25, 0], vec![0, 0, 0]],
        worst: vec![WorstFrame { frame: "a/<i>.png".into(), drive: "7".into(), miou: 0.25 }],
    }
}

pub(crate) fn record(epoch: u32, miou: f64) -> EpochRecord {
    EpochRecord {
        epoch,
        step: u64::from(epoch) * 4,
        loss: 1.0 / f64::from(epoch),
        rate: 1e-3,
        scores: scores(miou),
        ema: (epoch == 2).then(|| scores(miou + 0.05)),
        seconds_per_step: Some(0.5),
        validation_seconds: 2.0,
        peak_memory_mib: Some(300),
    }
}

fn made(records: &[EpochRecord], sheet: Option<((u32, u32), &[u8])>) -> String {
    let class = |name: &str| Class { name: name.into(), color: Rgb([1, 2, 3]) };
    let classes =
        ClassSet { name: "map".into(), classes: ["road", "<b>&\"'", "sky"].map(class).to_vec() };
    let about = About {
        dataset: "<script>".into(),
        data_hash: "abc".into(),
        label_map: "map".into(),
        train_frames: 9,
        val_frames: 2,
        parameters: 123,
        sessions: vec![Session::here("cpu".into(), 2, 0)],
    };
    let (name, config) = ("run <1>", &Config::default());
    page(&Material { name, config, about: &about, classes: &classes, records, sheet })
}

#[test]
fn a_page_has_all_sections_and_nothing_foreign() {
    let page = made(&[record(1, 0.3), record(2, 0.45)], Some(((4, 2), b"jpeg")));
    for (id, _) in SECTIONS {
        assert!(page.contains(&format!("<section id=\"{id}\">")), "{id}");
        assert!(page.contains(&format!("<a href=\"#{id}\">")), "{id}");
    }
    for needle in [
        "<h1>Run: run &lt;1&gt;</h1>",
        "&lt;b&gt;&amp;&quot;&#39;",
        "a/&lt;i&gt;.png",
        "<b>0.4500</b>best mIoU, epoch 2",
        "<b>0.5000</b>of the averaged weights, epoch 2",
        "95 % from 0.100 to 0.900",
        "title=\"road taken for &lt;b&gt;&amp;&quot;&#39;: 20.0 %, 10 pixels\">20</td>",
        "data:image/jpeg;base64,anBlZw==",
        "batch = 4\n",
        "class=\"band l0\"",
        "mIoU, epoch 2: 0.450",
        "average of the weights, epoch 2: 0.500",
    ] {
        assert!(page.contains(needle), "{needle}");
    }
    for foreign in ["<script", "<b>&", "http://", "https://", "<link", "@import", "url(", "NaN"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    for tag in ["section", "table", "figure", "svg", "div", "ul", "nav", "details", "header"] {
        let ends = page.matches(&format!("</{tag}>")).count();
        let starts = page.matches(&format!("<{tag}>")).count();
        assert_eq!(page.matches(&format!("<{tag} ")).count() + starts, ends, "{tag}");
    }
}

#[test]
fn what_is_not_known_has_no_section() {
    let mut plain = record(1, 0.3);
    plain.scores.confusion = Vec::new();
    plain.scores.worst = Vec::new();
    plain.scores.interval = None;
    let page = made(&[plain], None);
    for id in ["confusion", "worst", "frames"] {
        assert!(!page.contains(&format!("#{id}\"")), "{id}");
    }
    let empty = made(&[], None);
    assert!(!empty.contains("id=\"curves\"") && empty.contains("id=\"config\""));
}

#[test]
fn the_best_is_the_first_of_equals() {
    let records = [record(1, 0.3), record(2, 0.5), record(3, 0.5), record(4, 0.4)];
    assert_eq!(best(&records).map(|record| record.epoch), Some(2));
}
