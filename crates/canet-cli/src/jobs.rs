//! Which frames to segment, and where their pictures go.
//!
//! A file's pictures go straight into the output folder, a folder's keep their place below it:
//!
//! ```text
//! canet segment --out OUT a.jpg drives        drives/007/b.jpg
//!
//! OUT/a_mask.png      OUT/007/b_mask.png      and likewise _color.png and _overlay.png
//! ```
//!
//! Everything is decided before the first frame is read, and what would overwrite another result or
//! a frame is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::exit::Failure;

/// What the pictures of a frame add to its name.
pub(crate) const SUFFIXES: [&str; 3] = ["_mask.png", "_color.png", "_overlay.png"];

/// One frame to segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// The frame's file.
    pub(crate) frame: PathBuf,
    /// Where its pictures go, but for their [`SUFFIXES`].
    stem: PathBuf,
}

impl Job {
    /// The file of a picture.
    pub(crate) fn picture(&self, suffix: &str) -> PathBuf {
        let mut path = self.stem.clone().into_os_string();
        path.push(suffix);
        path.into()
    }
}

/// All frames in `paths`, by the names of their pictures.
pub(crate) fn plan(paths: &[PathBuf], out: &Path) -> Result<Vec<Job>> {
    let mut by_stem = BTreeMap::new();
    for path in paths {
        let missing = || Failure::usage(format!("{} cannot be found", path.display()));
        if fs::metadata(path).map_err(|_| missing())?.is_dir() {
            for frame in frames_in(path, out)? {
                let below = frame.strip_prefix(path).unwrap_or(&frame).with_extension("");
                add(&mut by_stem, out.join(below), frame)?;
            }
        } else if is_frame(path) {
            let name = path.file_stem().unwrap_or_default();
            add(&mut by_stem, out.join(name), path.clone())?;
        } else {
            let name = path.display();
            bail!(Failure::usage(format!("{name} is neither a folder nor a .jpg, .jpeg or .png")));
        }
    }
    if by_stem.is_empty() {
        bail!(Failure::usage("there is no .jpg, .jpeg or .png in the given folders"));
    }
    let jobs: Vec<_> = by_stem.into_iter().map(|(stem, frame)| Job { frame, stem }).collect();
    spare_the_frames(&jobs)?;
    Ok(jobs)
}

fn add(by_stem: &mut BTreeMap<PathBuf, PathBuf>, stem: PathBuf, frame: PathBuf) -> Result<()> {
    if let Some(other) = by_stem.get(&stem) {
        bail!(Failure::usage(format!(
            "{} and {} would both become {}_mask.png; give them two output folders",
            other.display(),
            frame.display(),
            stem.display()
        )));
    }
    by_stem.insert(stem, frame);
    Ok(())
}

/// The frames in a folder and below it, but not in `out`: an earlier run's pictures are no frames.
/// Hidden files and folders are left out, as archives made on macOS hold a `._name` for each name.
/// Links to folders are not followed, as they could lead in circles.
fn frames_in(folder: &Path, out: &Path) -> Result<Vec<PathBuf>> {
    let out = out.canonicalize().ok();
    let is_out = |path: &Path| out.is_some() && path.canonicalize().ok() == out;
    if is_out(folder) {
        let name = folder.display();
        bail!(Failure::usage(format!("{name} is the output folder, too; choose another --out")));
    }
    let (mut frames, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let cannot = || format!("cannot list {}", folder.display());
        for entry in fs::read_dir(&folder).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let (path, kind) = (entry.path(), entry.file_type().with_context(cannot)?);
            if kind.is_dir() && !is_out(&path) {
                folders.push(path);
            } else if !kind.is_dir() && is_frame(&path) && path.is_file() {
                frames.push(path);
            }
        }
    }
    frames.sort();
    Ok(frames)
}

fn is_frame(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn spare_the_frames(jobs: &[Job]) -> Result<()> {
    let real = |path: &Path| path.canonicalize().ok();
    let frames: BTreeSet<_> = jobs.iter().filter_map(|job| real(&job.frame)).collect();
    for job in jobs {
        for picture in SUFFIXES.map(|suffix| job.picture(suffix)) {
            if real(&picture).is_some_and(|picture| frames.contains(&picture)) {
                let name = picture.display();
                bail!(Failure::usage(format!(
                    "{name} is a frame and would be overwritten; choose another --out"
                )));
            }
        }
    }
    Ok(())
}
