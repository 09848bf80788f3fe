//! A prepared folder depends on sources and options alone: not on threads, repetition or interruption.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use canet_core::{LabelMap, atomic};
use canet_data::manifest::Manifest;
use canet_data::prepare::PrepareOptions;
use canet_data::split::Split;
use common::{annotation_json, content, options, prepare_assignment, raw_tree};
use tempfile::tempdir;

#[test]
fn the_number_of_threads_does_not_show() {
    let raw = raw_tree(6);
    let with = |threads| {
        let out = tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| prepare_assignment(raw.path(), &options(out.path()))).unwrap();
        content(out.path())
    };
    let one = with(1);
    assert_eq!(one.len(), 2 + 2 * 30);
    for threads in [2, 4, 8] {
        assert!(with(threads) == one, "{threads} threads");
    }
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

    // A result that went missing, and a source that changed.
    fs::remove_file(out.path().join(&first.manifest.entries(Split::Train)[0].mask)).unwrap();
    let (repaired, files_repaired) = run(&same);
    assert!((repaired.work_done, repaired.reused) == (1, 19) && files_repaired == files);
    let json = raw.path().join("data/masks/0/0000.json");
    fs::write(&json, annotation_json(0).replace("\"car\"", "\"bus\"")).unwrap();
    let (changed, _) = run(&same);
    assert_eq!(changed.work_done, 1);
    assert_ne!(changed.manifest.hash, first.manifest.hash);

    // Another seed moves drives, another map changes every mask.
    let mut moved = None;
    for seed in 4..20 {
        let (outcome, _) = run(&PrepareOptions { seed, ..same.clone() });
        if outcome.work_done > 0 {
            moved = Some((outcome.work_done, outcome.reused));
            break;
        }
    }
    assert_eq!(moved, Some((8, 12)), "one drive out of validation, another into it");
    let label_map = Some(LabelMap::builtin("assignment-21").unwrap());
    let (mapped, _) = run(&PrepareOptions { label_map, ..same });
    assert_eq!((mapped.work_done, mapped.reused), (20, 0));
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

/// Not a test of its own: the process that the next one kills.
#[test]
fn child_that_prepares() {
    let (Some(raw), Some(out)) = (std::env::var_os("KILL_RAW"), std::env::var_os("KILL_OUT"))
    else {
        return;
    };
    prepare_assignment(Path::new(&raw), &options(Path::new(&out))).unwrap();
}

#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    let (raw, whole, killed) = (raw_tree(40), tempdir().unwrap(), tempdir().unwrap());
    let begin = Instant::now();
    prepare_assignment(raw.path(), &options(whole.path())).unwrap();
    let step = begin.elapsed() / 6;
    let mut unfinished = 0;
    for kill in 1..=10 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_prepares"])
            .env("KILL_RAW", raw.path())
            .env("KILL_OUT", killed.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(20) + step * (kill % 5));
        child.kill().ok();
        child.wait().unwrap();
        unfinished += u32::from(Manifest::read(killed.path()).is_err());
        if kill % 4 == 0 {
            // A ledger that is cut (it cannot be by a kill) is not believed.
            fs::write(killed.path().join("prepare.lock.json"), b"{\"fingerprint\"").unwrap();
        }
    }
    let last = prepare_assignment(raw.path(), &options(killed.path())).unwrap();
    println!(
        "{unfinished} of 10 kills met an unfinished folder; the last run made {} frames and found {}",
        last.work_done, last.reused
    );
    assert!(unfinished > 0);
    assert!(content(killed.path()) == content(whole.path()));
}
