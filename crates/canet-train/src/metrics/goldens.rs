//! Against figures of the official programs (`tests/goldens/score-goldens.json`, beside the script
//! that ran them), and against loops that know nothing of matrices.

use canet_core::{ClassId, ClassSet, GOLDEN_GAMMA, LabelMap, Mask, mix};
use canet_data::draw::Draws;
use canet_data::names::DriveId;
use serde_json::Value;

use super::iou_score::IouTally;
use super::*;

/// The formula of the script.
fn draw(key: &[u64]) -> u64 {
    key.iter().fold(0u64, |h, part| mix(h.wrapping_add(*part).wrapping_add(GOLDEN_GAMMA)))
}

/// The cases of one scorer.
fn cases(scorer: &str, count: usize) -> Vec<Value> {
    let text = include_str!("../../tests/goldens/score-goldens.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let all = file["cases"].as_array().unwrap();
    let found: Vec<_> = all.iter().filter(|case| case["scorer"] == scorer).cloned().collect();
    assert_eq!(found.len(), count, "{scorer}");
    found
}

/// Truth and prediction of each frame of a case.
fn masks(case: &Value) -> Vec<[Mask; 2]> {
    let frames = case["frames"].as_array().unwrap();
    (0..frames.len() as u64).zip(frames).map(|(i, size)| pair(case, i, size)).collect()
}

fn pair(case: &Value, frame: u64, size: &Value) -> [Mask; 2] {
    let whole = |value: &Value| value.as_u64().unwrap();
    let (width, height, n, seed) =
        (whole(&size[0]), whole(&size[1]), whole(&case["classes"]), whole(&case["seed"]));
    let (absent, junk) = (case["absent"].as_u64(), case["junk"] == true);
    let name = |c: u64, void: u8| match c {
        c if c == n => void,
        c if Some(c) == absent => ((c + 1) % n) as u8,
        c => c as u8,
    };
    let (mut truth, mut prediction) = (Vec::new(), Vec::new());
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let t = draw(&[seed, frame, 0, y / 6, x / 8]) % (n + 1);
        let hit = draw(&[seed, frame, 1, y / 3, x / 5]) % 8 < 5;
        let p = if hit { t } else { draw(&[seed, frame, 2, y / 4, x / 4]) % (n + 1) };
        truth.push(name(t, 255));
        prediction.push(name(p, if junk && (x + y) % 2 == 1 { 200 } else { 255 }));
    }
    [truth, prediction].map(|ids| Mask::from_ids(width as u32, height as u32, ids))
}

/// All frames of a case at its resolution, each a drive of its own.
fn drives(case: &Value) -> Drives {
    let resolution = match case["resolution"].as_array() {
        Some(size) => format!("{}x{}", size[0], size[1]).parse().unwrap(),
        None => Resolution::Native,
    };
    let mut drives = Drives::new(case["classes"].as_u64().unwrap() as usize);
    for (i, both) in masks(case).iter().enumerate() {
        let [truth, prediction] =
            [0, 1].map(|at| resolution.resized(&both[at]).unwrap_or_else(|| both[at].clone()));
        let mut frame = Confusion::new(drives.classes());
        frame.add(&truth, &prediction);
        drives.merge(&DriveId::new(&i.to_string()), &frame);
    }
    drives
}

fn classes(map: &str) -> ClassSet {
    LabelMap::builtin(map).unwrap().classes().clone()
}

/// Exactly the golden's figures, nan by nan; a mean within the rounding of its sum.
fn assert_level(level: &LevelScores, ious: &Value, miou: &Value) {
    let found: Vec<Option<f64>> = level.classes.iter().map(|line| line.iou).collect();
    let expected: Vec<Option<f64>> = serde_json::from_value(ious.clone()).unwrap();
    assert_eq!(found, expected, "{}", level.level);
    match (level.miou, miou.as_f64()) {
        (Some(a), Some(b)) => assert!((a - b).abs() < 1e-12, "{}: {a} {b}", level.level),
        (a, b) => assert_eq!(a, b, "{}", level.level),
    }
}

fn assert_matrix(drives: &Drives, case: &Value) {
    let expected: Vec<Vec<u64>> = serde_json::from_value(case["matrix"].clone()).unwrap();
    let found: Vec<Vec<u64>> = drives.total().rows().map(<[u64]>::to_vec).collect();
    assert_eq!(found, expected);
}

#[test]
fn idd_official_is_autonues_script_at_all_levels() {
    let mut absent = 0;
    for case in cases("evaluate_mIoU.py", 3) {
        let drives = drives(&case);
        assert_matrix(&drives, &case);
        let scores = Policy::IddOfficial.judge(&drives, &classes("idd-level3"), Resolution::IDD);
        let [level_3, level_2, level_1] = &scores.unwrap().levels[..] else { panic!("3 levels") };
        let printed = &case["printed"];
        assert_level(level_3, &case["ious"], &printed[2]);
        assert_level(level_2, &case["ious_l2"], &printed[1]);
        assert_level(level_1, &case["ious_l1"], &printed[0]);
        absent += usize::from(level_3.miou.is_none());
    }
    assert_eq!(absent, 1, "one case lacks a class");
}

#[test]
fn idd_official_is_idd_lites_script_with_and_without_the_void_bin() {
    for case in cases("idd_lite_evaluate_mIoU.py", 2) {
        let drives = drives(&case);
        assert_matrix(&drives, &case);
        let scores =
            Policy::IddOfficial.judge(&drives, &classes("idd-lite-7"), Resolution::IDD_LITE);
        let [seven, eight] = &scores.unwrap().levels[..] else { panic!("2 levels") };
        // The script prints the mean of 7 in per cent.
        let percent = case["printed"][1].as_f64().map(|m| m / 100.0);
        assert_level(seven, &case["ious"], &serde_json::json!(percent));
        assert_level(eight, &case["ious_l1"], &case["printed"][0]);
        assert_ne!(seven.miou.is_some(), case["absent"].is_u64());
    }
}

#[test]
fn cityscapes_is_cityscapes_scripts_and_so_is_strict_on_classes() {
    for case in cases("cityscapes", 2) {
        let (drives, set) = (drives(&case), classes("cityscapes-19"));
        let scores = Policy::Cityscapes.judge(&drives, &set, Resolution::Native).unwrap();
        let [own, categories] = &scores.levels[..] else { panic!("2 levels") };
        assert_level(own, &case["ious"], &case["miou"]);
        assert_level(categories, &case["categories"], &case["miou_categories"]);
        let strict = Policy::Strict.judge(&drives, &set, Resolution::Native).unwrap();
        assert_level(&strict.levels[0], &case["ious"], &case["miou"]);
    }
}

/// Two inversions: its "not ignored" pixels are those of true void, and its "correct" ones those of
/// them that were predicted as something else. It is off by default, and we do not offer it.
#[test]
fn trap_6_nb_correct_pixels_of_cityscapes_counts_wrong_pixels_of_true_void() {
    for case in cases("cityscapes", 2) {
        let total = drives(&case).total();
        let void: Vec<u64> = total.rows().last().unwrap().to_vec();
        let ignored: u64 = void.iter().sum();
        assert_eq!(case["nb_not_ignored_pixels"], ignored);
        assert_eq!(case["nb_correct_pixels"], ignored - void[19]);
        let scores = Scores::of(&total, None, &classes("cityscapes-19"), 3);
        assert!((0.5..0.9).contains(&scores.pixel_accuracy), "{}", scores.pixel_accuracy);
    }
}

#[test]
fn boundary_pixels_are_those_of_the_authors_program() {
    for case in cases("boundary", 1) {
        let expected: Vec<[u64; 3]> = serde_json::from_value(case["counts"].clone()).unwrap();
        let mut boundary = Boundary::new(expected.len());
        for [truth, prediction] in &masks(&case) {
            boundary.add(truth, prediction);
        }
        let found: Vec<_> = (0..expected.len())
            .map(|c| boundary.class(c))
            .map(|c| [c.hits, c.truth, c.predicted])
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn the_student_metric_is_that_of_segmentation_models() {
    for case in cases("iou_score", 1) {
        let (n, seed) = (case["classes"].as_u64().unwrap(), case["seed"].as_u64().unwrap());
        let batch = case["batch"].as_u64().unwrap();
        let mut tally = IouTally::new(n as usize, batch as usize);
        for (frame, [truth, _]) in (0..).zip(&masks(&case)) {
            let width = u64::from(truth.width());
            let logit = |c: u64, (i, &id): (u64, &u8)| {
                let h = draw(&[seed, frame, 3, i / width, i % width, c]) % 4001;
                let bonus = if u64::from(id) == c { 2.5 } else { 0.0 };
                ((h as f64 - 2000.0) / 1000.0 + bonus) as f32
            };
            let pixels = || (0..).zip(truth.ids());
            let logits: Vec<f32> =
                (0..n).flat_map(|c| pixels().map(move |at| logit(c, at))).collect();
            tally.add(truth, &logits);
        }
        let scores = tally.scores();
        for (name, found) in [
            ("per_image", scores.per_image.score),
            ("per_image_floor", scores.per_image.floor),
            ("per_batch", scores.per_batch.score),
            ("per_batch_floor", scores.per_batch.floor),
            ("soft_per_image", scores.soft_per_image.score),
            ("soft_per_batch", scores.soft_per_batch.score),
        ] {
            let expected = case[name].as_f64().unwrap();
            assert!((found - expected).abs() < 1e-6, "{name}: {found} {expected}");
        }
        assert!(scores.per_image.floor > 0.1 && scores.per_image.score > scores.per_image.floor);
    }
}

/// Two masks of noise, some of it void.
fn noise(seed: u64, classes: u8) -> [Mask; 2] {
    let mut draws = Draws::new(seed, 0, 0, "masks");
    let present = 1 + draws.below(usize::from(classes)) as u8;
    let mut ids = |void: u8| -> Vec<u8> {
        let id = |i: u8| if i >= present { void } else { i };
        (0..63).map(|_| id(draws.below(usize::from(present) + 1) as u8)).collect()
    };
    let (truth, prediction) =
        (ids(255), ids(if seed.is_multiple_of(2) { 255 } else { classes - 1 }));
    [truth, prediction].map(|ids| Mask::from_ids(9, 7, ids))
}

/// Each line of the scores of 1,000 pairs, against counts by the definitions.
#[test]
fn a_thousand_random_pairs_agree_with_a_naive_loop() {
    let set = classes("idd-lite-7");
    let (mut lines, mut absent) = (0, 0);
    for seed in 0..1000u64 {
        let [truth, prediction] = noise(seed, 7);
        let mut confusion = Confusion::new(7);
        confusion.add(&truth, &prediction);
        let scores = Scores::of(&confusion, None, &set, 1);
        let pixels = || {
            let both = truth.ids().iter().copied().zip(prediction.ids().iter().copied());
            both.filter(|(t, _)| *t != ClassId::VOID.0)
        };
        let count = |like: &dyn Fn(u8, u8) -> bool| pixels().filter(|&(t, p)| like(t, p)).count();
        let ratio = |a: usize, b: usize| (b > 0).then(|| a as f64 / b as f64);
        let mut ious = Vec::new();
        for (c, line) in (0u8..).zip(&scores.classes) {
            let both = count(&|t, p| t == c && p == c);
            let (in_truth, found) = (count(&|t, _| t == c), count(&|_, p| p == c));
            let iou = ratio(both, count(&|t, p| t == c || p == c));
            assert_eq!(line.iou, iou);
            assert_eq!(line.recall, ratio(both, in_truth));
            assert_eq!(line.precision, ratio(both, found));
            assert_eq!(line.dice, ratio(2 * both, in_truth + found));
            assert_eq!(line.pixels, in_truth as u64);
            ious.extend(iou);
            lines += 1;
            absent += usize::from(iou.is_none());
        }
        let total = pixels().count();
        let miou = ious.iter().sum::<f64>() / ious.len().max(1) as f64;
        assert!((scores.miou - miou).abs() < 1e-12);
        let accuracy = ratio(count(&|t, p| t == p), total).unwrap_or(0.0);
        assert!((scores.pixel_accuracy - accuracy).abs() < 1e-12);
        // Pixel by pixel, the IoU of the pixel's class: its mean is the frequency-weighted IoU.
        let weighted: f64 =
            pixels().filter_map(|(t, _)| scores.classes[usize::from(t)].iou).sum::<f64>();
        assert!((scores.frequency_weighted_iou - weighted / total.max(1) as f64).abs() < 1e-12);
    }
    assert_eq!(lines, 7000);
    assert!((500..5000).contains(&absent), "{absent}");
}
