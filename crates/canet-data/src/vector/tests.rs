//! Masks to polygons and back, by every rule.

use super::*;
use crate::draw::Draws;
use crate::sample::{SampleOptions, scene};
use canet_core::LabelMap;
use geo::Coord;

/// Returns how many points all rules need.
fn assert_exact(mask: &Mask) -> usize {
    let mut points = 0;
    for rule in Rule::ALL {
        for background in [ClassId(0), ClassId::VOID] {
            let options = Options::exact(rule, background);
            let vectorised = vectorise(mask, &options)
                .unwrap_or_else(|error| panic!("{error}: {rule}, {background:?}, {mask:?}"));
            assert_eq!(&vectorised.painting.rasterise(rule), mask);
            points += vectorised.points();
            assert_eq!(vectorised.keeps_stairs, rule == Rule::Cityscapes, "{rule}, {mask:?}");
        }
    }
    points
}

#[test]
fn all_small_masks_come_back() {
    let mut count = 0;
    for code in 0..3_u32.pow(9) {
        let ids = (0..9).map(|i| (code / 3_u32.pow(i) % 3) as u8);
        // The third class is void.
        let ids = ids.map(|id| if id == 2 { 255 } else { id }).collect();
        assert_exact(&Mask::from_ids(3, 3, ids));
        count += 1;
    }
    assert_eq!(count, 19_683);
}

/// A mask of a kind: noise, sparse noise, discs, boxes, stripes, chequers, rings or sharp triangles.
fn drawn_mask(sample: u64) -> Mask {
    let mut draws = Draws::new(5, 0, sample, "vector masks");
    let (width, height) = (1 + draws.below(64) as u32, 1 + draws.below(64) as u32);
    let classes: Vec<u8> = [0, 1, 2, 3, 255, 9][..2 + draws.below(5)].to_vec();
    let pick = |n: usize| classes[n % classes.len()];
    let mut mask = Mask::filled(width, height, ClassId(pick(draws.below(6))));
    let (w, h) = (width as usize, height as usize);
    let (period, slant) = (1 + draws.below(4), draws.below(3));
    let (rare, kind) = (draws.unit(), sample % 8);
    let blobs: Vec<[f64; 4]> = (0..=draws.below(12))
        .map(|n| {
            let at = |draws: &mut Draws, side: u32| draws.range(-5.0, f64::from(side) + 5.0);
            [at(&mut draws, width), at(&mut draws, height), draws.range(0.5, 16.0), n as f64]
        })
        .collect();
    for (at, id) in mask.ids_mut().iter_mut().enumerate() {
        let (x, y) = (at % w, at / w);
        let ring = x.min(y).min(w - 1 - x).min(h - 1 - y);
        let in_blob = |round: bool| {
            blobs.iter().rev().find(|[bx, by, r, _]| {
                let (dx, dy) = ((x as f64 - bx).abs(), (y as f64 - by).abs());
                if round { dx.hypot(dy) < *r } else { dx.max(dy) < *r }
            })
        };
        match kind {
            0 => *id = pick(draws.below(classes.len())),
            1 if draws.chance(rare) => *id = pick(draws.below(classes.len())),
            2 | 3 => *id = in_blob(kind == 2).map_or(*id, |blob| pick(blob[3] as usize)),
            4 => *id = pick((x + slant * y) / period),
            5 => *id = pick(x / period + y / period),
            // Rings with a cut are a maze, those of a period of two a spiral of a kind.
            6 => *id = pick(ring / period + usize::from(x == y && ring % 2 == slant)),
            _ => {}
        }
    }
    if kind == 7 {
        // Thin tips and slanted sides, where lines instead of stairs go wrong most easily.
        for n in 0..2 + draws.below(9) {
            let mut side = |side: u32| draws.range(-0.2, 1.2) * f64::from(side);
            let corners = [(); 3].map(|()| Coord { x: side(width), y: side(height) });
            let rule = Rule::ALL[n % Rule::ALL.len()];
            rule.fill_polygon(&corners, ClassId(pick(n)), &mut mask);
        }
    }
    mask
}

#[test]
fn drawn_masks_come_back() {
    let (mut pixels, mut points) = (0, 0);
    for sample in 0..2000 {
        let mask = drawn_mask(sample);
        pixels += mask.ids().len();
        points += assert_exact(&mask);
    }
    println!("{pixels} pixels, {points} points");
    assert!(pixels > 1_000_000 && points > 0);
}

#[test]
fn a_spiral_comes_back() {
    // One pixel wide, one pixel apart: all zero-width parts to rules that work with pixel centres.
    let side = 41_i32;
    let mut mask = Mask::filled(side as u32, side as u32, ClassId(0));
    let (mut x, mut y, mut way, mut left) = (0_i32, 0_i32, (1, 0), side - 1);
    mask.ids_mut()[0] = 1;
    let mut legs = 0;
    while left > 0 {
        for _ in 0..left {
            (x, y) = (x + way.0, y + way.1);
            mask.ids_mut()[(y * side + x) as usize] = 1;
        }
        way = (-way.1, way.0);
        legs += 1;
        if legs > 1 && legs % 2 == 1 {
            left -= 2;
        }
    }
    assert!(mask.histogram()[1] > 800);
    assert_exact(&mask);
}

/// Drawn streets at full size, by each rule.
#[test]
fn full_size_masks_come_back() {
    let labels = LabelMap::builtin("idd-level3").unwrap();
    let (width, height) = (1920, 1080);
    let options = SampleOptions { width, height, ..SampleOptions::default() };
    for drive in 0..3 {
        let shapes = scene(&options, drive, 3).objects.into_iter().map(|object| Shape {
            class: labels.class_of_label(object.label).unwrap_or(ClassId::VOID),
            points: object.polygon.into_iter().map(Coord::from).collect(),
        });
        let background = labels.background();
        let drawn = Painting { width, height, background, shapes: shapes.collect() };
        for rule in Rule::ALL {
            let mask = drawn.rasterise(rule);
            let vectorised = vectorise(&mask, &Options::exact(rule, background)).unwrap();
            assert_eq!(vectorised.painting.rasterise(rule), mask, "{rule}, {drive}");
            assert!(vectorised.painting.shapes.len() > 20);
        }
    }
}

#[test]
fn empty_and_plain_masks_need_no_more_than_one_shape() {
    for (mask, shapes) in [
        (Mask::filled(0, 7, ClassId(1)), 0),
        (Mask::filled(7, 5, ClassId(0)), 0),
        (Mask::filled(7, 5, ClassId(1)), 1),
        (Mask::filled(1, 1, ClassId(255)), 1),
    ] {
        let options = Options::exact(Rule::Pillow6, ClassId(0));
        assert_eq!(vectorise(&mask, &options).unwrap().painting.shapes.len(), shapes);
    }
}

/// No border moves farther than the tolerance and a pixel, and no gap shows the background.
#[test]
fn simplified_masks_are_near() {
    for rule in Rule::ALL {
        for (tolerance, farthest) in [(1.0, 2), (2.5, 3), (8.0, 9)] {
            let (mut sum, mut fewer) = (Deviation::default(), 0);
            for sample in 0..300 {
                let mask = drawn_mask(sample);
                let exact = Options::exact(rule, ClassId(77));
                let options = Options { simplify: tolerance, ..exact.clone() };
                let vectorised = vectorise(&mask, &options).unwrap();
                let full = vectorise(&mask, &exact).unwrap().points();
                assert!(vectorised.points() <= full);
                fewer += usize::from(vectorised.points() < full);
                sum = sum.with(vectorised.deviation);
                let painted = vectorised.painting.rasterise(rule);
                assert_eq!(Deviation::between(&mask, &painted), vectorised.deviation);
            }
            println!("{rule}, {tolerance}: {sum:?}, {fewer} with fewer points");
            assert!(sum.shift <= farthest && sum.foreign == 0, "{rule}, {tolerance}: {sum:?}");
            assert!(sum.changed > 0 && fewer > 50);
        }
    }
}

#[test]
fn small_components_are_absorbed_and_counted() {
    let mut mask = Mask::filled(9, 9, ClassId(1));
    for (at, id) in [(10, 2), (40, 3), (41, 3), (49, 3)] {
        mask.ids_mut()[at] = id;
    }
    for (min_area, absorbed, shapes) in [(0, 0, 3), (1, 0, 3), (2, 1, 2), (4, 2, 1)] {
        let options = Options { min_area, ..Options::exact(Rule::Centre, ClassId::VOID) };
        let vectorised = vectorise(&mask, &options).unwrap();
        assert_eq!((vectorised.absorbed, vectorised.painting.shapes.len()), (absorbed, shapes));
        assert_eq!(vectorised.deviation.is_none(), absorbed == 0);
    }
}

#[test]
fn senseless_tolerances_are_refused() {
    for simplify in [-1.0, f64::NAN, f64::INFINITY, 1e7] {
        let options = Options { simplify, ..Options::exact(Rule::Centre, ClassId::VOID) };
        let error = vectorise(&Mask::filled(1, 1, ClassId(0)), &options).unwrap_err();
        assert_eq!(error.fault(), crate::Fault::Usage);
        assert!(error.to_string().starts_with("simplify: is "), "{error}");
    }
}
