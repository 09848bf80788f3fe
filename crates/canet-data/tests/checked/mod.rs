//! Small trees to check, and what was found in them, for the tests of the label check.

use std::fs;
use std::path::Path;

use canet_core::{LabelMap, atomic, mix};
use canet_data::check::finding::Finding;
use canet_data::check::{Report, check};
use canet_data::dataset_spec::DatasetSpec;
use image::{Rgb, RgbImage};

/// A picture of its own for each seed, of middling brightness.
pub(crate) fn picture(path: &Path, (width, height): (u32, u32), seed: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let grey = |x: u32, y: u32| {
        let cell = u64::from(x * 18 / width) + 100 * u64::from(y * 16 / height);
        mix(seed * 10_007 + cell + 1) % 200 + 20
    };
    RgbImage::from_fn(width, height, |x, y| Rgb([grey(x, y) as u8; 3])).save(path).unwrap();
}

pub(crate) fn write(path: &Path, text: &str) {
    atomic::write(path, text.as_bytes()).unwrap();
}

pub(crate) fn run(root: &Path, dataset: &str, labels: &str) -> Report {
    let spec = DatasetSpec::builtin(dataset).unwrap();
    check(root, &spec, Some(&LabelMap::builtin(labels).unwrap()), &|_| {}).unwrap()
}

/// Findings of a subject as `kind severity pointer`.
pub(crate) fn told(report: &Report, subject: usize) -> Vec<String> {
    let of_subject = report.findings.iter().filter(|finding| finding.subject == subject);
    let line = |f: &Finding| {
        let line = format!("{} {} {}", f.what.kind().name(), f.severity.name(), f.pointer);
        line.trim_end().to_owned()
    };
    of_subject.map(line).collect()
}
