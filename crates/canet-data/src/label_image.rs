//! Label images: data sets whose labels come as PNGs of raw values (IDD-Lite, `CamVid`, Cityscapes).
//!
//! Each value goes through the label map. A value that the map does not know is an error that names
//! the pixel: a wrong map is found here, not as a strange loss hours later.

use std::path::Path;

use canet_core::{ClassId, Error, LabelMap, Mask};

/// Reads the classes from a label PNG's bytes; `path` names it in errors.
pub fn from_png(bytes: &[u8], path: &Path, labels: &LabelMap) -> Result<Mask, Error> {
    from_png_of_size(bytes, path, labels, None)
}

/// As [`from_png`], with a size as in [`Mask::from_png_of_size`].
pub fn from_png_of_size(
    bytes: &[u8],
    path: &Path,
    labels: &LabelMap,
    size: Option<(u32, u32)>,
) -> Result<Mask, Error> {
    let mut mask = Mask::from_png_of_size(bytes, path, size)?;
    let classes: Vec<Option<ClassId>> =
        (0..=u8::MAX).map(|value| labels.class_of_value(value)).collect();
    let width = mask.width() as usize;
    for (at, id) in mask.ids_mut().iter_mut().enumerate() {
        let Some(class) = classes[usize::from(*id)] else {
            let known: Vec<_> = (0..=u8::MAX)
                .filter(|v| classes[usize::from(*v)].is_some())
                .map(|v| v.to_string())
                .collect();
            let reason = format!(
                "pixel ({}, {}) has value {id}, but the label map {} knows only {}; choose the map of this data set",
                at % width,
                at / width,
                labels.classes().name,
                if known.is_empty() { "label names".to_owned() } else { known.join(", ") },
            );
            return Err(Error::Mask { path: path.to_owned(), reason });
        };
        *id = class.0;
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_classes() {
        let map = LabelMap::builtin("cityscapes-19").unwrap();
        let raw = Mask::from_ids(3, 1, vec![7, 33, 0]).to_png(map.classes());
        assert_eq!(from_png(&raw, Path::new("l.png"), &map).unwrap().ids(), [0, 18, 255]);
    }

    #[test]
    fn an_unknown_value_is_named_with_its_pixel_and_the_known_ones() {
        let map = LabelMap::builtin("idd-lite-7").unwrap();
        let raw = Mask::from_ids(2, 2, vec![0, 6, 255, 9]).to_png(map.classes());
        let error = from_png(&raw, Path::new("l.png"), &map).unwrap_err().to_string();
        assert!(error.contains("l.png: pixel (1, 1) has value 9"), "{error}");
        assert!(error.contains("idd-lite-7 knows only 0, 1, 2, 3, 4, 5, 6, 255"), "{error}");
    }
}
