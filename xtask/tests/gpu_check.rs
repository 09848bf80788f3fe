//! `gpu-check` as people run it, and the script that it packs, with programs that only end well or badly.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use support::{Ran, tiny_set, zip_of};

/// One test at a time: a program that was just written does not start while another thread's child
/// still has it open.
static ALONE: Mutex<()> = Mutex::new(());

/// Notes what it is asked for, and has PyTorch if there is a file of this name.
const PYTHON: &str = r#"#!/bin/sh
echo "$1 $2 $3" >>"$LOG"
case "$1 $2" in '-c import torch'*) [ -e "$LOG.torch" ] ;; esac
"#;

fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A target folder with this program and `program` in place of those for GPUs.
fn target(dir: &Path, program: &str) {
    fs::create_dir_all(dir.join("target/debug")).unwrap();
    fs::create_dir_all(dir.join("target/release")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_xtask"), dir.join("target/debug/xtask")).unwrap();
    for name in ["canet-gpu-check", "canet-train"] {
        fs::copy(program, dir.join("target/release").join(name)).unwrap();
    }
}

fn gpu_check(dir: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(dir.join("target/debug/xtask"));
    // Nothing is built here.
    run(command.arg("gpu-check").args(args).env("CARGO", "/bin/false").current_dir(dir))
}

#[test]
fn what_is_missing_or_in_the_way_is_told() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    target(dir.path(), "/bin/true");
    fs::create_dir(dir.path().join("mine")).unwrap();
    fs::write(dir.path().join("mine/letter.txt"), "dear").unwrap();
    for (args, code, needle) in [
        (&["--out", "mine"][..], 2, "holds something else"),
        (&["--with-data", "mine"], 3, "is not prepared"),
        (&["--config", "x.toml"], 2, "--with-data"),
        (&[], 2, "were not built"),
    ] {
        gpu_check(dir.path(), args).failed(code, needle);
    }
    fs::remove_file(dir.path().join("target/release/canet-train")).unwrap();
    gpu_check(dir.path(), &["--no-build"]).failed(2, "canet-train is not there");
    assert!(!dir.path().join("target/gpu-check").exists());
    assert!(dir.path().join("mine/letter.txt").exists());
}

#[test]
fn the_script_runs_every_part_and_tells_whether_ours_passed() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("set.zip"), zip_of(&tiny_set("masks", "jpg", "", ""))).unwrap();
    support::xtask(data.path(), &["--archive", "set.zip", "--val-share", "0.34"]).ok();
    let data = data.path().join("data/assignment");
    let (ours, peers) = (["check", "training"], ["PyTorch's logits", "PyTorch"]);
    for (program, torch, code, expected) in [
        ("/bin/true", false, 0, &ours[..]),
        ("/bin/false", false, 1, &ours[..]),
        ("/bin/true", true, 0, &[ours, peers].concat()[..]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        target(dir.path(), program);
        let args = ["--no-build", "--out", "packed", "--with-data", data.to_str().unwrap()];
        // An earlier one is replaced.
        for _ in 0..2 {
            let packed = gpu_check(dir.path(), &args).ok();
            assert!(packed.out.contains("packed holds"), "{}", packed.out);
        }
        let (python, log) = (dir.path().join("bin/python3"), dir.path().join("log"));
        fs::create_dir(dir.path().join("bin")).unwrap();
        fs::write(&python, PYTHON).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        if torch {
            fs::write(dir.path().join("log.torch"), "").unwrap();
        }
        let path =
            format!("{}:{}", dir.path().join("bin").display(), std::env::var("PATH").unwrap());
        let mut script = Command::new(dir.path().join("packed/run.sh"));
        let ran = run(script
            .args(["results", "60"])
            .env("PATH", path)
            .env("LOG", &log)
            .current_dir(&dir));
        assert_eq!(ran.code, code, "{program}, PyTorch {torch}: {}{}", ran.out, ran.err);
        let parts = fs::read_to_string(dir.path().join("packed/work/parts.tsv")).unwrap();
        let ended = if code == 0 { "done" } else { "failed" };
        for part in expected {
            assert!(parts.contains(&format!("{part}\t{ended}\t")), "{part} in {parts}");
        }
        assert_eq!(parts.contains("PyTorch"), torch, "{parts}");
        let asked = fs::read_to_string(&log).unwrap();
        assert!(
            asked.ends_with(&format!("gpu_report.py work {}/results\n", dir.path().display())),
            "{asked}"
        );
        assert!(dir.path().join("results/log.txt").is_file());
    }
}
