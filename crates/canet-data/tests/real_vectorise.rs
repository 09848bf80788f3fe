//! Real masks to polygons and back, pixel by pixel. The tests are ignored unless asked for:
//! `CANET_SHARED_DATA=DIR cargo test --workspace --test real_vectorise -- --ignored`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper that fails should fail its test, and figures are for the reader of the log"
)]

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use canet_core::{LabelMap, Mask};
use canet_data::annotation::Annotation;
use canet_data::label_image;
use canet_data::raster::{Rule, rasterise};
use canet_data::vector::{Deviation, Options, vectorise};

fn shared_data() -> PathBuf {
    std::env::var_os("CANET_SHARED_DATA").expect("CANET_SHARED_DATA names the folder").into()
}

/// All label images of IDD-Lite's validation frames.
fn idd_lite_masks(labels: &LabelMap) -> Vec<Mask> {
    let file = File::open(shared_data().join("idd-lite-dev.zip")).unwrap();
    let mut archive = zip::ZipArchive::new(file).unwrap();
    let mut masks = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let name = file.enclosed_name().unwrap().to_string_lossy().into_owned();
        if name.contains("gtFine/val/") && name.ends_with("_label.png") {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            masks.push(label_image::from_png(&bytes, Path::new(&name), labels, None).unwrap());
        }
    }
    masks
}

/// Turns masks into polygons exactly and nearly, and tells how many points that takes.
fn there_and_back(name: &str, masks: &[Mask], labels: &LabelMap) {
    for rule in Rule::ALL {
        for simplify in [0.0, 1.0, 2.0] {
            let begin = Instant::now();
            let options = Options { simplify, ..Options::exact(rule, labels.background()) };
            let (mut sum, mut points, mut shapes) = (Deviation::default(), 0, 0);
            for mask in masks {
                let vectorised = vectorise(mask, &options).unwrap();
                let painted = vectorised.painting.rasterise(rule);
                assert!(simplify > 0.0 || &painted == mask);
                sum = sum.with(vectorised.deviation);
                points += vectorised.points();
                shapes += vectorised.painting.shapes.len();
            }
            println!(
                "{name}, {rule}, simplify {simplify}: {} masks in {:.2?}, {} shapes and {} points a \
                 mask, {:.4} % of the pixels changed, by up to {} px",
                masks.len(),
                begin.elapsed(),
                shapes / masks.len(),
                points / masks.len(),
                100.0 * sum.share(),
                sum.shift,
            );
            assert!(sum.share() < 0.03 && sum.foreign == 0, "{sum:?}");
            assert!(f64::from(sum.shift) <= if simplify > 0.0 { simplify + 1.0 } else { 0.0 });
        }
    }
}

#[test]
#[ignore = "needs the folder of CANET_SHARED_DATA"]
fn real_data_label_images_come_back() {
    let labels = LabelMap::builtin("idd-lite-7").unwrap();
    let masks = idd_lite_masks(&labels);
    assert_eq!(masks.len(), 200);
    there_and_back("idd-lite val", &masks, &labels);
}

#[test]
#[ignore = "needs the folder of CANET_SHARED_DATA"]
fn real_data_a_full_frame_comes_back() {
    let path = shared_data().join("idd-polygon-sample/frame0029_gtFine_polygons.json");
    let labels = LabelMap::builtin("idd-level3").unwrap();
    let annotation = Annotation::parse(&std::fs::read(&path).unwrap(), &path, &labels).unwrap();
    assert_eq!((annotation.width, annotation.height), (1920, 1080));
    let points: usize = annotation.objects.iter().map(|object| object.points().len()).sum();
    println!("drawn by hand: {} shapes, {points} points", annotation.objects.len());
    there_and_back("frame0029", &[rasterise(&annotation, &labels, Rule::Pillow6)], &labels);
}
