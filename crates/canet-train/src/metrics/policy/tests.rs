use canet_core::{LabelMap, Mask};
use canet_data::names::DriveId;

use super::*;
use crate::metrics::Resolution;

fn classes(map: &str) -> ClassSet {
    LabelMap::builtin(map).unwrap().classes().clone()
}

/// One drive with a frame of one row.
fn drives(classes: usize, truth: &[u8], prediction: &[u8]) -> Drives {
    let row = |ids: &[u8]| Mask::from_ids(ids.len() as u32, 1, ids.to_vec());
    let mut frame = Confusion::new(classes);
    frame.add(&row(truth), &row(prediction));
    let mut drives = Drives::new(classes);
    drives.merge(&DriveId::new("1"), &frame);
    drives
}

fn levels(policy: Policy, truth: &[u8], prediction: &[u8]) -> Vec<LevelScores> {
    let drives = drives(26, truth, prediction);
    policy.judge(&drives, &classes("idd-level3"), Resolution::Native).unwrap().levels
}

fn mious(policy: Policy, truth: &[u8], prediction: &[u8]) -> Vec<Option<f64>> {
    levels(policy, truth, prediction).iter().map(|level| level.miou).collect()
}

/// All classes, each found.
fn all() -> Vec<u8> {
    (0..26).collect()
}

#[test]
fn trap_6_an_absent_class_makes_the_official_mean_nan_and_no_other() {
    let ids = [0, 1, 2];
    assert_eq!(mious(Policy::IddOfficial, &ids, &ids), [None; 3]);
    assert_eq!(mious(Policy::IddFixed, &ids, &ids), [Some(1.0); 3]);
    assert_eq!(mious(Policy::Strict, &ids, &ids), [Some(1.0); 3]);
    assert_eq!(mious(Policy::Cityscapes, &ids, &ids), [Some(1.0)]);
    assert_eq!(mious(Policy::IddOfficial, &all(), &all()), [Some(1.0); 3]);
}

/// A road half predicted as void: IoU 0.5 at level 3, 1.0 at the script's level 2.
#[test]
fn trap_6_predicted_void_is_a_miss_at_level_3_and_vanishes_at_level_2() {
    let (truth, prediction) = ([0, 0], [0, 255]);
    let road = |policy| -> Vec<Option<f64>> {
        levels(policy, &truth, &prediction).iter().map(|level| level.classes[0].iou).collect()
    };
    assert_eq!(road(Policy::IddOfficial), [Some(0.5), Some(1.0), Some(1.0)]);
    assert_eq!(road(Policy::IddFixed), [Some(0.5), Some(1.0), Some(1.0)]);
    assert_eq!(road(Policy::Strict), [Some(0.5); 3]);
    assert_eq!(road(Policy::Cityscapes), [Some(0.5)]);
}

/// `spec` 5.4: the script applies the groups of level-2 ids to the matrix of level 3.
#[test]
fn the_scripts_level_1_sees_the_level_3_ids_0_to_15_in_wrong_groups() {
    // Buildings taken for bridges, which are one group at levels 2 and 1; the script sees neither.
    let mut prediction = all();
    prediction[22] = 23;
    let official = levels(Policy::IddOfficial, &all(), &prediction);
    let fixed = levels(Policy::IddFixed, &all(), &prediction);
    assert_eq!(official[2].miou, Some(1.0));
    assert_eq!(fixed[2].miou, Some(1.0));
    // Sky taken for a building: wrong at level 1, and the script does not see it.
    prediction = all();
    prediction[25] = 22;
    assert_eq!(mious(Policy::IddOfficial, &all(), &prediction)[2], Some(1.0));
    assert!(mious(Policy::IddFixed, &all(), &prediction)[2] < Some(0.9));
    // A car taken for an autorickshaw: both vehicles. The script has 8 with 6 and 7, and 9 with 10.
    prediction = all();
    prediction[9] = 8;
    assert_eq!(mious(Policy::IddFixed, &all(), &prediction)[2], Some(1.0));
    assert!(mious(Policy::IddOfficial, &all(), &prediction)[2] < Some(1.0));
}

#[test]
fn a_class_predicted_and_never_true_has_iou_0_and_counts() {
    let (truth, prediction) = ([0, 0, 0], [0, 0, 1]);
    let expected = f64::midpoint(2.0 / 3.0, 0.0);
    for policy in [Policy::Strict, Policy::Cityscapes, Policy::IddFixed] {
        assert_eq!(mious(policy, &truth, &prediction)[0], Some(expected), "{policy}");
    }
}

#[test]
fn pixels_of_true_void_count_for_nobody() {
    let mut truth = all();
    let mut prediction = all();
    truth.extend([255; 9]);
    prediction.extend([0, 1, 2, 3, 4, 5, 6, 7, 255]);
    for policy in Policy::ALL {
        assert!(mious(policy, &truth, &prediction).iter().all(|m| *m == Some(1.0)), "{policy}");
    }
}

#[test]
fn policies_that_make_no_sense_are_refused_with_a_reason() {
    for (map, expected) in [
        ("idd-level3", &["strict", "cityscapes", "idd-fixed", "idd-official"][..]),
        ("idd-lite-7", &["strict", "cityscapes", "idd-fixed", "idd-official"]),
        ("cityscapes-19", &["strict", "cityscapes"]),
        ("assignment-21", &["strict", "cityscapes"]),
        ("camvid-11", &["strict", "cityscapes"]),
    ] {
        let set = classes(map);
        let drives = drives(set.len(), &[0, 1], &[0, 1]);
        let judge = |policy: Policy| policy.judge(&drives, &set, Resolution::Native);
        let given: Vec<_> =
            Policy::ALL.into_iter().filter(|p| judge(*p).is_ok()).map(Policy::name).collect();
        assert_eq!(given, expected, "{map}");
        if let Err(reason) = judge(Policy::IddOfficial) {
            assert!(reason.contains(map) && reason.contains("--label-map idd-level3"), "{reason}");
        }
    }
}

#[test]
fn names_are_read_and_others_refused() {
    for policy in Policy::ALL {
        assert_eq!(policy.name().parse::<Policy>().unwrap(), policy);
        let json = serde_json::to_string(&policy).unwrap();
        assert_eq!(json, format!("\"{policy}\""));
    }
    let error = "idd".parse::<Policy>().unwrap_err().to_string();
    assert!(error.contains("idd-official"), "{error}");
}
