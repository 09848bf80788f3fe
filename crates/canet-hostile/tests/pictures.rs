//! Pictures that mean harm: cut, flipped, bombs, and the odd forms that cameras and tools write.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

mod common;
mod images;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use canet_core::LabelMap;
use canet_data::{frame_file, label_image};
use canet_hostile::peak::{self, Counting};
use canet_hostile::{Fate, Mutator, Tally, bodies};
use common::busy;
use image::{ExtendedColorType as Color, ImageEncoder, Rgb, RgbImage, codecs};
use images::{Kind, chunk, deflated, png, png_of};

#[global_allocator]
static COUNTING: Counting = Counting;

/// What a bomb may take before it is refused, and how long.
const MOST_BYTES: usize = 50_000_000;
const MOST_TIME: Duration = Duration::from_secs(1);

fn street() -> RgbImage {
    let mut state = 7_u32;
    RgbImage::from_fn(67, 45, |x, y| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Rgb([(x * 3) as u8, (y * 5) as u8, (state >> 24) as u8])
    })
}

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 85);
    encoder.write_image(picture, picture.width(), picture.height(), Color::Rgb8).unwrap();
    bytes
}

fn png_street() -> Vec<u8> {
    let mut bytes = Vec::new();
    let street = street();
    let encoder = codecs::png::PngEncoder::new(&mut bytes);
    encoder.write_image(&street, street.width(), street.height(), Color::Rgb8).unwrap();
    bytes
}

/// Every file cut at each 37th byte is refused; single bits and mutants do no harm.
#[test]
fn damaged_pictures_are_refused_or_read() {
    let (mut cuts, mut flips) = (Tally::default(), Tally::default());
    let mut slowest = Duration::ZERO;
    let progressive = images::PROGRESSIVE.to_vec();
    for whole in [jpeg(&street()), png_street(), progressive] {
        assert_eq!(bodies::picture(&whole), Fate::Accepted);
        // The last 12 bytes of a PNG are an empty end chunk; no pixel is lost without it.
        let end = whole.len() - if whole.starts_with(b"\x89PNG") { 12 } else { 0 };
        for length in (0..end).step_by(37) {
            let fate = cuts.case(|| bodies::picture(&whole[..length]));
            assert!(matches!(fate, Some(Fate::Refused(_))), "{length}: {fate:?}");
        }
        let mutator = Mutator { seed: 4, words: &[b"\xFF\xD9", b"\xFF\xDA", b"IDAT", b"IEND"] };
        for number in 0..700 {
            let mutant = mutator.mutant(&whole, number);
            let (fate, time) = busy(|| flips.case(|| bodies::picture(&mutant)));
            assert!(fate.is_some(), "mutant {number}");
            slowest = slowest.max(time);
        }
    }
    println!("pictures, cut: {cuts}\npictures, mutated: {flips}, {slowest:.1?}");
    assert!(cuts.tried >= 200 && cuts.refused == cuts.tried, "{cuts}");
    assert_eq!((flips.tried, flips.crashed), (2100, 0));
    assert!(flips.refused > 300 && flips.accepted > 300, "{flips}");
    assert!(flips.peak <= MOST_BYTES && slowest <= MOST_TIME, "{flips} {slowest:?}");
}

/// Forms that are no fault: each with its pixels as 8-bit RGB, as they are stored.
#[test]
fn odd_forms_are_read_as_stored() {
    let (mut tally, path) = (Tally::default(), Path::new("frame.txt"));
    for (what, bytes, size, first) in images::odd_forms(&jpeg(&street())) {
        let fate = tally.case(|| bodies::picture(&bytes));
        assert_eq!(fate, Some(Fate::Accepted), "{what}");
        let frame = frame_file::decode(&bytes, path).unwrap();
        assert_eq!(frame.dimensions(), size, "{what}");
        let far = |(a, b): (u8, u8)| a.abs_diff(b) > 3;
        let pixel = frame.get_pixel(0, 0).0;
        assert!(!pixel.into_iter().zip(first).any(far), "{what}: {pixel:?}, not {first:?}");
    }
    println!("pictures of odd forms: {tally}");
    assert!(tally.tried >= 12 && tally.accepted == tally.tried, "{tally}");
}

/// What claims to be large, or is packed to become large.
fn bombs() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let zeros = |count: usize| deflated(&vec![0; count]);
    let sized = |bytes: Vec<u8>, (w, h): (u16, u16)| images::jpeg_of_size(&bytes, w, h);
    let small = jpeg(&street());
    let data = chunk(*b"IDAT", &zeros(1000));
    let text = |kind: [u8; 4], lead: &[u8]| chunk(kind, &[lead, &zeros(64 << 20)].concat());
    let hollow = |w, h, depth, kind| png(w, h, depth, kind, std::slice::from_ref(&data));
    let scans = images::with_scans(images::PROGRESSIVE, 5000);
    vec![
        ("a JPEG of 65535x65535", sized(small.clone(), (65535, 65535)), "65535x65535"),
        ("a JPEG of 16384x16384", sized(small.clone(), (16384, 16384)), "no photograph"),
        ("a JPEG of 5000x5000", sized(small.clone(), (5000, 5000)), "no photograph"),
        (
            "a progressive JPEG of 16384x16384",
            sized(images::PROGRESSIVE.to_vec(), (16384, 16384)),
            "no photograph",
        ),
        ("a JPEG of 0x10", sized(small.clone(), (0, 10)), ""),
        ("a JPEG of 5000 scans", scans, "scans"),
        (
            "a PNG of 2^31-1 a side",
            hollow(i32::MAX as u32, i32::MAX as u32, 8, Kind::Rgb),
            "limit exceeded",
        ),
        ("a PNG of 65535x65535", hollow(65535, 65535, 8, Kind::Rgb), "65535x65535"),
        ("a PNG of 16384x16384, 16 bits", hollow(16384, 16384, 16, Kind::Rgba), "would take"),
        ("a PNG of 16384x16384", hollow(16384, 16384, 8, Kind::Grey), "no photograph"),
        (
            "a PNG of 16384x16384, 1 bit, whole",
            png_of(16384, 16384, 1, Kind::Grey),
            "no photograph",
        ),
        ("a PNG of 4000x4000, whole", png_of(4000, 4000, 8, Kind::Rgb), "no photograph"),
        ("a PNG of 0x0", hollow(0, 0, 8, Kind::Rgb), ""),
        (
            "a packed profile",
            png(9, 9, 8, Kind::Grey, &[text(*b"iCCP", b"p\0\0"), data.clone()]),
            "",
        ),
        ("a page", b"<html>quota exceeded</html>".to_vec(), "no readable"),
        ("a GIF", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(), "no readable"),
        ("zeros", vec![0; 4096], "no readable"),
        ("nothing", Vec::new(), "is empty"),
    ]
}

#[test]
fn bombs_are_refused_before_they_grow() {
    let mut tally = Tally::default();
    for (what, bytes, reason) in bombs() {
        let before = std::mem::take(&mut tally.peak);
        let (fate, time) = busy(|| tally.case(|| bodies::picture(&bytes)));
        println!(
            "{what}: {} bytes, at most {} more, {time:.1?}: {fate:?}",
            bytes.len(),
            tally.peak
        );
        assert!(tally.peak <= MOST_BYTES && time <= MOST_TIME, "{what}: {} {time:?}", tally.peak);
        tally.peak = tally.peak.max(before);
        match fate {
            Some(Fate::Refused(error)) => assert!(error.contains(reason), "{what}: {error}"),
            // The profile is left and the picture is whole, or it is refused: both are no harm.
            fate => assert!(what == "a packed profile", "{what}: {fate:?}"),
        }
    }
    println!("picture bombs: {tally}");
    assert!(tally.tried >= 18 && tally.crashed == 0 && tally.refused >= 17, "{tally}");
}

/// PNGs with much in them beside the pixels: read, in memory of the file's size.
#[test]
fn ballast_does_no_harm() {
    let mut tally = Tally::default();
    for (what, bytes) in images::ballast() {
        let before = std::mem::take(&mut tally.peak);
        let (fate, time) = busy(|| tally.case(|| bodies::picture(&bytes)));
        println!(
            "{what}: {} bytes, at most {} more, {time:.1?}: {fate:?}",
            bytes.len(),
            tally.peak
        );
        assert!(fate.is_some() && time <= MOST_TIME, "{what}: {fate:?}, {time:?}");
        assert!(tally.peak <= MOST_BYTES, "{what}: {tally}");
        tally.peak = tally.peak.max(before);
    }
    println!("PNGs with ballast: {tally}");
    assert!(tally.tried >= 6 && tally.accepted >= 4, "{tally}");
}

#[test]
fn masks_are_refused_by_their_header() {
    let labels = LabelMap::builtin("idd-lite-7").unwrap();
    let path = Path::new("mask.png");
    let (mut tally, mut reasons) = (Tally::default(), BTreeMap::<&str, usize>::new());
    let whole = png_of(67, 45, 8, Kind::Grey);
    let data = chunk(*b"IDAT", &deflated(&vec![0; 1000]));
    let hollow = |w, h, depth, kind| png(w, h, depth, kind, std::slice::from_ref(&data));
    let mut cases = vec![
        ("another size", png_of(66, 45, 8, Kind::Grey), "its frame has 67x45"),
        ("16384x16384 of one colour", png_of(16384, 16384, 8, Kind::Grey), "its frame has 67x45"),
        ("16384x16384 hollow", hollow(16384, 16384, 8, Kind::Grey), "its frame has 67x45"),
        ("65535x65535", hollow(65535, 65535, 8, Kind::Grey), "sides up to 16384"),
        ("1 bit of another size", png_of(66, 45, 1, Kind::Grey), "its frame has 67x45"),
        ("16 bits", png_of(67, 45, 16, Kind::Grey), "is a 16-bit PNG"),
        ("colours", png_of(67, 45, 8, Kind::Rgb), "8-bit grey or palette"),
        ("a JPEG", jpeg(&street()), "not a readable PNG"),
        ("nothing", Vec::new(), "not a readable PNG"),
        ("an unknown value", images::grey(67, 45, 99), "has value 99"),
    ];
    for length in (0..whole.len() - 12).step_by(7) {
        cases.push(("cut", whole[..length].to_vec(), "not a readable PNG"));
    }
    for (what, bytes, reason) in cases {
        let fate =
            tally.case(|| match label_image::from_png(&bytes, path, &labels, Some((67, 45))) {
                Ok(_) => Fate::Accepted,
                Err(error) => Fate::Refused(error.to_string()),
            });
        *reasons.entry(what).or_default() += 1;
        let Some(Fate::Refused(error)) = fate else { panic!("{what}: {fate:?}") };
        assert!(error.contains(reason), "{what}: {error}");
    }
    println!("label images: {tally}; {reasons:?}");
    assert!(tally.tried >= 20 && tally.refused == tally.tried, "{tally}");
    assert!(tally.peak < 2_000_000, "{tally}");

    // Without a frame to go by, what no file of that length can hold is refused, and no more is taken
    // than the mask itself.
    let bytes = hollow(16384, 16384, 8, Kind::Grey);
    let (result, most) = peak::of(|| canet_core::Mask::from_png(&bytes, path));
    let error = result.unwrap_err().to_string();
    assert!(error.contains("no PNG can hold") && most < 2_000_000, "{error} {most}");
    // Ballast of a mask is not read at all.
    let mut read = 0;
    for (what, bytes) in images::ballast() {
        let (result, most) = peak::of(|| bodies::mask(&bytes, &labels));
        assert!(most < 2_000_000, "{what}: {most}");
        read += usize::from(result == Fate::Accepted);
    }
    assert!(read >= 6, "{read}");
}

/// Label images of colours go another way through the decoder.
#[test]
fn colour_masks_are_refused_by_their_header() {
    let labels = LabelMap::builtin("camvid-11").unwrap();
    let path = Path::new("mask.png");
    let data = chunk(*b"IDAT", &deflated(&vec![0; 1000]));
    let hollow = |w, h| png(w, h, 8, Kind::Rgb, std::slice::from_ref(&data));
    let mut tally = Tally::default();
    for (bytes, size, reason) in [
        (png_of(66, 45, 8, Kind::Rgb), Some((67, 45)), "its frame has 67x45"),
        (png_of(16384, 16384, 8, Kind::Rgb), Some((67, 45)), "its frame has 67x45"),
        (hollow(16384, 16384), None, "no PNG can hold"),
        (hollow(65535, 65535), None, "no PNG can hold"),
        (png_of(67, 45, 16, Kind::Rgb), None, "8 bits a channel"),
        (jpeg(&street()), None, "not a readable PNG"),
    ] {
        let fate = tally.case(|| match label_image::from_color_png(&bytes, path, &labels, size) {
            Ok(_) => Fate::Accepted,
            Err(error) => Fate::Refused(error.to_string()),
        });
        let Some(Fate::Refused(error)) = fate else { panic!("{reason}: {fate:?}") };
        assert!(error.contains(reason), "{reason}: {error}");
    }
    println!("label images of colours: {tally}");
    assert!(tally.tried == 6 && tally.refused == 6 && tally.peak < 2_000_000, "{tally}");
    for (what, bytes) in images::ballast() {
        let read = || label_image::from_color_png(&bytes, path, &labels, None).map(drop);
        let (_, most) = peak::of(read);
        assert!(most < MOST_BYTES, "{what}: {most}");
    }
}
