//! The guess: from pairs of files to the patterns of a layout.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::shape::Shape;
use super::survey::{Name, Pair, Role};
use super::{kind::Kind, split_named};
use crate::Error;
use crate::split::Split;

/// Shapes of fewer pairs than this share are odd files, not a part of the layout.
const LEAST_SHARE: usize = 50;

/// A layout as a data set file tells it, and why.
#[derive(Debug)]
pub(super) struct Guess {
    pub(super) kind: Kind,
    pub(super) images: Vec<String>,
    pub(super) annotations: Vec<String>,
    pub(super) ignore: Vec<String>,
    pub(super) splits: BTreeMap<String, Split>,
    pub(super) unlabelled: Vec<String>,
    pub(super) split_lists: BTreeMap<Split, String>,
    pub(super) independent: bool,
    /// The annotations, by their places in the list of files.
    pub(super) files: Vec<usize>,
    /// What was guessed, in words, for the comments of the file.
    pub(super) notes: Vec<String>,
}

type Families<'p, 'a> = BTreeMap<(String, String), Vec<&'p Pair<'a>>>;

/// Guesses the layout. `None` if no annotation belongs to a frame.
pub(super) fn guess(
    root: &Path,
    files: &[Vec<String>],
    roles: &[Option<Role>],
    pairs: &[Pair],
) -> Result<Option<Guess>, Error> {
    let mut families: Families = BTreeMap::new();
    for pair in pairs {
        let key = (pair.shape.annotation_suffix.clone(), pair.shape.extension.clone());
        families.entry(key).or_default().push(pair);
    }
    let Some((key, kind)) = choose(root, files, roles, &families) else { return Ok(None) };
    let family = &families[&key];
    let shapes = shapes_of(family);
    let mut guess = Guess {
        kind,
        images: Vec::new(),
        annotations: Vec::new(),
        ignore: Vec::new(),
        splits: splits_of(family),
        unlabelled: Vec::new(),
        split_lists: BTreeMap::new(),
        independent: false,
        files: family.iter().map(|pair| pair.annotation).collect(),
        notes: Vec::new(),
    };
    guess.unlabelled = unlabelled(files, roles, family, &guess.splits);
    if guess.splits.is_empty() {
        guess.split_lists = super::lists::find(root, files, family)?;
    }
    let frame = add_patterns(&mut guess, &shapes, family)?;
    for ((suffix, extension), others) in &families {
        // `{frame}_label.png` fits `x_inst_label.png`, too.
        if *extension == key.1 && *suffix != key.0 && suffix.ends_with(&key.0) {
            for (shape, pairs) in shapes_of(others) {
                guess.ignore.push(shape.patterns(&shared_folders(&pairs), &frame).1);
            }
        }
        if *suffix != key.0 || *extension != key.1 {
            let name = format!("*{suffix}.{extension}");
            guess.notes.push(format!(
                "{} files {name} belong to frames, too; they are not read",
                others.len()
            ));
        }
    }
    Ok(Some(guess))
}

/// The annotations to read, where there are several for each frame: polygons before label images,
/// values before colours, classes before instances.
fn choose(
    root: &Path,
    files: &[Vec<String>],
    roles: &[Option<Role>],
    families: &Families,
) -> Option<((String, String), Kind)> {
    let most = families.values().map(Vec::len).max()?;
    let mut ranked = Vec::new();
    for (key, pairs) in families.iter().filter(|(_, pairs)| pairs.len() * 2 >= most) {
        let first: Vec<_> = pairs.iter().take(3).map(|pair| &files[pair.annotation]).collect();
        let Some(kind) = Kind::of(root, &first, roles[pairs[0].annotation]) else { continue };
        let instances = key.0.to_lowercase().contains("inst");
        ranked.push(((instances, kind, key.0.len()), key.clone()));
    }
    ranked.sort();
    ranked.into_iter().next().map(|((_, kind, _), key)| (key, kind))
}

/// The shapes of a family with their pairs, the commonest first.
fn shapes_of<'p, 'a>(family: &[&'p Pair<'a>]) -> Vec<(&'p Shape, Vec<&'p Pair<'a>>)> {
    let mut shapes: BTreeMap<&Shape, Vec<&Pair>> = BTreeMap::new();
    for pair in family {
        shapes.entry(&pair.shape).or_default().push(pair);
    }
    let mut shapes: Vec<_> = shapes.into_iter().collect();
    shapes.sort_by_key(|(_, pairs)| std::cmp::Reverse(pairs.len()));
    shapes.retain(|(_, pairs)| pairs.len() * LEAST_SHARE >= family.len());
    shapes
}

/// For each shared folder its name, or `{drive}` where pairs differ.
fn shared_folders(pairs: &[&Pair]) -> Vec<String> {
    let Some(first) = pairs.first() else { return Vec::new() };
    let differs = |at: usize| pairs.iter().any(|pair| pair.shared[at] != first.shared[at]);
    let name = |at: usize| if differs(at) { "{drive}" } else { first.shared[at] }.to_owned();
    (0..first.shared.len()).map(name).collect()
}

/// Adds the patterns of the shapes, and returns what they have in the place of the frame's name.
fn add_patterns(
    guess: &mut Guess,
    shapes: &[(&Shape, Vec<&Pair>)],
    family: &[&Pair],
) -> Result<String, Error> {
    let by_folder = |pairs: &[&Pair]| shared_folders(pairs).iter().any(|f| f == "{drive}");
    let drives_by_folder = shapes.first().is_some_and(|(_, pairs)| by_folder(pairs));
    let mut frame = "{frame}".to_owned();
    let has_splits = !guess.splits.is_empty() || !guess.split_lists.is_empty();
    if drives_by_folder {
        guess.notes.push("likely: a folder of frames is a drive".into());
    } else if let Some(drives) = drives_by_name(family, has_splits) {
        guess.notes.push(format!(
            "guess: the part of a name before the first \"_\" is its drive; there are {drives}"
        ));
        frame = "{drive}_{frame}".into();
    } else if has_splits {
        guess.notes.push("nothing tells drives apart: all frames count as one drive".into());
    } else {
        guess.independent = true;
        guess.notes.push("GUESS: nothing tells drives apart, so each frame counts as one; if frames of one ride are among them, give each ride a folder, or scores will flatter".into());
    }
    for (shape, pairs) in shapes {
        let shared = shared_folders(pairs);
        if shared.iter().filter(|folder| *folder == "{drive}").count() > 1 {
            return Err(Error::Options {
                option: "init",
                reason: format!(
                    "frames lie in two levels of folders that differ, such as {}; put each drive into one folder",
                    pairs[0].shared.join("/")
                ),
            });
        }
        let fits =
            shape.has_split() != guess.splits.is_empty() && by_folder(pairs) == drives_by_folder;
        if !fits {
            guess.notes.push(format!(
                "{} frames lie otherwise than the others, and are not read",
                pairs.len()
            ));
            continue;
        }
        let (images, annotations) = shape.patterns(&shared, &frame);
        for (list, pattern) in [(&mut guess.images, images), (&mut guess.annotations, annotations)]
        {
            if !list.contains(&pattern) {
                list.push(pattern);
            }
        }
    }
    Ok(frame)
}

/// How many drives the names tell apart, if they seem to: the beginnings must repeat, and where the
/// splits are known anyway, must be more than numbers, such as years.
fn drives_by_name(family: &[&Pair], has_splits: bool) -> Option<usize> {
    let mut drives = BTreeSet::new();
    for pair in family {
        let (drive, rest) = pair.core.split_once('_')?;
        let counts = !drive.is_empty() && !rest.is_empty();
        let tells = !has_splits || drive.chars().any(char::is_alphabetic);
        drives.insert((counts && tells).then_some(drive)?);
    }
    let repeats = (2..=family.len() / 4).contains(&drives.len());
    repeats.then_some(drives.len())
}

fn splits_of(family: &[&Pair]) -> BTreeMap<String, Split> {
    let folders = family.iter().filter_map(|pair| pair.split);
    folders.filter_map(|folder| Some((folder.to_owned(), split_named(folder)?))).collect()
}

/// Folders of splits that hold frames and no annotation.
fn unlabelled(
    files: &[Vec<String>],
    roles: &[Option<Role>],
    family: &[&Pair],
    splits: &BTreeMap<String, Split>,
) -> Vec<String> {
    if splits.is_empty() {
        return Vec::new();
    }
    let paired: BTreeSet<_> = family.iter().map(|pair| pair.image).collect();
    let mut folders = BTreeSet::new();
    for (at, file) in files.iter().enumerate() {
        let Some(name) = Name::of(file) else { continue };
        if roles[at] == Some(Role::Frame) && !paired.contains(&at) {
            let unknown = |f: &&String| split_named(f).is_some() && !splits.contains_key(*f);
            folders.extend(name.folders.iter().find(unknown).cloned());
        }
    }
    folders.into_iter().collect()
}
