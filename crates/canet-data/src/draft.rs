//! A draft: the data set file and the label map of a tree that nobody has described yet.
//!
//! The tree is looked at once: which files are frames and annotations (`survey`), how their paths
//! differ (`shape`), which patterns these make (`guess`), which labels, values or colours the
//! annotations hold (`tally`), and which known classes these may be (`classes`). What is guessed
//! is said in the files as comments, and both files are read back before anything is claimed: the
//! number of frames told is that which the drafted file finds.

mod classes;
mod guess;
mod kind;
mod lists;
mod shape;
mod survey;
mod tally;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use canet_core::atomic;

use crate::Error;
use crate::dataset_spec::DatasetSpec;
use crate::layout;
use crate::pattern::Pattern;
use crate::split::Split;

use guess::Guess;
use survey::Role;

/// The data set file's name.
pub const DATASET_FILE: &str = "my-data.toml";

/// The label map's name.
pub const LABEL_FILE: &str = "my-labels.toml";

/// Where a draft goes.
#[derive(Debug, Clone)]
pub struct DraftOptions {
    /// The folder for both files; it is made if need be.
    pub out: PathBuf,
    /// Whether files that are there are replaced.
    pub force: bool,
}

/// What was drafted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drafted {
    /// The data set file.
    pub dataset: PathBuf,
    /// The label map.
    pub label_map: PathBuf,
    /// What annotations are, as data set files name it.
    pub kind: &'static str,
    /// How many frames the drafted file finds, by split; without official splits all are below `None`.
    pub frames: BTreeMap<Option<Split>, usize>,
    /// How many of them have an annotation.
    pub labelled: usize,
    /// How many frames are left out, by the folder of their split.
    pub left_out: BTreeMap<String, u64>,
    /// The classes, by id.
    pub classes: Vec<String>,
    /// The nearest known label map.
    pub nearest: Option<&'static str>,
    /// What was guessed, and what is odd, in words.
    pub notes: Vec<String>,
}

/// Drafts the files for the tree below `root`, writes them, and reads them back.
pub fn draft(root: &Path, options: &DraftOptions) -> Result<Drafted, Error> {
    let (dataset, label_map) = (options.out.join(DATASET_FILE), options.out.join(LABEL_FILE));
    for path in [&dataset, &label_map] {
        if path.exists() && !options.force {
            return Err(Error::Options {
                option: "init",
                reason: format!("{} is there already; --force replaces it", path.display()),
            });
        }
    }
    let files = layout::list(root)?;
    let roles = survey::roles(root, &files);
    let pairs = survey::pairs(&files, &roles);
    let Some(mut guess) = guess::guess(root, &files, &roles, &pairs)? else {
        return Err(nothing_found(root, &files, &roles));
    };
    let annotations: Vec<_> = guess.files.iter().map(|&at| place(root, &files[at])).collect();
    let tally = tally::count(&annotations, guess.kind);
    if let Some(first) = tally.unreadable.first() {
        let all = tally.unreadable.len();
        guess.notes.push(format!("{all} annotations cannot be read, such as {}", first.display()));
    }
    let classes = classes::classes(&tally, &usual_maps(&guess)?)?;
    atomic::write(&label_map, text::label_map(&classes, &tally).as_bytes())?;
    atomic::write(&dataset, text::dataset(root, &guess, LABEL_FILE).as_bytes())?;

    let spec = DatasetSpec::from_file(&dataset)?;
    let labels = spec.usual_labels()?;
    let tree = layout::read(root, &spec)?;
    let mut frames = BTreeMap::new();
    tree.frames.iter().for_each(|frame| *frames.entry(frame.split).or_default() += 1);
    Ok(Drafted {
        dataset,
        label_map,
        kind: guess.kind.name(),
        frames,
        labelled: tree.frames.iter().filter(|frame| frame.annotation.is_some()).count(),
        left_out: tree.left_out,
        classes: labels.classes().classes.iter().map(|class| class.name.clone()).collect(),
        nearest: classes.nearest.map(|(name, _)| name),
        notes: guess.notes,
    })
}

fn place(root: &Path, file: &[String]) -> PathBuf {
    file.iter().fold(root.to_owned(), |path, part| path.join(part))
}

/// The label maps of the known data sets, and whether each is laid out like this.
fn usual_maps(guess: &Guess) -> Result<Vec<(String, bool)>, Error> {
    let alike = |patterns: &[Pattern], ours: &[String]| {
        ours.iter().all(|pattern| patterns.iter().any(|known| known.as_str() == pattern))
    };
    DatasetSpec::builtin_names()
        .map(|name| {
            let DatasetSpec { label_map, layout, .. } = DatasetSpec::builtin(name)?;
            let fits = alike(&layout.images, &guess.images)
                && alike(&layout.annotations, &guess.annotations);
            Ok((label_map, fits))
        })
        .collect()
}

fn nothing_found(root: &Path, files: &[Vec<String>], roles: &[Option<Role>]) -> Error {
    let count = |role| roles.iter().filter(|other| **other == Some(role)).count();
    let labels = count(Role::Values) + count(Role::Colors);
    Error::Layout {
        path: root.to_owned(),
        reason: format!(
            "none of its {} files is an annotation that belongs to a frame: found {} frames, {} JSON files and {labels} label images; an annotation's name must begin with its frame's name, as 0001_label.png with 0001.jpg",
            files.len(),
            count(Role::Frame),
            count(Role::Json),
        ),
    }
}

/// The split that a folder or list is named for.
fn split_named(name: &str) -> Option<Split> {
    match name.to_ascii_lowercase().as_str() {
        "train" | "training" | "trn" => Some(Split::Train),
        "val" | "valid" | "validation" | "dev" => Some(Split::Val),
        "test" | "testing" => Some(Split::Test),
        _ => None,
    }
}

/// The part of a folder's name that names a split: `val` in `val_labels`.
fn split_in(name: &str) -> Option<&str> {
    name.split(['_', '-']).find(|part| split_named(part).is_some())
}

fn same_split(a: &str, b: &str) -> bool {
    split_in(a).is_some_and(|split| Some(split) == split_in(b))
}
