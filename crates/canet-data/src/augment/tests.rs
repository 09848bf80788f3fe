use std::collections::BTreeSet;

use canet_core::Fault;
use sha2::{Digest, Sha256};

use super::*;

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
    }
}

fn ids_of(frame: &Frame) -> BTreeSet<u8> {
    frame.mask.ids().iter().copied().collect()
}

#[test]
fn the_default_changes_nothing() {
    let frame = frame(31, 17);
    assert_eq!(Augment::default().apply(&frame, 1, 2, 3), frame);
    assert_eq!(toml::from_str::<Augment>("").unwrap(), Augment::default());
}

/// A run that is resumed by the program of tomorrow must see the samples of today.
#[test]
fn samples_are_pinned() {
    let mut hash = Sha256::new();
    for sample in 0..8 {
        let frame = everything().apply(&frame(60, 33), 42, 1, sample);
        hash.update(frame.image.as_raw());
        hash.update(frame.mask.ids());
    }
    let hex = hash.finalize().iter().fold(String::new(), |hex, b| hex + &format!("{b:02x}"));
    assert_eq!(hex, "4ee033fb78a482e2fc1a90429be026676c39cf36192530e1ef623c3d5a77996d");
}

#[test]
fn equal_arguments_give_equal_samples_and_others_do_not() {
    let (frame, augment) = (frame(60, 33), everything());
    let base = augment.apply(&frame, 42, 1, 9);
    assert_eq!(augment.apply(&frame, 42, 1, 9), base);
    for (seed, epoch, sample) in [(43, 1, 9), (42, 2, 9), (42, 1, 10)] {
        assert_ne!(augment.apply(&frame, seed, epoch, sample), base);
    }
}

#[test]
fn one_step_does_not_move_the_draws_of_another() {
    let frame = frame(60, 33);
    let plain = Augment { jitter: Jitter::default(), ..everything() };
    for sample in 0..20 {
        let (with, without) =
            (everything().apply(&frame, 1, 0, sample), plain.apply(&frame, 1, 0, sample));
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
        ((0.3, 0.9), None),
        ((1.0, 1.0), Some((64, 64))),
        ((1.0, 1.0), Some((64, 8))),
    ] {
        let augment = Augment { scale, crop, base: None, ..everything() };
        for sample in 0..10 {
            let out = augment.apply(&frame, 5, 0, sample);
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
        let out = augment.apply(&frame, 3, 0, sample);
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
        corners.insert(augment.apply(&frame, 3, 0, sample).image.get_pixel(0, 0).0);
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
    assert_eq!(always.apply(&frame, 0, 0, 0), flipped);
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
        let out = augment.apply(&frame(30, 20), 1, 1, 1);
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
