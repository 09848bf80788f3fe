//! A prepared folder does not show how often its making was stopped: by a kill, or by a full disk.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;
#[path = "common/forms.rs"]
mod forms;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use canet_core::atomic;
use canet_data::draw::Draws;
use canet_data::manifest::Manifest;
use common::{content, prepare_assignment, raw_tree};
use forms::forms;
use tempfile::tempdir;

/// Every byte of a full disk is refused in the same way: by a device that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_the_run_and_leaves_nothing_half_written() {
    let (raw, out) = (raw_tree(4), tempdir().unwrap());
    atomic::write(&out.path().join("prepare.lock.json"), b"{}").unwrap();
    for name in ["images/train/1/.0004.jpg.part", "shards/.train-000001.tar.part"] {
        let part = out.path().join(name);
        fs::create_dir_all(part.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/dev/full", &part).unwrap();
        let error = prepare_assignment(raw.path(), &forms(out.path())[2]).unwrap_err();
        assert_eq!(error.fault().exit_code(), 5, "{error}");
        assert!(error.to_string().contains("cannot write"), "{error}");
        assert!(part.symlink_metadata().is_err() && Manifest::read(out.path()).is_err());
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
    let raw = raw_tree(12);
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
