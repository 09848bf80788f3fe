//! What the default data set promises: determinism, sound polygons, no gaps, every class often.

use std::collections::BTreeMap;

use super::*;

/// The classes of the assignment in their order, by label; 19 is not drawn.
const CLASSES: [&[&str]; 21] = [
    &["out of roi", "unlabeled"],
    &["road"],
    &["drivable fallback", "parking"],
    &["sidewalk"],
    &["non-drivable fallback", "rail track"],
    &["animal", "person"],
    &["rider"],
    &["bicycle", "motorcycle"],
    &["autorickshaw", "car"],
    &["bus", "truck"],
    &["curb", "wall"],
    &["fence", "guard rail"],
    &["billboard", "traffic light", "traffic sign"],
    &["obs-str-bar-fallback", "pole"],
    &["bridge", "building"],
    &["vegetation"],
    &["sky"],
    &["ego vehicle"],
    &["ground"],
    &[],
    &["train"],
];

fn small() -> SampleOptions {
    SampleOptions { drives: 24, frames_per_drive: 2, ..SampleOptions::default() }
}

fn class_of(label: &str) -> usize {
    CLASSES.iter().position(|labels| labels.contains(&label)).unwrap()
}

/// The even-odd rule with the boundary inside.
fn contains(polygon: &[[f64; 2]], x: f64, y: f64) -> bool {
    let mut inside = false;
    for (k, &[bx, by]) in polygon.iter().enumerate() {
        let [ax, ay] = polygon[(k + polygon.len() - 1) % polygon.len()];
        let cross = (bx - ax) * (y - ay) - (by - ay) * (x - ax);
        let within = x >= ax.min(bx) && x <= ax.max(bx) && y >= ay.min(by) && y <= ay.max(by);
        if cross.abs() < 1e-9 && within {
            return true;
        }
        if (ay > y) != (by > y) && x < ax + (y - ay) / (by - ay) * (bx - ax) {
            inside = !inside;
        }
    }
    inside
}

#[test]
fn equal_options_give_equal_bytes() {
    let options = small();
    for drive in [0, 5] {
        let [a, b] = [0, 1].map(|_| scene(&options, drive, 1));
        assert_eq!(jpeg(&a.frame).unwrap(), jpeg(&b.frame).unwrap());
        assert_eq!(annotation(&a).unwrap(), annotation(&b).unwrap());
    }
    let other = SampleOptions { seed: 1, ..options.clone() };
    assert_ne!(scene(&options, 0, 0).frame, scene(&other, 0, 0).frame);
    assert_ne!(scene(&options, 0, 0).frame, scene(&options, 0, 1).frame);
}

#[test]
fn polygons_are_sound() {
    let options = small();
    let (w, h) = (f64::from(options.width), f64::from(options.height));
    for drive in 0..options.drives {
        for object in scene(&options, drive, 1).objects {
            assert!(object.polygon.len() >= 3, "{object:?}");
            let sound =
                |p: &[f64; 2]| (-w..=2.0 * w).contains(&p[0]) && (-h..=2.0 * h).contains(&p[1]);
            assert!(object.polygon.iter().all(sound), "{object:?}");
            class_of(object.label);
        }
    }
}

#[test]
fn no_pixel_is_left_without_a_label() {
    let options = small();
    for drive in 0..options.drives {
        let objects = scene(&options, drive, 0).objects;
        for y in (0..options.height).step_by(3).chain([options.height - 1]) {
            for x in (0..options.width).step_by(5).chain([options.width - 1]) {
                let covered =
                    objects.iter().any(|o| contains(&o.polygon, f64::from(x), f64::from(y)));
                assert!(covered, "drive {drive}: ({x}, {y})");
            }
        }
    }
}

/// Drives in which a class takes at least one point in 400 of some frame.
#[test]
fn every_class_is_seen_in_many_drives() {
    let options = SampleOptions { frames_per_drive: 4, ..small() };
    let mut drives = [0; 21];
    let mut labels = BTreeMap::new();
    for drive in 0..options.drives {
        let mut seen = [false; 21];
        for frame in 0..options.frames_per_drive {
            let objects = scene(&options, drive, frame * 3).objects;
            let mut points = [0; 21];
            for (y, x) in (0..48).flat_map(|y| (0..80).map(move |x| (y * 4, x * 4))) {
                let (x, y) = (f64::from(x), f64::from(y));
                let top = objects.iter().rev().find(|o| contains(&o.polygon, x, y)).unwrap();
                points[class_of(top.label)] += 1;
                *labels.entry(top.label).or_insert(0) += 1;
            }
            (0..21).for_each(|c| seen[c] |= points[c] >= 10);
        }
        (0..21).for_each(|c| drives[c] += i32::from(seen[c]));
    }
    for (class, &count) in drives.iter().enumerate().filter(|&(class, _)| class != 19) {
        assert!(count >= 8, "class {class} in {count} drives: {drives:?}");
    }
    for label in CLASSES.concat() {
        let drawn = label != "unlabeled" && label != "parking";
        assert_eq!(labels.contains_key(label), drawn, "{label}");
    }
}

#[test]
fn the_tree_has_the_layout_of_the_assignment() {
    let root = std::env::temp_dir().join(format!("canet-sample-{}", std::process::id()));
    let options = SampleOptions {
        width: 64,
        height: 48,
        drives: 2,
        frames_per_drive: 2,
        ..SampleOptions::default()
    };
    assert_eq!(write_tree(&options, &root).unwrap(), 4);
    let text = std::fs::read_to_string(root.join("masks/001/frame0001.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((json["imgWidth"].as_u64(), json["imgHeight"].as_u64()), (Some(64), Some(48)));
    assert_eq!(json["objects"][0]["label"], "sky");
    let frame = image::open(root.join("images/001/frame0001.jpg")).unwrap();
    assert_eq!((frame.width(), frame.height()), (64, 48));
    std::fs::remove_dir_all(&root).unwrap();
}

/// Not a test of speed, but of the order of magnitude: a data set must be there within seconds.
#[test]
fn a_frame_takes_little_time() {
    let options = small();
    let start = std::time::Instant::now();
    (0..10).for_each(|drive| drop(scene(&options, drive, 0)));
    assert!(start.elapsed().as_millis() < 10 * 500, "{:?}", start.elapsed());
}
