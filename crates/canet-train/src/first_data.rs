//! Finding the data when the user names none, and making the sample when there is none.

use std::path::{Path, PathBuf};

use canet_data::dataset_spec::DatasetSpec;
use canet_data::manifest;
use canet_data::prepare::{PrepareOptions, prepare};
use canet_data::sample::{SampleOptions, write_tree};

use crate::{Error, Result};

/// The sample's name in `data/`.
pub const SAMPLE: &str = "sample";
/// The share of the sample's drives that is scored.
const VAL_SHARE: f64 = 0.2;

/// The prepared folder to train on: the only one in `root` beside the sample, else the sample, which
/// is drawn and prepared first if `root` holds nothing.
pub fn find_or_make(root: &Path) -> Result<PathBuf> {
    let mut prepared: Vec<PathBuf> = std::fs::read_dir(root)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    prepared.retain(|path| path.join(manifest::FILE_NAME).exists());
    prepared.sort();
    let sample = root.join(SAMPLE);
    let others: Vec<&PathBuf> = prepared.iter().filter(|path| **path != sample).collect();
    match others.as_slice() {
        [] if prepared.is_empty() => {
            tracing::info!("{} holds no prepared data: drawing the sample", root.display());
            make_sample(&sample, &SampleOptions::default())?;
            Ok(sample)
        }
        [] => Ok(sample),
        [only] => Ok((*only).clone()),
        several => {
            let names: Vec<String> =
                several.iter().map(|path| path.display().to_string()).collect();
            Err(Error::config("--data", format!("choose one of {}", names.join(", "))))
        }
    }
}

/// Draws the sample's streets beside `out`, prepares them into `out`, and removes the raw tree.
pub fn make_sample(out: &Path, options: &SampleOptions) -> Result<()> {
    let raw = out.with_file_name(".sample-raw");
    write_tree(options, &raw)?;
    let spec = DatasetSpec::builtin(SAMPLE)?;
    let prepare_options = PrepareOptions { val_share: VAL_SHARE, ..PrepareOptions::new(out) };
    prepare(&raw, &spec, &prepare_options, &|_| {})?;
    std::fs::remove_dir_all(&raw)
        .map_err(|e| Error::run(&raw, format!("cannot be removed after use: {e}")))
}
