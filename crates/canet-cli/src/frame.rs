//! One frame that a command names.

use std::fs;
use std::path::Path;

use anyhow::Result;
use canet_data::frame_file;
use image::RgbImage;

use crate::exit::Failure;

/// Reads it. That it cannot be read is the command line's fault, that it is broken the file's.
pub(crate) fn read(path: &Path) -> Result<RgbImage> {
    let missing = || Failure::usage(format!("{} cannot be read", path.display()));
    let bytes = fs::read(path).map_err(|error| anyhow::Error::new(error).context(missing()))?;
    Ok(frame_file::decode(&bytes, path)?)
}
