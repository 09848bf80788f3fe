//! Frame files.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Result;
use canet_core::MAX_DECODED_BYTES;
use canet_data::frame_file;
use image::RgbImage;

use crate::exit::Failure;

/// Reads the one frame that a command names. That it cannot be read is the command line's fault, that
/// it is broken the file's.
pub(crate) fn read(path: &Path) -> Result<RgbImage> {
    let missing = || Failure::usage(format!("{} cannot be read", path.display()));
    let bytes = bytes(path).map_err(|error| anyhow::Error::new(error).context(missing()))?;
    Ok(frame_file::decode(&bytes, path)?)
}

/// The bytes of a frame's file; one that is larger than any frame is not read.
pub(crate) fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let length = fs::metadata(path)?.len();
    if length > MAX_DECODED_BYTES {
        let reason = format!("it has {length} bytes; {MAX_DECODED_BYTES} are possible");
        return Err(io::Error::other(reason));
    }
    fs::read(path)
}
