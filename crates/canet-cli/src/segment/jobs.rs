//! Which frames to segment, and how their files are called.
//!
//! A file's pictures go straight into the output folder, a folder's keep their place below it:
//!
//! ```text
//! canet segment --out OUT a.jpg drives        drives/007/b.jpg
//!
//! OUT/a_mask.png      OUT/007/b_mask.png      and likewise all other files of a frame
//! ```
//!
//! Everything is decided before the first frame is read, and what would overwrite another result or
//! a frame is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::exit::Failure;

/// One frame to segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// The frame's file; of a stream's frame, what people call it.
    pub(crate) frame: PathBuf,
    /// The name of its image in annotations: below the folder that was given, with `/`.
    pub(crate) image: String,
    /// Its place below the output folder, but for what each file adds to it.
    place: PathBuf,
}

impl Job {
    fn new(frame: PathBuf, below: &Path) -> Self {
        let parts = below.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        });
        let image = parts.collect::<Vec<_>>().join("/");
        Self { frame, image, place: below.with_extension("") }
    }

    /// Of a stream's frame.
    pub(crate) fn of_stream(number: u64) -> Self {
        let place = PathBuf::from(format!("frame_{number:06}"));
        let image = format!("{}.png", place.display());
        Self { frame: format!("frame {number}").into(), image, place }
    }

    /// A file in the output folder that adds `suffix` to the frame's name.
    pub(crate) fn file(&self, out: &Path, suffix: &str) -> PathBuf {
        let mut path = out.join(&self.place).into_os_string();
        path.push(suffix);
        path.into()
    }

    /// A file in the output folder that has a name of its own.
    pub(crate) fn sibling(&self, out: &Path, name: &str) -> PathBuf {
        out.join(&self.place).with_file_name(name)
    }
}

/// All frames in `paths`, by their places.
pub(crate) fn find(paths: &[PathBuf], out: &Path) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for path in expanded(paths)? {
        let missing = || Failure::usage(format!("{} cannot be found", path.display()));
        let metadata = fs::metadata(&path).map_err(|_| missing())?;
        if metadata.is_dir() {
            for frame in frames_in(&path, out)? {
                let below = frame.strip_prefix(&path).unwrap_or(&frame).to_owned();
                jobs.push(Job::new(frame, &below));
            }
        } else if metadata.is_file() && is_frame(&path) {
            let name = PathBuf::from(path.file_name().unwrap_or_default());
            jobs.push(Job::new(path, &name));
        } else {
            let name = path.display();
            bail!(Failure::usage(format!("{name} is neither a folder nor a .jpg, .jpeg or .png")));
        }
    }
    if jobs.is_empty() {
        bail!(Failure::usage("there is no .jpg, .jpeg or .png in the given folders"));
    }
    jobs.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(jobs)
}

/// Refuses what would write a file twice, or over a frame. `files` are those of a job.
pub(crate) fn check(jobs: &[Job], files: impl Fn(&Job) -> Vec<PathBuf>) -> Result<()> {
    let real = |path: &Path| path.canonicalize().ok();
    let frames: BTreeSet<_> = jobs.iter().filter_map(|job| real(&job.frame)).collect();
    let mut taken = BTreeMap::<PathBuf, &Path>::new();
    for job in jobs {
        for file in files(job) {
            let name = file.display();
            if real(&file).is_some_and(|file| frames.contains(&file)) {
                bail!(Failure::usage(format!(
                    "{name} is a frame and would be overwritten; choose another --out"
                )));
            }
            if let Some(other) = taken.get(&file) {
                bail!(Failure::usage(format!(
                    "{} and {} would both become {name}; give them two output folders",
                    other.display(),
                    job.frame.display(),
                )));
            }
            taken.insert(file, &job.frame);
        }
    }
    Ok(())
}

/// The paths, with those patterns expanded that a shell has left alone: quoted ones, and all on
/// Windows. What is there under its own name is no pattern.
fn expanded(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in paths {
        let pattern = path.to_str().filter(|text| text.contains(['*', '?', '[']));
        let Some(pattern) = pattern.filter(|_| !path.exists()) else {
            all.push(path.clone());
            continue;
        };
        let wrong = |error| Failure::usage(format!("{pattern} is no pattern: {error}"));
        let before = all.len();
        // Sorted by name.
        for found in glob::glob(pattern).map_err(wrong)? {
            all.push(found.map_err(std::io::Error::from).context("cannot expand a pattern")?);
        }
        if all.len() == before {
            bail!(Failure::usage(format!("{pattern} matches nothing")));
        }
    }
    Ok(all)
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
    Ok(frames)
}

fn is_frame(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_name_their_files_and_images() {
        let job = Job::new("drives/007/b.v2.jpg".into(), Path::new("007/b.v2.jpg"));
        assert_eq!(job.image, "007/b.v2.jpg");
        assert_eq!(job.file(Path::new("out"), "_mask.png"), Path::new("out/007/b.v2_mask.png"));
        assert_eq!(job.sibling(Path::new("out"), "x.json"), Path::new("out/007/x.json"));
        let job = Job::of_stream(17);
        assert_eq!(job.image, "frame_000017.png");
        assert_eq!(job.file(Path::new("out"), ".png"), Path::new("out/frame_000017.png"));
    }

    #[test]
    fn files_that_meet_are_refused() {
        let job = |name: &str| Job::new(name.into(), Path::new(name));
        let files = |job: &Job| [".png", "_mask.png"].map(|s| job.file("".as_ref(), s)).to_vec();
        check(&[job("a.jpg"), job("b.jpg")], files).unwrap();
        let error = check(&[job("a.jpg"), job("a_mask.jpg")], files).unwrap_err().to_string();
        assert!(error.contains("a.jpg and a_mask.jpg would both become a_mask.png"), "{error}");
    }
}
