//! The fill rule against polygons that Pillow itself filled (`goldens/make_pillow_goldens.py`).

use canet_core::{ClassId, Mask};
use canet_data::raster::Rule;
use geo::Coord;
use serde::Deserialize;

#[derive(Deserialize)]
struct Goldens {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    kind: String,
    w: u32,
    h: u32,
    pts: Vec<[f64; 2]>,
    /// Row-major run lengths of 0, 1, 0, 1, ..., beginning with 0.
    pillow_5_4_and_6_2: Vec<usize>,
    pillow_11_3_to_13_0: Vec<usize>,
}

fn unpack(runs: &[usize]) -> Vec<u8> {
    runs.iter()
        .zip([0, 1].into_iter().cycle())
        .flat_map(|(&n, id)| std::iter::repeat_n(id, n))
        .collect()
}

#[test]
fn all_goldens_are_met_bit_for_bit() {
    let goldens: Goldens =
        serde_json::from_str(include_str!("goldens/pillow-polygon-golden.json")).unwrap();
    for (index, case) in goldens.cases.iter().enumerate() {
        let points: Vec<_> = case.pts.iter().map(|&[x, y]| Coord { x, y }).collect();
        for (rule, runs) in
            [(Rule::Pillow6, &case.pillow_5_4_and_6_2), (Rule::Pillow11, &case.pillow_11_3_to_13_0)]
        {
            let mut mask = Mask::filled(case.w, case.h, ClassId(0));
            rule.fill_polygon(&points, ClassId(1), &mut mask);
            let expected = unpack(runs);
            let wrong = mask.ids().iter().zip(&expected).filter(|(a, b)| a != b).count();
            assert_eq!(
                (mask.ids().len(), wrong),
                (expected.len(), 0),
                "{rule}, case {index}, {}",
                case.kind
            );
        }
    }
    assert_eq!(goldens.cases.len(), 150);
}
