//! The drawings of `data-spec/rasterisation.md` are what the code paints.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

use canet_core::{ClassId, Mask};
use canet_data::raster::Rule;
use geo::Coord;

/// Columns between two drawings.
const GAP: &str = "   ";

/// A block: its first line, which says what is drawn, and a drawing by each rule.
fn drawn(title: &str) -> String {
    let (corners, size) = title.split_once(" on ").unwrap();
    let numbers = |text: &str, by: &str| -> Vec<f64> {
        text.split(by).map(|number| number.trim().parse().unwrap()).collect()
    };
    let corners = corners.trim_matches(['(', ')']).split(") (").map(|pair| numbers(pair, ","));
    let points: Vec<_> = corners.map(|pair| Coord { x: pair[0], y: pair[1] }).collect();
    let size = numbers(size, "x");
    let (width, height) = (size[0] as u32, size[1] as u32);
    let wide = Rule::ALL.map(|rule| rule.name().len().max(width as usize));
    let mut lines = vec![String::new(); height as usize + 1];
    for (rule, wide) in Rule::ALL.into_iter().zip(wide) {
        let mut mask = Mask::filled(width, height, ClassId(0));
        rule.fill_polygon(&points, ClassId(1), &mut mask);
        lines[0].extend([&format!("{:wide$}", rule.name()), GAP]);
        for (line, row) in lines[1..].iter_mut().zip(mask.ids().chunks(width as usize)) {
            let row: String = row.iter().map(|&id| if id == 1 { '#' } else { '.' }).collect();
            line.extend([&format!("{row:wide$}"), GAP]);
        }
    }
    let lines: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
    format!("{title}\n\n{}\n", lines.join("\n"))
}

#[test]
fn every_drawing_is_what_the_code_paints() {
    let document = include_str!("../../../data-spec/rasterisation.md");
    let blocks: Vec<_> = document.split("```text\n").skip(1).collect();
    for block in &blocks {
        let (block, _) = block.split_once("```").unwrap();
        let expected = drawn(block.lines().next().unwrap());
        assert!(block == expected, "the document should have\n{expected}");
    }
    assert_eq!(blocks.len(), 8);
}
