//! Shards are the folder in other files: the same data, changed and read in the same way.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;
#[path = "common/forms.rs"]
mod forms;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use canet_data::Fault;
use canet_data::augment::Augment;
use canet_data::dataset::Dataset;
use canet_data::loader::{Loader, LoaderOptions};
use canet_data::manifest::Manifest;
use common::{annotation_json, content, prepare_assignment, raw_tree};
use forms::forms;
use tempfile::tempdir;

/// One thing is changed in a packed folder, or its form, and it is what it would be if it were new.
#[test]
fn a_packed_folder_is_changed_like_a_loose_one() {
    let (raw, out) = (raw_tree(4), tempdir().unwrap());
    let check = |form: usize, made: (usize, usize)| {
        let new = tempdir().unwrap();
        let outcome = prepare_assignment(raw.path(), &forms(out.path())[form]).unwrap();
        assert_eq!((outcome.frames_made, outcome.masks_made), made, "{form}");
        let expected = prepare_assignment(raw.path(), &forms(new.path())[form]).unwrap();
        assert_eq!(outcome.manifest, expected.manifest);
        assert!(content(out.path()) == content(new.path()), "{form}");
        outcome.manifest
    };
    let packed = check(2, (20, 20));
    check(2, (0, 0));
    let json = raw.path().join("data/masks/0/0000.json");
    fs::write(&json, annotation_json(0).replace("\"car\"", "\"bus\"")).unwrap();
    assert_ne!(check(2, (0, 1)).hash, packed.hash);
    for form in [0, 2, 3, 1, 3, 2] {
        let resized = |form| form % 2 == 1;
        let was = Manifest::read(out.path()).unwrap().resize.is_some();
        check(form, if resized(form) == was { (0, 0) } else { (20, 20) });
    }
    // A shard that was cut is made anew, from the sources.
    let shard = out.path().join(&packed.shards[0].file);
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..bytes.len() / 2]).unwrap();
    let frames = packed.shards[0].frames as usize;
    check(2, (frames, frames));
}

/// A shard is read as the folder is: equal frames, batches and places to begin.
#[test]
fn training_sees_no_difference_between_shards_and_files() {
    let (raw, loose, packed) = (raw_tree(4), tempdir().unwrap(), tempdir().unwrap());
    prepare_assignment(raw.path(), &forms(loose.path())[0]).unwrap();
    prepare_assignment(raw.path(), &forms(packed.path())[2]).unwrap();
    let batches = |out: &Path, first_batch, threads| {
        let dataset = Arc::new(Dataset::open(out, "train").unwrap());
        let augment = Augment { flip: 0.5, ..Augment::default() };
        let options =
            LoaderOptions { batch: 3, seed: 5, epoch: 2, first_batch, threads, prefetch: 2 };
        let augmenter = augment.resolve(dataset.classes()).unwrap();
        let loader = Loader::new(dataset, augmenter, options);
        loader.map(Result::unwrap).collect::<Vec<_>>()
    };
    let expected = batches(loose.path(), 0, 1);
    assert_eq!(expected.len(), 5);
    for threads in [1, 4] {
        assert!(batches(packed.path(), 0, threads) == expected);
        assert!(batches(packed.path(), 2, threads) == expected[2..]);
    }
    let (manifest, frames) =
        (Manifest::read(packed.path()).unwrap(), Dataset::open(packed.path(), "val").unwrap());
    let text = fs::read_to_string(packed.path().join("manifest.json")).unwrap();
    let moved = text.replacen("\"at\": 512,", "\"at\": 513,", 1);
    for (changed, needle) in [
        (moved, "does not lie where its shard has it"),
        (text.replacen("\"bytes\": 1", "\"bytes\": 2", 1), "but its samples end at"),
        (text.replacen("\"shard\": 0", "\"shard\": 9", 1), "does not lie"),
    ] {
        assert_ne!(changed, text);
        let dir = tempdir().unwrap();
        fs::write(dir.path().join("manifest.json"), changed).unwrap();
        let error = Manifest::read(dir.path()).unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
    }
    let last = packed.path().join(&manifest.shards.last().unwrap().file);
    fs::write(&last, &fs::read(&last).unwrap()[..600]).unwrap();
    let error = frames.read(frames.len() - 1).unwrap_err();
    assert!(error.to_string().contains(".tar: is cut short"), "{error}");
    assert_eq!(error.fault(), Fault::Data);
}
