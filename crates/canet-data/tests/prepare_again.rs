//! A prepared folder depends on sources and options alone: not on threads or repetition.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;
#[path = "common/forms.rs"]
mod forms;

use std::fs;

use canet_core::{LabelMap, atomic};
use canet_data::manifest::Manifest;
use canet_data::prepare::{Outcome, PrepareOptions};
use canet_data::split::Split;
use common::{annotation_json, content, options, prepare_assignment, raw_tree};
use forms::forms;
use tempfile::tempdir;

#[test]
fn the_number_of_threads_does_not_show() {
    let raw = raw_tree(6);
    let with = |threads, form: usize| {
        let out = tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options = &forms(out.path())[form];
        let outcome = pool.install(|| prepare_assignment(raw.path(), options)).unwrap();
        assert_eq!(outcome.manifest.shards.is_empty(), options.shards.is_none());
        (outcome.manifest.hash, content(out.path()))
    };
    let one: Vec<_> = (0..4).map(|form| with(1, form)).collect();
    for (form, (_, files)) in one.iter().enumerate() {
        let expected = if form < 2 { 2 * 30 } else { files.len() - 2 };
        assert_eq!(files.len(), 2 + expected, "{form}");
        for threads in [2, 8] {
            assert!(with(threads, form).1 == *files, "{threads} threads, {form}");
        }
    }
    // Packed or loose, it is the same data; smaller frames are not.
    assert_eq!((&one[0].0, &one[1].0), (&one[2].0, &one[3].0));
    assert_ne!(one[0].0, one[1].0);
}

#[test]
fn only_what_changed_is_made_anew() {
    let (raw, out) = (raw_tree(4), tempdir().unwrap());
    let run = |options: &PrepareOptions| {
        let outcome = prepare_assignment(raw.path(), options).unwrap();
        assert_eq!(Manifest::read(out.path()).unwrap(), outcome.manifest);
        let files = content(out.path());
        assert_eq!(files.len(), 2 + 2 * 20, "nothing old is left");
        (outcome, files)
    };
    let same = options(out.path());
    let (first, files) = run(&same);
    assert_eq!((first.work_done, first.reused), (20, 0));
    let (again, files_again) = run(&same);
    assert!((again.work_done, again.reused) == (0, 20) && files_again == files);
    let made = |outcome: &Outcome| (outcome.frames_made, outcome.masks_made);
    assert_eq!((made(&first), made(&again)), ((20, 20), (0, 0)));

    // A result that went missing, and a source that changed.
    fs::remove_file(out.path().join(&first.manifest.entries(Split::Train)[0].mask)).unwrap();
    let (repaired, files_repaired) = run(&same);
    assert!((repaired.work_done, repaired.reused) == (1, 19) && files_repaired == files);
    assert_eq!(made(&repaired), (0, 1));
    // A source that was touched is read again, and is the same.
    let touched = raw.path().join("data/masks/1/0004.json");
    fs::write(&touched, fs::read(&touched).unwrap()).unwrap();
    let (same_source, _) = run(&same);
    assert_eq!((same_source.work_done, made(&same_source)), (1, (0, 0)));
    let json = raw.path().join("data/masks/0/0000.json");
    fs::write(&json, annotation_json(0).replace("\"car\"", "\"bus\"")).unwrap();
    let (changed, _) = run(&same);
    assert_eq!((changed.work_done, made(&changed)), (1, (0, 1)));
    assert_ne!(changed.manifest.hash, first.manifest.hash);

    // Another seed moves drives, another map changes every mask.
    let mut moved = None;
    for seed in 4..20 {
        let (outcome, _) = run(&PrepareOptions { seed, ..same.clone() });
        if outcome.work_done > 0 {
            moved = Some((outcome.work_done, outcome.reused));
            assert_eq!(made(&outcome), (0, 0), "files are moved, not made");
            break;
        }
    }
    assert_eq!(moved, Some((8, 12)), "one drive out of validation, another into it");
    let label_map = Some(LabelMap::builtin("assignment-21").unwrap());
    let (mapped, _) = run(&PrepareOptions { label_map, ..same });
    assert_eq!((mapped.work_done, mapped.reused), (20, 0));
    assert_eq!(made(&mapped), (0, 20), "frames stay as they are");
    assert_eq!(mapped.manifest.classes.name, "assignment-21");
}

/// A fault of the machine in the middle: what was finished before it is not lost.
#[test]
fn a_failed_run_goes_on_where_it_was() {
    let (raw, out, whole) = (raw_tree(4), tempdir().unwrap(), tempdir().unwrap());
    prepare_assignment(raw.path(), &options(whole.path())).unwrap();
    let (first, same) = (out.path().join("prepare.lock.json"), options(out.path()));
    atomic::write(&first, b"{}").unwrap();
    let last_mask = content(&whole.path().join("masks")).into_keys().next_back().unwrap();
    let in_the_way = out.path().join("masks").join(last_mask);
    fs::create_dir_all(in_the_way.join("folder")).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let error = pool.install(|| prepare_assignment(raw.path(), &same)).unwrap_err();
    assert!(error.to_string().contains("cannot rename into place"), "{error}");
    assert!(Manifest::read(out.path()).is_err());
    fs::remove_dir_all(&in_the_way).unwrap();
    let second = prepare_assignment(raw.path(), &same).unwrap();
    assert!(second.reused > 0 && second.reused < 20, "{}", second.reused);
    assert!(content(out.path()) == content(whole.path()));
}
