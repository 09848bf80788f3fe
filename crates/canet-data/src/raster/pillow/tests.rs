//! Small outlines by hand, and rounding.

use super::*;

fn fill(points: &[(f64, f64)]) -> String {
    let mut mask = Mask::filled(6, 4, ClassId(0));
    let points: Vec<_> = points.iter().map(|&(x, y)| Coord { x, y }).collect();
    Filler::new(Family::Six).fill(&points, ClassId(1), &mut mask);
    let row = |ids: &[u8]| ids.iter().map(|&id| if id == 1 { '#' } else { '.' }).collect();
    mask.ids().chunks(6).map(row).collect::<Vec<String>>().join("/")
}

#[test]
fn small_outlines_by_hand() {
    for (name, points, expected) in [
        ("nothing", &[][..], "....../....../....../......"),
        (
            "a box, edges included",
            &[(1., 1.), (3., 1.), (3., 2.), (1., 2.)],
            "....../.###../.###../......",
        ),
        (
            "truncated toward zero",
            &[(1.9, 1.9), (3.9, 1.1), (3.2, 2.9), (1.5, 2.)],
            "....../.###../.###../......",
        ),
        ("-0.9 is 0", &[(-0.9, -0.9), (0.9, -0.9), (0., 1.)], "#...../#...../....../......"),
        ("a point", &[(2., 1.), (2., 1.), (2., 1.)], "....../..#.../....../......"),
        ("a row", &[(1., 1.), (4., 1.), (2., 1.)], "....../.####./....../......"),
        ("a column", &[(1., 0.), (1., 2.), (1., 1.)], ".#..../.#..../.#..../......"),
        ("outside", &[(7., 0.), (9., 0.), (9., 3.)], "....../....../....../......"),
        (
            "all around",
            &[(-9., -9.), (19., -9.), (19., 19.), (-9., 19.)],
            "######/######/######/######",
        ),
        (
            "far around",
            &[(-1e9, -1e9), (1e9, -1e9), (1e9, 1e9), (-1e9, 1e9)],
            "######/######/######/######",
        ),
        (
            "beyond 32 bits",
            &[(-1e300, -1e300), (1e300, -1e300), (1e300, 1e300), (-1e300, 1e300)],
            "######/######/######/######",
        ),
        (
            "open and closed are one",
            &[(1., 1.), (3., 1.), (3., 2.), (1., 2.), (1., 1.)],
            "....../.###../.###../......",
        ),
    ] {
        assert_eq!(fill(points), expected, "{name}");
    }
}

#[test]
fn whole_numbers_are_those_of_the_library() {
    for bits in (0..u32::MAX).step_by(65_537) {
        let x = f32::from_bits(bits);
        // Crossings are finite and within the squares of 32 bits.
        if x.abs() < 1e18 {
            assert_eq!(rounded(x).to_bits(), x.round().to_bits(), "{x}");
        }
    }
}

#[test]
fn halves_round_apart() {
    for (x, up, down) in [(1.5, 2, 1), (-1.5, -2, -1), (0.5, 1, 0), (-0.5, -1, 0), (2.25, 2, 2)] {
        assert_eq!((round_up(x), round_down(x)), (up, down), "{x}");
    }
}
