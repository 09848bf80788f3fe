use std::collections::BTreeSet;

use canet_core::{Fault, LabelMap};
use sha2::{Digest, Sha256};

use super::photometric::turn_hue;
use super::*;

/// Augments without other frames.
fn apply(augment: &Augment, frame: &Frame, seed: u64, epoch: u32, sample: u64) -> Frame {
    let donors = Donors { count: 9, own: 0, read: &|_| panic!("no frame is to be read") };
    let augmenter = augment.resolve(&classes()).unwrap();
    augmenter.apply(frame, &donors, seed, epoch, sample).unwrap()
}

fn classes() -> ClassSet {
    LabelMap::builtin("idd-lite-7").unwrap().classes().clone()
}

/// A frame whose pixels and ids all differ from their neighbours'.
fn frame(width: u32, height: u32) -> Frame {
    let image = RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 13 + y * 7) as u8, (x * 5 + y * 31) as u8, (x * y + 40) as u8])
    });
    let ids = (0..width * height).map(|i| (i % 7) as u8).collect();
    Frame { image, mask: Mask::from_ids(width, height, ids) }
}

fn everything() -> Augment {
    Augment {
        base: Some((48, 40)),
        scale: (0.5, 2.0),
        crop: Some((32, 24)),
        flip: 0.5,
        jitter: Jitter { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
        ..Augment::default()
    }
}

fn ids_of(frame: &Frame) -> BTreeSet<u8> {
    frame.mask.ids().iter().copied().collect()
}

#[test]
fn the_default_changes_nothing() {
    let frame = frame(31, 17);
    assert_eq!(apply(&Augment::default(), &frame, 1, 2, 3), frame);
    assert_eq!(toml::from_str::<Augment>("").unwrap(), Augment::default());
}

/// A run that is resumed by the program of tomorrow must see the samples of today.
#[test]
fn samples_are_pinned() {
    let mut hash = Sha256::new();
    for sample in 0..8 {
        let frame = apply(&everything(), &frame(60, 33), 42, 1, sample);
        hash.update(frame.image.as_raw());
        hash.update(frame.mask.ids());
    }
    let hex = hash.finalize().iter().fold(String::new(), |hex, b| hex + &format!("{b:02x}"));
    assert_eq!(hex, "4ee033fb78a482e2fc1a90429be026676c39cf36192530e1ef623c3d5a77996d");
}

#[test]
fn equal_arguments_give_equal_samples_and_others_do_not() {
    let (frame, augment) = (frame(60, 33), everything());
    let base = apply(&augment, &frame, 42, 1, 9);
    assert_eq!(apply(&augment, &frame, 42, 1, 9), base);
    for (seed, epoch, sample) in [(43, 1, 9), (42, 2, 9), (42, 1, 10)] {
        assert_ne!(apply(&augment, &frame, seed, epoch, sample), base);
    }
}

#[test]
fn one_step_does_not_move_the_draws_of_another() {
    let frame = frame(60, 33);
    let plain = Augment { jitter: Jitter::default(), ..everything() };
    for sample in 0..20 {
        let (with, without) =
            (apply(&everything(), &frame, 1, 0, sample), apply(&plain, &frame, 1, 0, sample));
        assert_eq!(with.mask, without.mask);
    }
}

#[test]
fn only_void_may_appear_in_masks() {
    let frame = frame(37, 29);
    for (scale, crop) in [
        ((0.5, 2.0), Some((24, 24))),
        ((0.01, 0.02), Some((8, 8))),
        ((100.0, 100.0), Some((16, 16))),
        ((0.3, 0.3), None),
        ((0.9, 0.9), None),
        ((1.0, 1.0), Some((64, 64))),
        ((1.0, 1.0), Some((64, 8))),
    ] {
        let augment = Augment { scale, crop, base: None, ..everything() };
        for sample in 0..10 {
            let out = apply(&augment, &frame, 5, 0, sample);
            let allowed: BTreeSet<u8> = ids_of(&frame).into_iter().chain([255]).collect();
            assert!(ids_of(&out).is_subset(&allowed), "{scale:?} {crop:?}");
            assert_eq!(out.image.dimensions(), (out.mask.width(), out.mask.height()));
            if let Some(crop) = crop {
                assert_eq!(out.image.dimensions(), crop);
            }
        }
    }
}

#[test]
fn a_crop_beyond_the_frame_is_padded_around_it() {
    let frame = frame(10, 6);
    let augment = Augment { crop: Some((16, 9)), ..Augment::default() };
    let mut places = BTreeSet::new();
    for sample in 0..200 {
        let out = apply(&augment, &frame, 3, 0, sample);
        assert_eq!(out.mask.histogram()[255], 16 * 9 - 10 * 6);
        let first = out.mask.ids().iter().position(|&id| id != 255).unwrap() as u32;
        let (x, y) = (first % 16, first / 16);
        places.insert((x, y));
        for (at_x, at_y, pixel) in out.image.enumerate_pixels() {
            let inside = (x..x + 10).contains(&at_x) && (y..y + 6).contains(&at_y);
            let expected =
                if inside { *frame.image.get_pixel(at_x - x, at_y - y) } else { PADDING };
            assert_eq!(*pixel, expected);
        }
    }
    assert_eq!(places.len(), 7 * 4, "every position occurs");
}

#[test]
fn crops_come_from_the_whole_frame() {
    let frame = frame(10, 6);
    let augment = Augment { crop: Some((4, 4)), ..Augment::default() };
    let mut corners = BTreeSet::new();
    for sample in 0..300 {
        corners.insert(apply(&augment, &frame, 3, 0, sample).image.get_pixel(0, 0).0);
    }
    assert_eq!(corners.len(), 7 * 3);
}

#[test]
fn flipping_twice_is_nothing_and_once_is_a_mirror() {
    let frame = frame(9, 5);
    let flipped = flip(&frame);
    assert_eq!(flipped.image.get_pixel(0, 2), frame.image.get_pixel(8, 2));
    assert_eq!(flipped.mask.at(3, 4), frame.mask.at(5, 4));
    assert_eq!(flip(&flipped), frame);
    let always = Augment { flip: 1.0, ..Augment::default() };
    assert_eq!(apply(&always, &frame, 0, 0, 0), flipped);
}

#[test]
fn base_and_scale_set_the_size() {
    for (base, factor, expected) in [
        (None, 1.0, (30, 20)),
        (Some((16, 8)), 1.0, (16, 8)),
        (Some((16, 8)), 0.25, (4, 2)),
        (None, 0.01, (1, 1)),
        (Some((5, 3)), 1.5, (8, 5)),
    ] {
        let augment = Augment { base, scale: (factor, factor), ..Augment::default() };
        let out = apply(&augment, &frame(30, 20), 1, 1, 1);
        assert_eq!(out.image.dimensions(), expected);
        assert_eq!(fit(&frame(30, 20), expected), out, "one resize, not two");
    }
}

#[test]
fn jitter_does_what_it_says() {
    let one = |jitter: Jitter, rgb: [u8; 3]| -> Vec<[u8; 3]> {
        (0..100)
            .map(|sample| {
                let mut image = RgbImage::from_pixel(2, 2, Rgb(rgb));
                jitter.apply(&mut image, |purpose| Draws::new(1, 0, sample, purpose));
                image.get_pixel(1, 1).0
            })
            .collect()
    };
    let none = Jitter::default();
    assert!(one(none, [10, 200, 30]).iter().all(|&rgb| rgb == [10, 200, 30]));
    let bright = one(Jitter { brightness: 0.5, ..none }, [100, 100, 100]);
    assert!(bright.iter().all(|[r, g, b]| r == g && g == b && (50..=150).contains(r)));
    assert!(bright.iter().any(|rgb| rgb[0] < 70) && bright.iter().any(|rgb| rgb[0] > 130));
    // A picture of one grey has no contrast, and grey has neither saturation nor hue.
    let grey_safe = Jitter { contrast: 1.0, saturation: 1.0, hue: 0.5, brightness: 0.0 };
    assert!(one(grey_safe, [77, 77, 77]).iter().all(|&rgb| rgb == [77, 77, 77]));
    let hues = one(Jitter { hue: 0.5, ..none }, [200, 50, 50]);
    assert!(hues.iter().all(|rgb| rgb.iter().max() == Some(&200) && rgb.iter().min() == Some(&50)));
}

#[test]
fn hues_turn_around_the_circle() {
    for (rgb, turn, expected) in [
        ([255, 0, 0], 0.0, [255, 0, 0]),
        ([255, 0, 0], 1.0 / 3.0, [0, 255, 0]),
        ([255, 0, 0], -1.0 / 3.0, [0, 0, 255]),
        ([255, 0, 0], 0.5, [0, 255, 255]),
        ([10, 20, 30], 0.0, [10, 20, 30]),
        ([10, 20, 30], 1.0, [10, 20, 30]),
    ] {
        assert_eq!(turn_hue(rgb, turn), expected, "{rgb:?} by {turn}");
    }
}

#[test]
fn settings_without_a_meaning_are_refused() {
    assert!(everything().check().is_ok() && Augment::default().check().is_ok());
    for (text, key) in [
        ("crop = [0, 4]", "crop"),
        ("base = [99999, 4]", "base"),
        ("scale = [2.0, 0.5]", "scale"),
        ("scale = [0.0, 0.5]", "scale"),
        ("scale = [nan, 1.0]", "scale"),
        ("scale = [0.5, 2.0]", "scale"),
        ("base = [9000, 10]\nscale = [2.0, 2.0]", "scale"),
        ("flip = 1.5", "flip"),
        ("jitter.hue = 0.6", "jitter.hue"),
        ("jitter.contrast = -0.1", "jitter.contrast"),
        ("blur.chance = 2.0", "blur.chance"),
        ("blur.radius = [2.0, 1.0]", "blur.radius"),
        ("blur.radius = [0.0, nan]", "blur.radius"),
        ("crop_choice.tries = 0", "crop_choice.tries"),
        ("crop_choice.most = 0.5", "crop_choice.tries"),
        ("crop_choice.rare = [\"sky\"]", "crop_choice.tries"),
        ("crop_choice = { tries = 5, most = 0.0 }", "crop_choice.most"),
        ("crop_choice = { tries = 5, least = 0 }", "crop_choice.least"),
        ("copy_rare.chance = 0.5", "copy_rare.classes"),
        ("copy_rare = { chance = -1.0, classes = [\"sky\"] }", "copy_rare.chance"),
        ("copy_rare.donors = 0", "copy_rare.donors"),
    ] {
        let error = toml::from_str::<Augment>(text).unwrap().check().unwrap_err();
        assert!(
            error.fault() == Fault::Usage && error.to_string().starts_with(&format!("{key}: is ")),
            "{error}"
        );
    }
    assert!(toml::from_str::<Augment>("flips = 1").is_err());
    let text = toml::to_string(&everything()).unwrap();
    assert_eq!(toml::from_str::<Augment>(&text).unwrap(), everything());
}

#[test]
fn classes_that_the_data_has_not_are_named() {
    for (text, key) in [
        ("crop_choice = { tries = 5, rare = [\"sky\", \"rivers\"] }", "crop_choice.rare"),
        ("copy_rare = { chance = 0.1, classes = [\"rivers\"] }", "copy_rare.classes"),
    ] {
        let error = toml::from_str::<Augment>(text).unwrap().resolve(&classes()).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(key) && text.contains("\"rivers\""), "{text}");
        assert!(text.contains("drivable, non-drivable") && error.fault() == Fault::Usage, "{text}");
    }
}

/// Half sky, half road, and a living thing of four pixels at (x, 20).
fn street(x: u32) -> Frame {
    let mut image = RgbImage::from_pixel(60, 40, Rgb([50; 3]));
    let mut mask =
        Mask::from_ids(60, 40, (0..2400).map(|i| if i < 1200 { 6 } else { 0 }).collect());
    for (x, y) in [(x, 20), (x + 1, 20), (x, 21), (x + 1, 21)] {
        mask.ids_mut()[(y * 60 + x) as usize] = 2;
        image.put_pixel(x, y, Rgb([250, 10, 10]));
    }
    Frame { image, mask }
}

#[test]
fn crops_are_varied_and_hold_what_is_rare() {
    let crop = Augment { crop: Some((12, 12)), ..Augment::default() };
    let choice = |choice: CropChoice| Augment { crop_choice: choice, ..crop.clone() };
    let varied = choice(CropChoice { tries: 50, most: 0.75, ..CropChoice::default() });
    let rare = choice(CropChoice {
        tries: 50,
        rare: vec!["living-things".into()],
        ..CropChoice::default()
    });
    let share = |augment: &Augment, holds: &dyn Fn(&[u64; 256]) -> bool| {
        let held =
            |&sample: &u64| holds(&apply(augment, &street(17), 1, 0, sample).mask.histogram());
        (0..200).filter(held).count()
    };
    let is_varied = |counts: &[u64; 256]| counts.iter().all(|&count| count <= 108);
    assert!(share(&crop, &is_varied) < 100 && share(&varied, &is_varied) == 200);
    assert!(share(&crop, &|counts| counts[2] > 0) < 100);
    assert!(share(&rare, &|counts| counts[2] > 0) >= 199);
    // The first try is the draw of a run without a choice.
    let liked = choice(CropChoice { tries: 50, ..CropChoice::default() });
    for sample in 0..20 {
        let (with, without) =
            (apply(&liked, &street(3), 1, 0, sample), apply(&crop, &street(3), 1, 0, sample));
        assert_eq!(with, without);
    }
}

#[test]
fn rare_classes_are_copied_at_their_height() {
    let copy = CopyRare { chance: 1.0, classes: vec!["living-things".into()], donors: 3 };
    let augment = Augment { crop: Some((30, 40)), copy_rare: copy, ..Augment::default() };
    let augmenter = augment.resolve(&classes()).unwrap();
    let plain = Frame {
        image: RgbImage::from_pixel(60, 40, Rgb([9; 3])),
        mask: Mask::filled(60, 40, ClassId(0)),
    };
    let read = |index: usize| Ok(if index == 0 { plain.clone() } else { street(40) });
    let donors = Donors { count: 3, own: 2, read: &read };
    let (mut columns, mut without) = (BTreeSet::new(), 0);
    for sample in 0..300 {
        let out = augmenter.apply(&plain, &donors, 1, 0, sample).unwrap();
        assert_eq!(out, augmenter.apply(&plain, &donors, 1, 0, sample).unwrap());
        let places: Vec<usize> = (0..1200).filter(|&at| out.mask.ids()[at] == 2).collect();
        let Some(&first) = places.first() else {
            without += 1;
            continue;
        };
        assert_eq!((places.len(), first / 30), (4, 20));
        columns.insert(first % 30);
        for (at, pixel) in out.image.pixels().enumerate() {
            let expected = if places.contains(&at) { [250, 10, 10] } else { [9; 3] };
            assert_eq!(pixel.0, expected);
        }
    }
    // Three draws of the donor that has nothing.
    assert!((15..70).contains(&without), "{without}");
    assert_eq!(columns.len(), 29, "every place occurs");
}

#[test]
fn with_every_step_ids_come_from_the_frame_or_its_donors() {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let choice = CropChoice {
        tries: 4,
        most: 0.6,
        rare: names(&["living-things"]),
        ..CropChoice::default()
    };
    let copy = CopyRare { chance: 1.0, classes: names(&["living-things", "sky"]), donors: 2 };
    let blur = Blur { chance: 0.5, radius: (0.0, 1.0) };
    let augment = Augment { blur, crop_choice: choice, copy_rare: copy, ..everything() };
    let augmenter = augment.resolve(&classes()).unwrap();
    let plain = Frame {
        image: RgbImage::from_pixel(50, 30, Rgb([9; 3])),
        mask: Mask::filled(50, 30, ClassId(3)),
    };
    let read = |_: usize| Ok(street(17));
    let donors = Donors { count: 2, own: 0, read: &read };
    let mut found = BTreeSet::new();
    for sample in 0..100 {
        let out = augmenter.apply(&plain, &donors, 1, 0, sample).unwrap();
        assert_eq!(out, augmenter.apply(&plain, &donors, 1, 0, sample).unwrap());
        assert_eq!(out.image.dimensions(), (32, 24));
        found.extend(ids_of(&out));
    }
    // The donor's road is not asked for.
    assert_eq!(found, BTreeSet::from([2, 3, 6, 255]));
}

#[test]
fn new_steps_do_not_move_the_draws_of_the_others() {
    // Nothing here is rare, and every crop is liked: what differs is the blur alone.
    let with = Augment {
        blur: Blur { chance: 1.0, radius: (1.0, 1.0) },
        crop_choice: CropChoice { tries: 10, most: 0.75, ..CropChoice::default() },
        copy_rare: CopyRare { chance: 1.0, classes: vec!["sky".into()], donors: 4 },
        ..everything()
    };
    let augmenter = with.resolve(&classes()).unwrap();
    let plain = Frame { image: RgbImage::new(60, 33), mask: Mask::filled(60, 33, ClassId(0)) };
    let read = |_: usize| Ok(plain.clone());
    let donors = Donors { count: 5, own: 3, read: &read };
    let frame = frame(60, 33);
    for sample in 0..20 {
        let out = augmenter.apply(&frame, &donors, 1, 0, sample).unwrap();
        let mut expected = apply(&everything(), &frame, 1, 0, sample);
        assert_eq!(out.mask, expected.mask);
        assert_ne!(out.image, expected.image);
        if ids_of(&expected).contains(&255) {
            continue;
        }
        with.blur.apply(&mut expected.image, Draws::new(1, 0, sample, "blur"));
        assert_eq!(out, expected);
    }
}

#[test]
fn a_crop_of_void_alone_is_passed_over() {
    let mut frame = street(17);
    frame.mask.ids_mut()[..1200].fill(255);
    let choice = CropChoice { tries: 90, most: 0.99, ..CropChoice::default() };
    let augment = Augment { crop: Some((10, 10)), crop_choice: choice, ..Augment::default() };
    let living = |sample| apply(&augment, &frame, 1, 0, sample).mask.histogram()[2];
    // Only with the living thing is there a second class.
    assert!((0..100).filter(|&sample| living(sample) > 0).count() >= 95);
}

#[test]
fn blurs_come_as_often_as_asked() {
    let blur = Blur { chance: 0.5, radius: (0.5, 1.0) };
    let augment = Augment { blur, ..Augment::default() };
    let frame = frame(20, 10);
    let changed = |&sample: &u64| {
        let out = apply(&augment, &frame, 1, 0, sample);
        assert_eq!(out.mask, frame.mask);
        out.image != frame.image
    };
    let count = (0..200).filter(changed).count();
    assert!((80..120).contains(&count), "{count}");
}
