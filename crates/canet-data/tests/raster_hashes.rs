//! Fills against hashes: 2,000 outlines and whole frames that real Pillow drew, and whole frames by
//! every rule, so that no rule ever moves a pixel (`goldens/make_pillow_hashes.py`).

use std::collections::BTreeMap;

use canet_core::{ClassId, Mask};
use canet_data::hash::sha256;
use canet_data::raster::{Brush, Rule};
use canet_data::sample::{SampleOptions, scene};
use geo::Coord;

mod outlines;

#[test]
fn two_thousand_outlines_are_filled_as_by_pillow() {
    let goldens = include_str!("goldens/pillow-outline-hashes.txt");
    let mut kinds = BTreeMap::new();
    let mut wrong = Vec::new();
    for (number, line) in goldens.lines().enumerate() {
        let columns: Vec<_> = line.split(' ').collect();
        let outline = outlines::outline(number);
        assert_eq!(columns[..2], [&number.to_string(), outline.kind]);
        *kinds.entry(outline.kind).or_insert(0) += 1;
        for (rule, hash) in [Rule::Pillow6, Rule::Pillow11].into_iter().zip(&columns[2..]) {
            let mut mask = Mask::filled(outline.width, outline.height, ClassId(0));
            rule.fill_polygon(&outline.points, ClassId(1), &mut mask);
            if sha256(mask.ids())[..16] != **hash {
                wrong.push(format!(
                    "{rule}, outline {number}, {}: {:?}",
                    outline.kind, outline.points
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ: {}", wrong.len(), wrong.join("\n"));
    assert_eq!((kinds.values().sum(), kinds.len()), (2000, outlines::KINDS.len()), "{kinds:?}");
}

/// The frames of `examples/raster_inputs.rs` by name.
fn frames() -> BTreeMap<String, Vec<Vec<Coord<f64>>>> {
    let crowds = (0..4).map(|seed| (format!("crowd{seed}"), outlines::crowd(seed)));
    let options =
        SampleOptions { width: 1920, height: 1080, drives: 2, frames_per_drive: 2, seed: 5 };
    let drawn = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(drive, frame)| {
        let points = |p: &[f64; 2]| Coord { x: p[0], y: p[1] };
        let objects = scene(&options, drive, frame).objects;
        let shapes = objects.iter().map(|o| o.polygon.iter().map(points).collect()).collect();
        (format!("masks/{drive:03}/frame{frame:04}"), shapes)
    });
    crowds.chain(drawn).collect()
}

/// The lines of the Pillow rules are Pillow's own; the others' are from when they had met their
/// oracles (`raster_oracles.rs`).
#[test]
fn whole_frames_stay_what_they_are() {
    let mut lines = Vec::new();
    for (name, shapes) in frames() {
        for rule in Rule::ALL {
            let mut mask = Mask::filled(1920, 1080, ClassId(0));
            let mut brush = Brush::new(rule);
            for (points, id) in shapes.iter().zip((1..=251).cycle()) {
                brush.fill(points, ClassId(id), &mut mask);
            }
            lines.push(format!("{name} {rule} {}\n", sha256(mask.ids())));
        }
    }
    lines.sort();
    assert_eq!(lines.len(), 32);
    assert_eq!(lines.concat(), include_str!("goldens/frame-hashes.txt"));
}
