//! A prepared folder depends on sources and options alone: not on threads, repetition or interruption.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use canet_core::{LabelMap, atomic};
use canet_data::Fault;
use canet_data::augment::{Augment, AugmentOptions};
use canet_data::dataset::Dataset;
use canet_data::draw::Draws;
use canet_data::loader::{Loader, LoaderOptions};
use canet_data::manifest::Manifest;
use canet_data::prepare::{Outcome, PrepareOptions};
use canet_data::shard::ShardSize;
use canet_data::shrink::Resize;
use canet_data::split::Split;
use common::{annotation_json, content, options, prepare_assignment, raw_tree};
use tempfile::tempdir;

/// As they come, resized, packed, and both.
fn forms(out: &Path) -> [PrepareOptions; 4] {
    let plain = options(out);
    let resize = Some(Resize { width: 24, height: 16, jpeg_scale: true });
    let shards = Some(ShardSize::new(20_000).unwrap());
    [
        plain.clone(),
        PrepareOptions { resize, ..plain.clone() },
        PrepareOptions { shards, ..plain.clone() },
        PrepareOptions { resize, shards, ..plain },
    ]
}

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
        let augment = Augment::new(AugmentOptions { flip: 0.5, ..AugmentOptions::default() });
        let options =
            LoaderOptions { batch: 3, seed: 5, epoch: 2, first_batch, threads, prefetch: 2 };
        let loader = Loader::new(dataset, augment.unwrap(), options);
        loader.map(Result::unwrap).collect::<Vec<_>>()
    };
    let expected = batches(loose.path(), 0, 1);
    assert_eq!(expected.len(), 5);
    for threads in [1, 4] {
        assert!(batches(packed.path(), 0, threads) == expected);
        assert!(batches(packed.path(), 2, threads) == expected[2..]);
    }
    let (manifest, frames) = (Manifest::read(packed.path()).unwrap(), Dataset::open(packed.path(), "val").unwrap());
    let last = packed.path().join(&manifest.shards.last().unwrap().file);
    fs::write(&last, &fs::read(&last).unwrap()[..600]).unwrap();
    let error = frames.read(frames.len() - 1).unwrap_err();
    assert!(error.to_string().contains(".tar: is cut short"), "{error}");
    assert_eq!(error.fault(), Fault::Data);
}

/// Every byte of a full disk is refused in the same way: by a device that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_the_run_and_leaves_nothing_half_written() {
    let (raw, out) = (raw_tree(4), tempdir().unwrap());
    atomic::write(&out.path().join("prepare.lock.json"), b"{}").unwrap();
    for name in ["images/train/1/.0004.jpg.part", "masks/train/2/.0008.png.part"] {
        let part = out.path().join(name);
        fs::create_dir_all(part.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/dev/full", &part).unwrap();
        let error = prepare_assignment(raw.path(), &forms(out.path())[2]).unwrap_err();
        assert_eq!(error.fault().exit_code(), 5, "{error}");
        assert!(error.to_string().contains("cannot write"), "{error}");
        assert!(!part.exists() && Manifest::read(out.path()).is_err());
    }
    let new = tempdir().unwrap();
    prepare_assignment(raw.path(), &forms(out.path())[2]).unwrap();
    prepare_assignment(raw.path(), &forms(new.path())[2]).unwrap();
    assert!(content(out.path()) == content(new.path()));
}

/// Not a test of its own: the process that the next one kills.
#[test]
fn child_that_prepares() {
    let var = |name| std::env::var_os(name);
    let (Some(raw), Some(out), Some(form)) = (var("KILL_RAW"), var("KILL_OUT"), var("KILL_FORM"))
    else {
        return;
    };
    let form: usize = form.to_str().unwrap().parse().unwrap();
    prepare_assignment(Path::new(&raw), &forms(Path::new(&out))[form]).unwrap();
}

/// How often a run is killed, in all its forms.
const KILLS: u32 = 52;

/// Each kill comes at a moment drawn from the time that a whole run takes, and goes on in the folder that
/// the one before has left, now and then with another label map's ledger or a cut one.
#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    let raw = raw_tree(24);
    let mut draws = Draws::new(1, 0, 0, "kills");
    let (mut unfinished, mut kills) = (0, 0);
    for form in 0..4 {
        let (whole, killed) = (tempdir().unwrap(), tempdir().unwrap());
        let begin = Instant::now();
        prepare_assignment(raw.path(), &forms(whole.path())[form]).unwrap();
        let usual = begin.elapsed();
        for kill in 0..KILLS / 4 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "child_that_prepares"])
                .env("KILL_RAW", raw.path())
                .env("KILL_OUT", killed.path())
                .env("KILL_FORM", form.to_string())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(usual.mul_f64(draws.unit()));
            child.kill().ok();
            child.wait().unwrap();
            kills += 1;
            unfinished += u32::from(Manifest::read(killed.path()).is_err());
            spoil(killed.path(), kill);
        }
        prepare_assignment(raw.path(), &forms(killed.path())[form]).unwrap();
        assert!(content(killed.path()) == content(whole.path()), "{form}");
    }
    println!("{unfinished} of {kills} kills met an unfinished folder");
    assert!(kills >= 50 && unfinished >= 10, "{unfinished} of {kills}");
}

/// What a loss of power may do besides, and what makes a finished folder begin again.
fn spoil(out: &Path, kill: u32) {
    let ledger = out.join("prepare.lock.json");
    match (kill % 4, fs::read(&ledger)) {
        (1, Ok(bytes)) => fs::write(&ledger, &bytes[..bytes.len() * 2 / 3]).unwrap(),
        (3, _) => {
            // A file that never reached the disk, in a folder without a manifest.
            fs::remove_file(out.join("manifest.json")).ok();
            let first = content(out).into_keys().find(|name| name.starts_with("masks"));
            if let Some(name) = first {
                let bytes = fs::read(out.join(&name)).unwrap();
                fs::write(out.join(name), vec![0; bytes.len()]).unwrap();
            }
        }
        _ => {}
    }
}
