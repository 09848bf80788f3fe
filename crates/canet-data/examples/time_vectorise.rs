//! How long masks of 1920x1080 take to become polygons, and how many points that makes:
//! `cargo run --release -p canet-data --example time_vectorise [FRAMES]`.
//!
//! The masks are those of drawn streets, filled by the rule that is then asked for. For each rule the
//! rasterisation, which every call does once to check itself, stands beside the whole.

#![expect(clippy::print_stdout, reason = "a program that reports on its standard output")]

use std::time::{Duration, Instant};

use canet_core::{ClassId, LabelMap, Mask};
use canet_data::Error;
use canet_data::painting::{Painting, Shape};
use canet_data::raster::Rule;
use canet_data::sample::{SampleOptions, scene};
use canet_data::vector::{Deviation, Options, vectorise};
use geo::Coord;

fn main() -> Result<(), Error> {
    let frames = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(8);
    let labels = LabelMap::builtin("idd-level3")?;
    let drawn: Vec<Painting> = (0..frames).map(|n| street(n, &labels)).collect();
    println!("rule        simplify  ms/frame  of it fill  shapes  points  changed    shift");
    for rule in Rule::ALL {
        let masks: Vec<Mask> = drawn.iter().map(|painting| painting.rasterise(rule)).collect();
        for simplify in [0.0, 1.0, 2.0] {
            let options = Options { simplify, ..Options::exact(rule, labels.background()) };
            report(&masks, &options)?;
        }
    }
    Ok(())
}

/// A drawn street at full size.
fn street(drive: u32, labels: &LabelMap) -> Painting {
    let (width, height) = (1920, 1080);
    let options = SampleOptions { width, height, ..SampleOptions::default() };
    let shapes = scene(&options, drive, 0).objects.into_iter().map(|object| Shape {
        class: labels.class_of_label(object.label).unwrap_or(ClassId::VOID),
        points: object.polygon.into_iter().map(Coord::from).collect(),
    });
    Painting { width, height, background: labels.background(), shapes: shapes.collect() }
}

fn report(masks: &[Mask], options: &Options) -> Result<(), Error> {
    let (mut whole, mut fill) = (Duration::ZERO, Duration::ZERO);
    let (mut shapes, mut points, mut deviation) = (0, 0, Deviation::default());
    for mask in masks {
        let begin = Instant::now();
        let vectorised = vectorise(mask, options)?;
        whole += begin.elapsed();
        let begin = Instant::now();
        std::hint::black_box(vectorised.painting.rasterise(options.rule));
        fill += begin.elapsed();
        shapes += vectorised.painting.shapes.len();
        points += vectorised.points();
        deviation = deviation.with(vectorised.deviation);
    }
    let of = |time: Duration| 1e3 * time.as_secs_f64() / masks.len() as f64;
    println!(
        "{:<11} {:>8} {:>9.1} {:>11.1} {:>7} {:>7} {:>7.3}% {:>6} px",
        options.rule.name(),
        options.simplify,
        of(whole),
        of(fill),
        shapes / masks.len(),
        points / masks.len(),
        100.0 * deviation.share(),
        deviation.shift,
    );
    Ok(())
}
