//! What augmentation makes of a prepared data set: pictures, how much of each class, how fast.
//! `cargo run -p canet-data --example augmented -- PREPARED [AUGMENT.toml [SHEET.png]]`
//!
//! AUGMENT.toml has the keys of a configuration's `data.augment`. One epoch of the training split is
//! augmented on two threads. SHEET.png gets the first frames, each beside its mask.

#![expect(clippy::print_stdout, reason = "that is what it is for")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use canet_core::{ClassId, ClassSet};
use canet_data::augment::Augment;
use canet_data::dataset::Dataset;
use canet_data::loader::{Batch, Loader, LoaderOptions};
use image::{Rgb, RgbImage, imageops};

/// Frames across and down the sheet.
const SHEET: (u32, u32) = (4, 6);

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let folder = args.first().context("name a prepared folder")?;
    let augment: Augment = match args.get(1) {
        Some(path) => toml::from_str(&std::fs::read_to_string(path)?)?,
        None => Augment::default(),
    };
    let data = Arc::new(Dataset::open(Path::new(folder), "train")?);
    let augmenter = augment.resolve(data.classes())?;
    let options =
        LoaderOptions { batch: 1, seed: 0, epoch: 0, first_batch: 0, threads: 2, prefetch: 16 };
    let begin = Instant::now();
    let mut counts = vec![0u64; 256];
    let mut holding = vec![0u64; 256];
    let mut shown = Vec::new();
    let mut frames = 0u64;
    for batch in Loader::new(Arc::clone(&data), augmenter, options) {
        let batch = batch?;
        let mut here = [0u64; 256];
        batch.masks.iter().for_each(|&id| here[usize::from(id)] += 1);
        for (id, &count) in here.iter().enumerate() {
            counts[id] += count;
            holding[id] += u64::from(count > 0);
        }
        frames += 1;
        if shown.len() < (SHEET.0 * SHEET.1) as usize {
            shown.push(batch);
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!("{frames} frames in {seconds:.2} s, {:.0} frames/s", frames as f64 / seconds);
    let valid: u64 = counts[..255].iter().sum();
    for (id, class) in data.classes().classes.iter().enumerate() {
        let share = 100.0 * counts[id] as f64 / valid as f64;
        let frames = 100.0 * holding[id] as f64 / frames as f64;
        println!("{:<24} {share:>6.2} % of valid pixels, in {frames:>6.2} % of frames", class.name);
    }
    if let Some(path) = args.get(2) {
        sheet(&shown, data.classes()).save(path)?;
    }
    Ok(())
}

fn sheet(shown: &[Batch], classes: &ClassSet) -> RgbImage {
    let (width, height) = shown.first().map_or((1, 1), |batch| (batch.width, batch.height));
    let mut sheet = RgbImage::new(2 * width * SHEET.0, height * SHEET.1);
    for (place, batch) in (0u32..).zip(shown) {
        let (x, y) = (place % SHEET.0 * 2 * width, place / SHEET.0 * height);
        let picture = RgbImage::from_raw(batch.width, batch.height, batch.images.clone());
        let mask = RgbImage::from_fn(batch.width, batch.height, |x, y| {
            let id = batch.masks[(y * batch.width + x) as usize];
            Rgb(classes.color(ClassId(id)).0)
        });
        imageops::replace(&mut sheet, &picture.unwrap_or_default(), x.into(), y.into());
        imageops::replace(&mut sheet, &mask, (x + width).into(), y.into());
    }
    sheet
}
