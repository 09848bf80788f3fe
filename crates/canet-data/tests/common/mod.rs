//! A small raw tree to prepare, for several test programs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use canet_core::{LabelMap, atomic};
use canet_data::Error;
use canet_data::dataset_spec::DatasetSpec;
use canet_data::prepare::{Outcome, PrepareOptions, prepare};
use image::{Rgb, RgbImage};
use tempfile::{TempDir, tempdir};

/// The size of every frame.
pub(crate) const SIZE: (u32, u32) = (48, 32);

pub(crate) fn annotation_json(shift: u32) -> String {
    let (width, height) = SIZE;
    format!(
        r#"{{"imgHeight": {height}, "imgWidth": {width}, "objects": [
        {{"label": "sky", "polygon": [[0, 0], [{width}, 0], [{width}, 12], [0, {}]]}},
        {{"label": "road", "polygon": [[0, 20], [47, 18], [47, 31], [0, 31]], "deleted": 0}},
        {{"label": "car", "polygon": [[{shift}, 10], [30, 10.5], [33, 25], [8, 2e1]], "id": 7}},
        {{"label": "ground", "polygon": [[1, 1], [2, 2], [3, 1]]}},
        {{"label": "car", "polygon": [[1, 1], [2, 2]]}},
        {{"label": "car", "polygon": [[1, 1], [2, 2], [3, 1]], "deleted": 1}}]}}"#,
        12 + shift % 5
    )
}

pub(crate) fn picture(path: &Path, (width, height): (u32, u32), shift: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 5) as u8, (y * 7) as u8, shift as u8]))
        .save(path)
        .unwrap();
}

/// A raw tree of 5 drives with `per_drive` frames each, in the assignment's layout.
pub(crate) fn raw_tree(per_drive: u32) -> TempDir {
    let dir = tempdir().unwrap();
    for n in 0..5 * per_drive {
        let (drive, extension) = (n / per_drive, if n % 2 == 0 { "jpg" } else { "png" });
        let base = dir.path().join("data");
        picture(&base.join(format!("images/{drive}/{n:04}.{extension}")), SIZE, n);
        let json = base.join(format!("masks/{drive}/{n:04}.json"));
        atomic::write(&json, annotation_json(n).as_bytes()).unwrap();
    }
    dir
}

pub(crate) fn options(out: &Path) -> PrepareOptions {
    let label_map = Some(LabelMap::builtin("idd-level3").unwrap());
    PrepareOptions { seed: 3, label_map, ..PrepareOptions::new(out) }
}

pub(crate) fn prepare_assignment(raw: &Path, options: &PrepareOptions) -> Result<Outcome, Error> {
    prepare(raw, &DatasetSpec::builtin("assignment").unwrap(), options, &|_| {})
}

/// All files below a folder with their bytes.
pub(crate) fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(
                    path.strip_prefix(folder).unwrap().to_owned(),
                    fs::read(&path).unwrap(),
                );
            }
        }
    }
    files
}
