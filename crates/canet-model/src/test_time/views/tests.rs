use std::collections::BTreeSet;

use image::Rgb;

use super::*;

impl<F: FnMut(&RgbImage, &mut [f32]) -> Result<()>> Predictor for F {
    fn scores(&mut self, picture: &RgbImage, _: &[Vec<f32>], to: &mut [f32]) -> Result<()> {
        self(picture, to)
    }
}

fn frame(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([x * 7 % 256, (x + y) * 5 % 256, (x * x + y * 11) % 251].map(|v| v as u8))
    })
}

#[expect(clippy::unnecessary_wraps, reason = "it stands for a network, which can fail")]
/// Scores that look at nothing but the pixel, three classes; many are equal.
fn local(picture: &RgbImage, scores: &mut [f32]) -> Result<()> {
    let planes = scores.chunks_exact_mut(scores.len() / 3);
    for (class, plane) in planes.enumerate() {
        for (score, pixel) in plane.iter_mut().zip(picture.pixels()) {
            *score = f32::from(pixel.0[class] / 4) / 7.0;
        }
    }
    Ok(())
}

fn size_of(frame: &RgbImage) -> [usize; 2] {
    [frame.height(), frame.width()].map(|side| side as usize)
}

/// Of three classes, at the frame's size.
fn views<'a>(frame: &'a RgbImage, base: [u32; 2], test_time: &'a TestTime) -> Views<'a> {
    Views { test_time, frame, base, classes: 3, size: size_of(frame) }
}

fn predicted(frame: &RgbImage, base: [u32; 2], test_time: &TestTime) -> Vec<f32> {
    probabilities(&views(frame, base, test_time), &mut local).unwrap()
}

fn tiled(of: &TestTime, size: [u32; 2], overlap: f64) -> TestTime {
    TestTime { tile: Some(Tile { size, overlap }), ..of.clone() }
}

/// For a network that looks at single pixels no tile can matter, not even in the last bit.
#[test]
fn tiles_of_a_local_network_change_no_bit() {
    let plain = TestTime::default();
    let flipped = TestTime { flip: true, ..plain.clone() };
    let scaled = TestTime { scales: vec![0.5, 1.0, 1.75], flip: true, ..plain.clone() };
    for (width, height) in [(64, 48), (97, 101), (33, 200), (31, 7), (1, 1), (131, 32)] {
        for base in [[width, height], [80, 60]] {
            let frame = frame(width, height);
            for of in [&plain, &flipped, &scaled] {
                let whole = predicted(&frame, base, of);
                assert_eq!(whole.len(), 3 * (width * height) as usize);
                for (size, overlap) in
                    [([32, 32], 0.0), ([32, 40], 0.25), ([37, 32], 0.5), ([50, 33], 0.75)]
                {
                    let tiles = predicted(&frame, base, &tiled(of, size, overlap));
                    assert!(tiles == whole, "{width}x{height} {base:?} {of:?} {size:?} {overlap}");
                }
            }
        }
    }
}

#[test]
fn tiles_have_one_size_and_stay_within_the_picture() {
    let (frame, mut seen) = (frame(150, 61), Vec::new());
    let test_time = tiled(&TestTime::default(), [64, 96], 0.25);
    let views = views(&frame, [150, 61], &test_time);
    probabilities(&views, &mut |picture: &RgbImage, scores: &mut [f32]| {
        seen.push((picture.dimensions(), picture.get_pixel(0, 0).0));
        local(picture, scores)
    })
    .unwrap();
    // Three tiles across; the frame is lower than one.
    let sizes: BTreeSet<_> = seen.iter().map(|&(size, _)| size).collect();
    assert_eq!(sizes, BTreeSet::from([(64, 61)]));
    let corners: Vec<_> = seen.iter().map(|&(_, corner)| corner).collect();
    assert_eq!(corners, [0, 40, 86].map(|x| frame.get_pixel(x, 0).0));
}

/// A mirrored frame is predicted from the same two pictures, in the other order.
#[test]
fn a_mirrored_frame_gives_the_mirrored_result_to_the_last_bit() {
    let test_time = TestTime { flip: true, ..TestTime::default() };
    // Scores that depend on where a pixel is.
    let mut lopsided = |picture: &RgbImage, scores: &mut [f32]| {
        local(picture, scores)?;
        let width = picture.width() as usize;
        scores.iter_mut().enumerate().for_each(|(i, s)| *s += (i % width) as f32 / 9.0);
        let plane = scores.len() / 3;
        scores[..plane].iter_mut().enumerate().for_each(|(i, s)| *s += (i % 5) as f32);
        Ok(())
    };
    let frame = frame(37, 20);
    let mut of = |frame: &RgbImage| {
        let views = views(frame, [37, 20], &test_time);
        probabilities(&views, &mut lopsided).unwrap()
    };
    let (straight, mirrored) = (of(&frame), of(&flip_horizontal(&frame)));
    for (row, mirrored) in straight.chunks(37).zip(mirrored.chunks(37)) {
        assert!(row.iter().eq(mirrored.iter().rev()));
    }
    let once = TestTime::default();
    let views = views(&frame, [37, 20], &once);
    assert!(probabilities(&views, &mut lopsided).unwrap() != straight, "the mirror image counts");
}

#[test]
fn scales_count_the_same_and_are_bounded() {
    let frame = RgbImage::from_pixel(40, 30, Rgb([9, 9, 9]));
    let test_time = TestTime { scales: vec![1.0, 0.5, 2.0], ..TestTime::default() };
    let views = Views { classes: 2, ..views(&frame, [40, 30], &test_time) };
    let mean = probabilities(&views, &mut |picture: &RgbImage, scores: &mut [f32]| {
        // Probabilities 0.5 and 0.5, but at scale 2: there 0.8 and 0.2.
        let score = if picture.width() == 80 { 4.0_f32.ln() } else { 0.0 };
        let plane = scores.len() / 2;
        scores[..plane].fill(score);
        scores[plane..].fill(0.0);
        Ok(())
    })
    .unwrap();
    assert!(mean[..1200].iter().all(|p| (p - 0.6).abs() < 1e-6), "{}", mean[0]);
    assert!(mean[1200..].iter().all(|p| (p - 0.4).abs() < 1e-6));

    let views = Views { base: [9000, 30], ..views };
    let error = probabilities(&views, &mut local).unwrap_err().to_string();
    assert!(error.contains("at scale 2 the frame has 18000x60"), "{error}");
}

#[test]
fn useless_scores_are_noticed() {
    let views = Views {
        test_time: &TestTime { flip: true, ..TestTime::default() },
        frame: &frame(9, 8),
        base: [9, 8],
        classes: 3,
        size: [8, 9],
    };
    let mut calls = 0;
    let result = probabilities(&views, &mut |picture: &RgbImage, scores: &mut [f32]| {
        calls += 1;
        local(picture, scores)?;
        // In the mirror image alone.
        if calls == 2 {
            scores[5] = f32::NAN;
        }
        Ok(())
    });
    assert!(matches!(result, Err(Error::NotFinite)), "{result:?}");
}
