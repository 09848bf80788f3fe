//! Draws a few streets and writes their polygons in every format, for other programs to open.
//!
//! `cargo run -p canet-data --example write_formats -- OUT`
//!
//! `OUT/truth.json` says what must be found; `tests/readers/open_written_files.py` looks for it with
//! the tools' own readers. Corners are moved off the pixel grid, so that digits can be lost.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use canet_core::{LabelMap, atomic};
use canet_data::annotation::Annotation;
use canet_data::format::{self, Format, Gathered, Note};
use canet_data::painting::Painting;
use canet_data::sample::{self, SampleOptions};
use serde_json::{Map, Value, json};

fn main() -> Result<()> {
    let out: PathBuf = std::env::args_os().nth(1).context("name a folder to write to")?.into();
    let options = SampleOptions { drives: 3, frames_per_drive: 4, ..SampleOptions::default() };
    sample::write_tree(&options, &out)?;
    let labels = LabelMap::builtin("assignment-21")?;
    let mut note = Note::new();
    note.insert("rule".into(), "pillow-6".into());
    note.insert("remark".into(), "a -- b & <c> \"d\"".into());

    let formats = || Format::ALL.into_iter();
    let mut gathered: Vec<_> =
        formats().filter_map(|f| Some((f, Gathered::new(f, &labels)?))).collect();
    let mut truth = Map::new();
    for drive in 0..options.drives {
        for frame in 0..options.frames_per_drive {
            let stem = format!("{drive:03}/frame{frame:04}");
            let image = format!("{stem}.jpg");
            let painting = painting(&out.join("masks").join(stem + ".json"), &labels)?;
            for format in formats().filter(|format| format.is_per_frame()) {
                let folder = out.join(format.name()).join(format!("{drive:03}"));
                let from_there = format!("../../images/{image}");
                let bytes = format::write(format, &painting, &labels, &from_there, Some(&note))?;
                atomic::write(&folder.join(format.file_name(&image)), &bytes)?;
            }
            for (_, file) in &mut gathered {
                file.add(&painting, &image, Some(&note))?;
            }
            truth.insert(image, truth_of(&painting, &labels));
        }
    }
    for (format, file) in gathered {
        atomic::write(&out.join(format.file_name("")), &file.finish())?;
    }
    let truth = json!({"note": note, "frames": truth});
    atomic::write(&out.join("truth.json"), &serde_json::to_vec(&truth)?)?;
    Ok(())
}

fn painting(path: &Path, labels: &LabelMap) -> Result<Painting> {
    let annotation = Annotation::parse(&std::fs::read(path)?, path, labels)?;
    let mut painting = Painting::of(&annotation, labels);
    for (n, point) in painting.shapes.iter_mut().flat_map(|shape| &mut shape.points).enumerate() {
        point.x += (n % 7) as f64 / 7.0;
        point.y -= (n % 3) as f64 / 30.0;
    }
    Ok(painting)
}

fn truth_of(painting: &Painting, labels: &LabelMap) -> Value {
    let objects = painting.shapes.iter().map(|shape| {
        let points: Vec<_> = shape.points.iter().map(|p| [p.x, p.y]).collect();
        json!({"label": labels.label_of_class(shape.class), "points": points})
    });
    json!({
        "width": painting.width,
        "height": painting.height,
        "objects": objects.collect::<Vec<_>>(),
    })
}
