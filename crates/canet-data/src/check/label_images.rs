//! The check of label images: values, colours and sizes; there are no objects to look at.

use std::path::Path;

use canet_core::{LabelMap, Mask};

use super::finding::What;
use super::frame::{Notes, compare};
use super::report::Subject;
use crate::label_image::from_color_png;

/// Looks at an image of raw values: each that the map does not know is told with its first pixel.
pub(super) fn values(
    bytes: &[u8],
    path: &Path,
    labels: &LabelMap,
    subject: &mut Subject,
    notes: &mut Notes,
) {
    let mask = match Mask::from_png(bytes, path) {
        Ok(mask) => mask,
        Err(error) => {
            let reason = crate::Error::Core(error).reason();
            return notes.file("", What::UnreadableAnnotation { reason });
        }
    };
    compare(["", ""], (mask.width(), mask.height()), subject, notes);
    let mut histogram = [0; 256];
    for (value, pixels) in (0..=u8::MAX).zip(mask.histogram()).filter(|(_, pixels)| *pixels > 0) {
        if let Some(class) = labels.class_of_value(value) {
            histogram[usize::from(class.0)] += pixels;
            continue;
        }
        notes.file("", What::UnknownValue { value, pixels });
        if let Some(finding) = notes.findings.last_mut() {
            finding.area = first_pixel(&mask, value);
        }
    }
    subject.count(&histogram, labels);
}

/// Of colours that the map does not know the first refuses the file, as in preparation.
pub(super) fn colors(
    bytes: &[u8],
    path: &Path,
    labels: &LabelMap,
    subject: &mut Subject,
    notes: &mut Notes,
) {
    match from_color_png(bytes, path, labels, None) {
        Ok(mask) => {
            compare(["", ""], (mask.width(), mask.height()), subject, notes);
            subject.count(&mask.histogram(), labels);
        }
        Err(error) => {
            let reason = crate::Error::Core(error).reason();
            notes.file("", What::UnreadableAnnotation { reason });
        }
    }
}

/// The box of the first pixel of a value.
fn first_pixel(mask: &Mask, value: u8) -> Option<[f64; 4]> {
    let at = mask.ids().iter().position(|&id| id == value)?;
    let width = mask.width() as usize;
    let (x, y) = ((at % width) as f64, (at / width) as f64);
    Some([x, y, x + 1.0, y + 1.0])
}
