//! Writes what Pillow is compared on: the outlines and frames of the tests, as JSON.
//!
//! ```text
//! cargo run -p canet-data --example raster_inputs -- DIR
//!
//! DIR/outlines.json           2,000 outlines, for tests/goldens/make_pillow_hashes.py
//! DIR/frames/crowd0.json      whole frames as annotations, for that script and benches/rasterise.py
//! DIR/frames/masks/...        the same of the drawn sample (the frames themselves are in DIR/frames/images)
//! ```

use std::path::PathBuf;

use canet_core::atomic;
use canet_data::sample::{SampleOptions, write_tree};
use geo::Coord;
use serde_json::{Value, json};

#[path = "../tests/outlines/mod.rs"]
mod outlines;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = PathBuf::from(std::env::args_os().nth(1).ok_or("name a folder to write to")?);
    let all: Vec<_> = (0..2000)
        .map(outlines::outline)
        .map(|o| json!({"kind": o.kind, "w": o.width, "h": o.height, "pts": corners(&o.points)}))
        .collect();
    atomic::write(&dir.join("outlines.json"), &serde_json::to_vec(&all)?)?;
    for seed in 0..4 {
        let objects: Vec<_> = outlines::crowd(seed)
            .iter()
            .map(|points| json!({"label": "road", "polygon": corners(points)}))
            .collect();
        let frame = json!({"imgHeight": 1080, "imgWidth": 1920, "objects": objects});
        let path = dir.join(format!("frames/crowd{seed}.json"));
        atomic::write(&path, &serde_json::to_vec(&frame)?)?;
    }
    let sample =
        SampleOptions { width: 1920, height: 1080, drives: 2, frames_per_drive: 2, seed: 5 };
    write_tree(&sample, &dir.join("frames"))?;
    Ok(())
}

fn corners(points: &[Coord<f64>]) -> Value {
    points.iter().map(|p| json!([p.x, p.y])).collect()
}
