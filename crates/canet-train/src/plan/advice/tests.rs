use super::*;

/// 300 MiB last, a step needs 400 and 100 a frame, and the batch has 8 frames.
fn footprint() -> Footprint {
    Footprint {
        held: 300.0,
        fixed: 400.0,
        frame: 100.0,
        batch: 8,
        validation: 350.0,
        saving: 380.0,
        recomputed: None,
    }
}

fn config(crop: Option<(u32, u32)>) -> Config {
    let mut config = Config::default();
    config.data.batch = 8;
    config.data.augment.crop = crop;
    config
}

#[test]
fn the_mildest_change_that_fits_is_advised() {
    let cases: [(u64, &[&[&str]]); 4] = [
        // 7 frames would need 1210: 6 fit.
        (1_200, &[&["data.batch=6", "optimizer.accumulate=2"], &["data.augment.crop=[448, 448]"]]),
        (600, &[&["data.batch=1", "optimizer.accumulate=8"], &["data.augment.crop=[192, 192]"]]),
        // One whole frame would need 550.
        (
            500,
            &[
                &["data.augment.crop=[128, 128]"],
                &["data.augment.crop=[352, 352]", "data.batch=1", "optimizer.accumulate=8"],
            ],
        ),
        (300, &[&[]]),
    ];
    for (available, expected) in cases {
        let advice = footprint().advice(&config(Some((512, 512))), (640, 480), available);
        let sets: Vec<Vec<&str>> =
            advice.iter().map(|a| a.set.iter().map(String::as_str).collect()).collect();
        assert_eq!(sets, expected, "{available}");
        for advice in advice.iter().filter(|advice| !advice.set.is_empty()) {
            assert!(advice.peak_mib <= available, "{available}: {advice:?}");
            // What is advised is a configuration.
            Config::parse("", "test", &advice.set).unwrap();
        }
    }
}

/// A frame of 100 MiB that needs 40 less: 8 frames need 880 and a tenth.
#[test]
fn to_compute_twice_is_advised_where_more_fits_by_it() {
    let recomputed = Some(Recomputed { saved: 40.0, longer: 0.25 });
    let footprint = Footprint { recomputed, ..footprint() };
    let mut config = Config::parse("[model]\nnetwork = \"canet\"", "test", &[]).unwrap();
    config.data.batch = 8;
    let (frame, with_batch) =
        ((640, 480), ["recompute=true", "data.batch=2", "optimizer.accumulate=4"]);
    for (available, set, peak_mib, words) in [
        (1_000, &with_batch[..1], 968, "took 25% longer"),
        // One frame fits without, two with.
        (600, &with_batch, 572, "batch norms see fewer"),
    ] {
        let advice = &footprint.advice(&config, frame, available)[0];
        assert!(advice.set == set && advice.peak_mib == peak_mib, "{advice:?}");
        assert!(advice.effect.contains(words), "{advice:?}");
        config.with(&advice.set).unwrap();
    }
    // As much fits without, or not even one frame with it.
    for (available, saved) in [(1_320, 40.0), (1_200, 1.0), (450, 40.0)] {
        let recomputed = Some(Recomputed { saved, longer: 0.25 });
        let advice = Footprint { recomputed, ..footprint.clone() };
        let advice = advice.advice(&config, frame, available);
        assert!(
            !advice.iter().any(|advice| advice.set.iter().any(|set| set.contains("recompute"))),
            "{advice:?}"
        );
    }
}

#[test]
fn a_validation_that_does_not_fit_wants_smaller_frames() {
    let footprint = Footprint { validation: 2000.0, ..footprint() };
    let advice = footprint.advice(&config(Some((512, 512))), (1920, 1080), 1500);
    assert_eq!(advice.len(), 1);
    assert_eq!(advice[0].set, ["data.augment.base=[960, 540]"]);
    // 1200 in training, and a tenth.
    assert_eq!(advice[0].peak_mib, 1320);
}

/// One frame predicts, whole steps correct it, and both agree with what was measured.
#[test]
fn a_footprint_follows_the_measurements() {
    let mut footprint = Footprint::of_one_frame([100.0, 260.0, 200.0], [20.0, 30.0, 10.0, 0.0], 4);
    let one = (footprint.training_mib(1), footprint.validation, footprint.saving);
    assert_eq!(one, (260.0, 200.0, 180.0));
    assert_eq!((footprint.training_mib(4),), (130.0 + 4.0 * 130.0,));
    footprint.measured(4, 500.0);
    assert_eq!((footprint.training_mib(1), footprint.training_mib(4)), (260.0, 500.0));
    assert_eq!(footprint.peak_mib(), 550);
    // Where validation held more than steps do, no batch seems to need more than another.
    footprint.measured(4, 200.0);
    assert_eq!((footprint.training_mib(4),), (200.0,));
}
