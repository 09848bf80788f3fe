use canet_core::{Class, ClassSet};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::json;

use super::*;
use crate::progress::Now;
use crate::record::{EpochRecord, StepRecord};

/// A run of `classes` classes in its third epoch.
fn run(classes: usize) -> View {
    let mut view = View::of("runs/test".into(), &[]);
    let names: Vec<String> = (0..classes).map(|class| format!("c{class}")).collect();
    let set = ClassSet {
        name: "test".into(),
        classes: names
            .iter()
            .map(|name| Class { name: name.clone(), color: Rgb([200, 10, 10]) })
            .collect(),
    };
    for step in 1..=25 {
        view.step(&StepRecord {
            epoch: 1 + step as u32 / 10,
            step,
            total_steps: 40,
            loss: 1.0 / step as f64,
            rate: 2e-3,
            gradient_norm: 1.5,
            frames_per_second: 7.25,
        });
        if step % 10 == 0 {
            let score = |(id, name): (usize, &String)| {
                let iou = (id > 0).then_some(0.5);
                json!({ "class": name, "iou": iou, "recall": null, "pixels": 1 })
            };
            let classes: Vec<_> = names.iter().enumerate().map(score).collect();
            let scores = json!({
                "miou": 0.01 * step as f64, "pixel_accuracy": 0.5, "frames": 4, "classes": classes
            });
            let record = json!({
                "epoch": step / 10, "step": step, "loss": 1.0, "rate": 2e-3, "scores": scores,
                "seconds_per_step": null, "validation_seconds": 1.0, "peak_memory_mib": null
            });
            let record: EpochRecord = serde_json::from_value(record).unwrap();
            view.epoch(&record, Some(&set));
        }
    }
    view.memory = (Some(321), Some(654));
    let (title, text) = ("epoch 3/4 step".into(), String::new());
    view.now = Some(Now { title, done: 5, total: 10, text });
    view
}

/// The screen's rows.
fn drawn(view: &View, lines: &[String], width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view, lines)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(row).collect()
}

#[test]
fn all_that_is_known_is_on_the_screen() {
    let lines: Vec<String> = (0..30).map(|number| format!("line {number}.")).collect();
    for (width, height) in [(120, 40), (80, 24)] {
        let rows = drawn(&run(7), &lines, width, height);
        let text = rows.join("\n");
        for part in [
            "runs/test",
            "epoch 3, step 25 of 40",
            "epoch 3/4 step 5/10",
            "loss 0.0400",
            "mIoU 0.2000, best 0.2000 (epoch 2)",
            "2.00e-3",
            "7.2 images/s",
            "321 MiB, at most 654",
            "c6",
            "50.0",
            "line 29.",
            "q or Ctrl-C: save and stop",
        ] {
            assert!(text.contains(part), "{width}x{height} lacks {part:?}:\n{text}");
        }
        assert!(!text.contains("line 0."), "the oldest lines make way");
        let class = |name: &str| rows.iter().find(|row| row.contains(name)).unwrap();
        let blocks = |name: &str| class(name).chars().filter(|&c| c == '█').count();
        assert!(blocks("c1") > 2 && blocks("c1") == blocks("c6"), "{text}");
        assert_eq!(blocks("c0"), 0, "a class without IoU has no bar:\n{text}");
        assert!(rows.iter().any(|row| row.chars().any(|c| ('⠁'..='⣿').contains(&c))), "{text}");
    }
}

#[test]
fn classes_without_a_place_are_counted() {
    let shown = |classes, height| {
        let rows = drawn(&run(classes), &[], 120, height).join("\n");
        let names = (0..classes).filter(|class| rows.contains(&format!("c{class} "))).count();
        let more = rows.split("and ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        names + more.unwrap_or(0)
    };
    for (classes, height) in [(7, 40), (26, 40), (26, 24), (60, 24), (255, 40)] {
        assert_eq!(shown(classes, height), classes, "{classes} in {height} rows");
    }
}

/// Whatever the size of the window, and before anything is known.
#[test]
fn any_size_can_be_drawn() {
    let lines = ["one".to_owned(), "two".to_owned()];
    for width in [1, 2, 5, 13, 40, 80, 200] {
        for height in [1, 2, 3, 7, 12, 24, 60] {
            for view in [View::new(), run(1), run(26)] {
                assert_eq!(drawn(&view, &lines, width, height).len(), usize::from(height));
            }
        }
    }
}

#[test]
fn bounds_leave_out_what_is_not_finite() {
    let of = |points: &[(f64, f64)]| Bounds::of(points.iter().copied());
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[(1.0, f64::NAN)]), None);
    assert_eq!(of(&[(3.0, 2.0)]), Some(Bounds { x: [3.0, 4.0], y: [2.0, 2.1] }));
    let points = [(1.0, 5.0), (2.0, f64::INFINITY), (3.0, -1.0)];
    assert_eq!(of(&points), Some(Bounds { x: [1.0, 3.0], y: [-1.0, 5.0] }));
}

#[test]
fn asking_to_stop_shows() {
    let mut view = run(2);
    view.stopping = true;
    assert!(drawn(&view, &[], 80, 24).join("\n").contains("stopping after this step"));
}
