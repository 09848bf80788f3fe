//! The picture in a body: looked at when it comes, decoded when its turn is near.

use std::path::Path;

use canet_data::{Error, frame_file};
use image::{ImageFormat, RgbImage};

use crate::Reason;
use crate::refusal::Refusal;

/// What stands for the picture in messages and annotation files; what the client calls it is not used.
pub(crate) fn name(format: ImageFormat) -> &'static str {
    if format == ImageFormat::Jpeg { "frame.jpg" } else { "frame.png" }
}

/// Refuses by its first bytes what is neither JPEG nor PNG, by its header what is too large, and a
/// JPEG without an end. Returns its kind.
pub(crate) fn look(bytes: &[u8], max_pixels: u64) -> Result<ImageFormat, Refusal> {
    let guessed = image::guess_format(bytes);
    let Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png)) = guessed else {
        let message = "the body is neither a JPEG nor a PNG; send the picture's own bytes, or a form with the field image";
        return Err(Refusal::new(Reason::NotAPicture, message));
    };
    let (width, height) = frame_file::size(bytes, Path::new(name(format))).map_err(refused)?;
    let pixels = u64::from(width) * u64::from(height);
    if pixels > max_pixels {
        let message = format!(
            "the picture has {width}x{height} = {pixels} pixels; {max_pixels} are taken here"
        );
        return Err(Refusal::new(Reason::PictureTooLarge, message));
    }
    Ok(format)
}

/// All pixels of a picture that was looked at.
pub(crate) fn decode(bytes: &[u8], format: ImageFormat) -> Result<RgbImage, Refusal> {
    frame_file::decode(bytes, Path::new(name(format))).map_err(refused)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn refused(error: Error) -> Refusal {
    let reason = match error {
        Error::FrameTooLarge { .. } => Reason::PictureTooLarge,
        _ => Reason::BrokenPicture,
    };
    Refusal::new(reason, format!("the picture {}", error.reason()))
}
