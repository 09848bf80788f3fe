//! Which masks there are, and what their polygons' files are called.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Export, REPORT_FILE};
use crate::Error;

/// What names of masks add to the name of their frame: those of `canet segment` and of IDD-Lite.
const MASK_SUFFIXES: [&str; 2] = ["_mask", "_label"];

/// What names of label images add in IDD and Cityscapes, before the kind of label.
const LABEL_INFIX: &str = "_gtFine_label";

/// Pictures that `canet segment` puts beside its masks.
const OTHER_PICTURES: [&str; 3] = ["_color.png", "_overlay.png", "_confidence.png"];

/// How deep folders may lie in each other; links that lead in circles end here.
const DEPTH: usize = 32;

/// A mask to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) path: PathBuf,
    /// Its name relative to the folder that was given, with `/`.
    pub(super) name: String,
    /// The frame's image, likewise.
    pub(super) image: String,
    /// The file of polygons, relative to the output folder.
    pub(super) file: String,
}

/// All masks, by name. Two that would become one file are refused.
pub(super) fn plan(masks: &Path, out: &Path, export: &Export) -> Result<Vec<Job>, Error> {
    let metadata = fs::metadata(masks).map_err(Error::io("read", masks))?;
    let jobs: Vec<Job> = if metadata.is_dir() {
        let mut found = Vec::new();
        walk(masks, "", out.canonicalize().ok().as_deref(), DEPTH, &mut found)?;
        found.into_iter().map(|(path, name)| job(path, name, export)).collect()
    } else {
        let name = masks.file_name().unwrap_or_default().to_string_lossy().into_owned();
        vec![job(masks.to_owned(), name, export)]
    };
    if jobs.is_empty() {
        let reason = "holds no mask; masks are .png files with one class id a pixel".to_owned();
        return Err(Error::Layout { path: masks.to_owned(), reason });
    }
    refuse_collisions(&jobs, export)?;
    Ok(jobs)
}

fn job(path: PathBuf, name: String, export: &Export) -> Job {
    let image = format!("{}{}", frame_of(&name), export.image_suffix);
    let file = if export.format.is_per_frame() {
        let folder = image.rfind('/').map_or("", |at| &image[..=at]);
        format!("{folder}{}", export.format.file_name(&image))
    } else {
        export.format.file_name("")
    };
    Job { path, name, image, file }
}

/// The name of a mask's frame.
fn frame_of(mask: &str) -> &str {
    let is_png = mask.get(mask.len().saturating_sub(4)..).is_some_and(is_png_extension);
    let stem = if is_png { &mask[..mask.len() - 4] } else { mask };
    if let Some((frame, _)) = stem.rsplit_once(LABEL_INFIX) {
        return frame;
    }
    MASK_SUFFIXES.iter().find_map(|suffix| stem.strip_suffix(suffix)).unwrap_or(stem)
}

fn is_png_extension(extension: &str) -> bool {
    extension.eq_ignore_ascii_case(".png")
}

fn refuse_collisions(jobs: &[Job], export: &Export) -> Result<(), Error> {
    let mut taken = BTreeMap::from([(REPORT_FILE, "the report")]);
    for job in jobs {
        let key = if export.format.is_per_frame() { &job.file } else { &job.image };
        if let Some(other) = taken.insert(key, &job.name) {
            return Err(Error::Options {
                option: "masks",
                reason: format!(
                    "{} and {other} would both become {key}; take them from two folders",
                    job.name
                ),
            });
        }
    }
    Ok(())
}

/// Finds the masks of a folder and of those in it, sorted; hidden ones and the output folder are left
/// out.
fn walk(
    folder: &Path,
    below: &str,
    out: Option<&Path>,
    depth: usize,
    found: &mut Vec<(PathBuf, String)>,
) -> Result<(), Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let name = entry.map_err(Error::io("list", folder))?.file_name();
        match name.into_string() {
            Ok(name) if !name.starts_with('.') => names.push(name),
            Ok(_) => {}
            Err(name) => {
                tracing::warn!(?name, folder = %folder.display(), "left out a name that is no Unicode");
            }
        }
    }
    names.sort();
    for name in names {
        let path = folder.join(&name);
        // A dangling link is no file.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        let place = format!("{below}{name}");
        if metadata.is_dir() {
            if depth > 0 && (out.is_none() || path.canonicalize().ok().as_deref() != out) {
                walk(&path, &format!("{place}/"), out, depth - 1, found)?;
            }
        } else if is_mask(&name) {
            found.push((path, place));
        }
    }
    Ok(())
}

fn is_mask(name: &str) -> bool {
    name.get(name.len().saturating_sub(4)..).is_some_and(is_png_extension)
        && !OTHER_PICTURES.iter().any(|other| name.ends_with(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use canet_core::LabelMap;

    #[test]
    fn masks_lend_their_names_to_frames() {
        let labels = LabelMap::builtin("idd-level3").unwrap();
        for (mask, image, idd, labelme) in [
            ("a.png", "a.jpg", "a_gtFine_polygons.json", "a.json"),
            ("7/a_mask.PNG", "7/a.jpg", "7/a_gtFine_polygons.json", "7/a.json"),
            (
                "x_mask/b_label.png",
                "x_mask/b.jpg",
                "x_mask/b_gtFine_polygons.json",
                "x_mask/b.json",
            ),
            ("0_gtFine_labellevel3Ids.png", "0.jpg", "0_gtFine_polygons.json", "0.json"),
            ("frame", "frame.jpg", "frame_gtFine_polygons.json", "frame.json"),
        ] {
            for (format, file) in [
                (Format::Idd, idd),
                (Format::LabelMe, labelme),
                (Format::Cvat, "annotations.xml"),
                (Format::Coco, "instances.json"),
            ] {
                let job = job(mask.into(), mask.into(), &Export::exact(&labels, format));
                assert_eq!((&*job.image, &*job.file), (image, file), "{mask}");
            }
        }
        assert!(is_mask("a.png") && !is_mask("a_color.png") && !is_mask("a.jpg") && !is_mask("é"));
    }
}
