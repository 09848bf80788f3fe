//! Mask files from annotation files: of one file, or of a whole tree in the tree's own shape.
//!
//! Everything is decided before the first file is read ([`plan`]). Then a broken annotation is told
//! and the rest goes on; what would fail for every file, such as a full disk, ends the work.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use canet_core::{ClassSet, LabelMap, Mask, atomic};
use image::{ImageFormat, RgbImage};
use rayon::prelude::*;

use super::{Rule, rasterise};
use crate::annotation::Annotation;
use crate::findings::Finding;
use crate::vector::export::REPORT_FILE;
use crate::{Error, Fault};

/// How many files are read at once, so that what came of them is told soon and in order.
const AT_ONCE: usize = 64;

/// An annotation and where its mask goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The annotation, a JSON file of polygons.
    pub annotation: PathBuf,
    /// The mask, a PNG.
    pub mask: PathBuf,
}

/// What a mask file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Class ids, with the class colours as palette: what training and scoring read.
    Ids,
    /// The class colours themselves, in RGB, for people; void is black.
    Colours,
}

/// What came of one annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// How many objects were painted.
    pub objects: usize,
    /// Those that were not, and why.
    pub findings: Vec<Finding>,
}

/// The masks to draw: of a file, or of each `.json` in a folder and below it, in order of their names.
///
/// Hidden files and folders are left out, and links to folders are not followed. Nothing may overwrite
/// an annotation, and a tree's masks go to a folder of their own, since frames often lie beside their
/// annotations under the very names that the masks would have.
pub fn plan(input: &Path, out: &Path) -> Result<Vec<Job>, Error> {
    let refuse = |reason| Err(Error::Options { option: "output", reason });
    let folder = fs::metadata(input).map_err(Error::io("read", input))?.is_dir();
    if out.exists() && out.is_dir() != folder {
        let (kind, wanted) =
            if folder { ("file", "folder") } else { ("folder", "file, such as a.png") };
        return refuse(format!("{} is a {kind}; name a {wanted}", out.display()));
    }
    if !folder {
        if same(input, out) {
            return refuse(format!("{} is the annotation itself", out.display()));
        }
        return Ok(vec![Job { annotation: input.to_owned(), mask: out.to_owned() }]);
    }
    if same(input, out) {
        return refuse(format!("{} holds the annotations; name another folder", out.display()));
    }
    let jobs: Vec<_> = annotations_in(input)?
        .into_iter()
        .map(|annotation| {
            let below = annotation.strip_prefix(input).unwrap_or(&annotation);
            Job { mask: out.join(below).with_extension("png"), annotation }
        })
        .collect();
    if jobs.is_empty() {
        let reason = "holds no .json file".to_owned();
        return Err(Error::Layout { path: input.to_owned(), reason });
    }
    let inputs: BTreeSet<_> =
        jobs.iter().filter_map(|job| job.annotation.canonicalize().ok()).collect();
    let linked = |job: &&Job| job.mask.canonicalize().is_ok_and(|mask| inputs.contains(&mask));
    if let Some(job) = jobs.iter().find(linked) {
        return refuse(format!("{} leads to an annotation; remove the link", job.mask.display()));
    }
    Ok(jobs)
}

fn same(a: &Path, b: &Path) -> bool {
    a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

fn annotations_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(Error::io("list", &folder))? {
            let entry = entry.map_err(Error::io("list", &folder))?;
            let name = entry.file_name();
            // What `vectorise` tells of its files is none of them.
            if name.as_encoded_bytes().starts_with(b".") || name == REPORT_FILE {
                continue;
            }
            let (path, kind) =
                (entry.path(), entry.file_type().map_err(Error::io("list", &folder))?);
            if kind.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "json") && path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Draws masks on all cores and tells what came of each, in order; returns how many annotations are
/// broken. The files are the same for any number of threads.
pub fn draw_all(
    jobs: &[Job],
    labels: &LabelMap,
    rule: Rule,
    look: Look,
    mut tell: impl FnMut(&Job, &Result<Drawn, Error>),
) -> Result<usize, Error> {
    let mut broken = 0;
    for some in jobs.chunks(AT_ONCE) {
        let all: Vec<_> = some.par_iter().map(|job| draw(job, labels, rule, look)).collect();
        for (job, drawn) in some.iter().zip(all) {
            match drawn {
                Err(error) if error.fault() != Fault::Data => return Err(error),
                drawn => {
                    broken += usize::from(drawn.is_err());
                    tell(job, &drawn);
                }
            }
        }
    }
    Ok(broken)
}

/// Draws one mask and writes it; an existing one is replaced.
pub fn draw(job: &Job, labels: &LabelMap, rule: Rule, look: Look) -> Result<Drawn, Error> {
    let path = &job.annotation;
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let annotation = Annotation::parse(&bytes, path, labels)?;
    let mask = rasterise(&annotation, labels, rule);
    let png = match look {
        Look::Ids => mask.to_png(labels.classes()),
        Look::Colours => in_colours(&mask, labels.classes())
            .map_err(|e| Error::io("encode", &job.mask)(std::io::Error::other(e)))?,
    };
    atomic::write(&job.mask, &png)?;
    Ok(Drawn { objects: annotation.objects.len(), findings: annotation.findings })
}

fn in_colours(mask: &Mask, classes: &ClassSet) -> image::ImageResult<Vec<u8>> {
    let colour = |x, y| image::Rgb(classes.color(mask.at(x, y)).0);
    let picture = RgbImage::from_fn(mask.width(), mask.height(), colour);
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROAD: &str = r#"{"imgHeight": 2, "imgWidth": 3, "objects": [
        {"label": "road", "polygon": [[0, 1], [2, 1], [2, 9], [0, 9]]},
        {"label": "no such thing", "polygon": [[0, 0], [2, 0], [2, 9]]}]}"#;

    #[test]
    fn a_tree_keeps_its_shape_and_survives_a_broken_file() {
        let dir = tempfile::tempdir().unwrap();
        let (input, out) = (dir.path().join("gtFine"), dir.path().join("masks"));
        for (name, text) in [
            ("b/2.json", ROAD),
            ("b/1.json", "{"),
            ("a.json", ROAD),
            (".hidden/3.json", ROAD),
            ("b/._1.json", ROAD),
            ("b/notes.txt", ROAD),
            ("vectorise.json", "{}"),
        ] {
            atomic::write(&input.join(name), text.as_bytes()).unwrap();
        }
        let labels = LabelMap::builtin("idd-level3").unwrap();
        let jobs = plan(&input, &out).unwrap();
        let mut told = Vec::new();
        let broken = draw_all(&jobs, &labels, Rule::Pillow6, Look::Ids, |job, drawn| {
            let name = job.mask.strip_prefix(&out).unwrap().to_str().unwrap().to_owned();
            told.push((name, drawn.as_ref().ok().map(|d| (d.objects, d.findings.len()))));
        });
        assert_eq!(broken.unwrap(), 1);
        let good = Some((1, 1));
        let expected = [("a.png", good), ("b/1.png", None), ("b/2.png", good)];
        assert_eq!(told, expected.map(|(name, drawn)| (name.to_owned(), drawn)));
        let mask = Mask::read(&out.join("b/2.png"), labels.classes()).unwrap();
        assert_eq!(mask.ids(), [255, 255, 255, 0, 0, 0]);
        assert!(!out.join("b/1.png").exists() && !out.join("b/notes.png").exists());
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, empty) = (dir.path().join("in"), dir.path().join("empty"));
        let file = folder.join("a.json");
        atomic::write(&file, ROAD.as_bytes()).unwrap();
        fs::create_dir(&empty).unwrap();
        for (input, out, needle) in [
            (&file, &file, "is the annotation itself"),
            (&folder, &folder, "holds the annotations"),
            (&folder, &file, "is a file; name a folder"),
            (&file, &folder, "is a folder; name a file"),
            (&empty, &folder, "holds no .json file"),
            (&dir.path().join("none"), &folder, "cannot read"),
        ] {
            let error = plan(input, out).unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
