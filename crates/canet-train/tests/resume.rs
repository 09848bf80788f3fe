//! Runs that are killed anywhere and gone on with: the same bits, no stray files, no lost run.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use canet_data::draw::Draws;
use canet_model::Checkpoint;
use common::{World, run};

/// 40 steps, with a checkpoint after each.
const OFTEN: [&str; 4] = ["--set", "epochs=10", "--set", "save_every_steps=1"];

fn weights(path: &Path) -> String {
    Checkpoint::read(path).unwrap().weight_hash().unwrap()
}

/// Files that a killed writer left, older than `time`.
fn strays(folder: &Path, time: SystemTime) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        // A file may be renamed while we look.
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() {
            found.extend(strays(&path, time));
        } else if path.extension().is_some_and(|e| e == "part") && meta.modified().unwrap() < time {
            found.push(path);
        }
    }
    found
}

fn quietly(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A hundred kills of runs of 40 steps, each of which is killed up to 20 times and has one or two
/// threads. A machine that is busy with other things may finish a run before its last kill; then
/// there is one run more.
#[test]
fn a_hundred_kills_lose_nothing_and_change_no_bit() {
    let world = World::new();
    // How long a start takes, and a whole run.
    let start = Instant::now();
    let mut child = quietly(world.training("whole", &OFTEN));
    let whole = world.path("whole/checkpoints/last.safetensors");
    while !whole.exists() {
        assert!(start.elapsed() < Duration::from_mins(2), "waited too long");
        std::thread::sleep(Duration::from_millis(1));
    }
    let ready = start.elapsed().as_secs_f64();
    assert!(child.wait().unwrap().success());
    let step = (start.elapsed().as_secs_f64() - ready) / 40.0;
    let expected = weights(&whole);

    let (mut kills, mut loads, mut checks, mut left) = (0, 0, 0, 0);
    for number in 0_u64.. {
        if kills == 100 {
            break;
        }
        assert!(number < 50, "{kills} kills in {number} runs");
        let out = format!("run-{number}");
        let folder = world.path(&out);
        let checkpoints = folder.join("checkpoints");
        let last = checkpoints.join("last.safetensors");
        let threads = if number % 2 == 0 { "1" } else { "2" };
        let arguments = [&OFTEN[..], &["--threads", threads]].concat();
        let mut killed = 0;
        while killed < 20 && kills < 100 {
            let draw = Draws::new(7, number as u32, killed, "kill").unit();
            let resume: &[&str] = if folder.exists() { &["--resume"] } else { &[] };
            let begun = SystemTime::now();
            let mut child = quietly(world.training(&out, &[&arguments[..], resume].concat()));
            // From within the start to some steps behind it; 20 times that is no whole run.
            std::thread::sleep(Duration::from_secs_f64(0.5 * ready + draw * (ready + 2.0 * step)));
            child.kill().unwrap();
            if child.wait().unwrap().success() {
                break;
            }
            (killed, kills) = (killed + 1, kills + 1);
            left += usize::from(!strays(&folder, SystemTime::now()).is_empty());
            if last.exists() {
                // The newest one itself: nothing may have to be fallen back from.
                Checkpoint::read(&last).unwrap();
                loads += 1;
                // It has written since it began, so it has swept before.
                if std::fs::metadata(&last).unwrap().modified().unwrap() > begun {
                    assert_eq!(strays(&folder, begun), Vec::<PathBuf>::new());
                    checks += 1;
                }
            } else {
                assert!(!checkpoints.join("previous.safetensors").exists());
            }
        }
        run(world.training(&out, &[&arguments[..], &["--resume"]].concat()), 0);
        assert_eq!(weights(&last), expected, "{out}");
        assert_eq!(strays(&folder, SystemTime::now()), Vec::<PathBuf>::new());
    }
    println!(
        "{kills} kills, {loads} loads, {left} left strays, {checks} starts were seen to sweep"
    );
    assert!(loads >= 45 && checks >= 15, "{loads} {checks}");
}

#[test]
fn a_broken_checkpoint_is_named_and_the_one_before_it_taken() {
    let world = World::new();
    run(world.training("whole", &[]), 0);
    let [last, whole] = ["run", "whole"].map(|out| format!("{out}/checkpoints/last.safetensors"));
    run(world.training("run", &["--set", "epochs=3"]), 0);
    let good = world.read(&last);
    std::fs::write(world.path(&last), &good[..good.len() / 2]).unwrap();
    let text = run(world.training("run", &["--resume"]), 0);
    assert!(text.contains("last.safetensors") && text.contains("cut short"), "{text}");
    assert!(text.contains("goes on from run/checkpoints/previous.safetensors"), "{text}");
    assert!(world.path("run/checkpoints/broken-last.safetensors").exists());
    assert!(world.read(&last) == world.read(&whole), "the same run all the same");
    let lines = String::from_utf8(world.read("run/metrics.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 3, "{lines}");
    // Both are broken.
    for file in ["last", "previous"] {
        std::fs::write(world.path(&format!("run/checkpoints/{file}.safetensors")), b"").unwrap();
    }
    let text = run(world.training("run", &["--resume"]), 3);
    assert!(text.contains("last.safetensors: is empty"), "{text}");
}

/// Killed before its first checkpoint: it begins, with the configuration that it had.
#[test]
fn a_run_without_a_checkpoint_yet_begins() {
    let world = World::new();
    run(world.training("whole", &["--set", "epochs=1"]), 0);
    std::fs::create_dir(world.path("run")).unwrap();
    std::fs::copy(world.path("whole/config.toml"), world.path("run/config.toml")).unwrap();
    std::fs::write(world.path("run/.config.toml.part"), b"half").unwrap();
    run(world.command(&["--data", "data/sample", "--out", "run", "--resume"]), 0);
    let [a, b] =
        ["run", "whole"].map(|out| world.read(&format!("{out}/checkpoints/last.safetensors")));
    assert!(a == b);
    assert!(!world.path("run/.config.toml.part").exists());
    // Killed before even that was whole: it begins, too.
    for left in [&[][..], &[".config.toml.part"]] {
        let folder = world.path(&format!("blank-{}", left.len()));
        std::fs::create_dir(&folder).unwrap();
        for file in left {
            std::fs::write(folder.join(file), b"half").unwrap();
        }
        let out = format!("blank-{}", left.len());
        run(world.training(&out, &["--set", "epochs=1", "--resume"]), 0);
        assert!(world.read(&format!("{out}/checkpoints/last.safetensors")) == a);
        assert_eq!(strays(&folder, SystemTime::now()), Vec::<PathBuf>::new());
    }
    let text = run(world.command(&["--data", "data/sample", "--out", "none", "--resume"]), 2);
    assert!(text.contains("is not there to resume from"), "{text}");
}

#[test]
fn what_has_changed_is_refused_unless_it_is_allowed() {
    let world = World::new();
    run(world.training("run", &["--set", "epochs=1"]), 0);
    let resume = |more: &[&str], code| {
        let all = [&["--data", "data/sample", "--out", "run", "--resume"], more].concat();
        run(world.command(&all), code)
    };
    for (more, needles) in [
        (&["--set", "data.batch=3"][..], &["data.batch: 3, was 2", "--allow data.batch"][..]),
        (
            &["--set", "epochs=2", "--set", "optimizer.lr=0.1", "--allow", "epochs"],
            &["optimizer.lr: 0.1, was 0.004"],
        ),
        (&["--set", "epochs=2", "--allow", "epoch"], &["epochs: 2, was 1"]),
        (&["--set", "optimizer.kind=sgd", "--allow", "optimizer"], &["optimizer.kind"]),
        (&["--set", "epohcs=2", "--allow", "epochs"], &["did you mean `epochs`"]),
    ] {
        let text = resume(more, 2);
        assert!(needles.iter().all(|needle| text.contains(needle)), "{more:?}: {text}");
    }
    // How often a run is saved is not part of what it computes.
    resume(
        &["--set", "save_every_steps=2", "--set", "save_every_minutes=5.0", "--skip-bad", "1"],
        0,
    );
    let config = String::from_utf8(world.read("run/config.toml")).unwrap();
    assert!(config.contains("save_every_steps = 2") && config.contains("epochs = 1"), "{config}");
    let more = ["--set", "epochs=2", "--set", "optimizer.lr=5e-4", "--allow", "epochs"];
    let text = resume(&[&more[..], &["--allow", "optimizer"]].concat(), 0);
    assert!(text.contains("going on with another epochs: 2, was 1"), "{text}");
    let lines = String::from_utf8(world.read("run/metrics.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    // The new configuration is the run's now.
    resume(&[], 0);
    // Twice as large batches: an epoch has half the steps.
    let more =
        ["--set", "epochs=3", "--set", "data.batch=4", "--allow", "epochs", "--allow", "data"];
    let text = resume(&more, 0);
    assert!(text.contains("going on from") && text.contains("after step 4 of 6"), "{text}");
}

/// The disk takes no more than half a checkpoint, by a limit of the process.
#[test]
fn a_full_disk_exits_5_with_advice_and_keeps_the_last_checkpoint() {
    let world = World::new();
    run(world.training("run", &["--set", "epochs=1"]), 0);
    let last = world.path("run/checkpoints/last.safetensors");
    let before = std::fs::read(&last).unwrap();
    // `ulimit -f` counts in 512 bytes by POSIX, in 1024 by bash: a quarter or half of a checkpoint.
    let blocks = before.len() / 2 / 1024;
    let on = || world.training("run", &["--resume", "--set", "epochs=2", "--allow", "epochs"]);
    let text = run(limited(&on(), &format!("-f {blocks}")), 5);
    assert!(text.contains("File too large") && text.contains("--resume"), "{text}");
    assert!(text.contains("last.safetensors") && text.contains("is whole"), "{text}");
    assert!(std::fs::read(&last).unwrap() == before);
    assert_eq!(strays(&world.path("run"), SystemTime::now()), Vec::<PathBuf>::new());
    run(on(), 0);
}

/// More memory is asked for than the process may have.
#[cfg(target_os = "linux")]
#[test]
fn too_little_memory_exits_5_with_advice_and_keeps_the_last_checkpoint() {
    let world = World::new();
    run(world.training("run", &["--set", "epochs=1"]), 0);
    let last = world.path("run/checkpoints/last.safetensors");
    let before = weights(&last);
    let more = ["--resume", "--allow", "epochs", "--allow", "data", "--set", "data.batch=256"];
    let more =
        [&more[..], &["--set", "data.augment.crop=[512, 512]", "--set", "epochs=2"]].concat();
    let text = run(limited(&world.training("run", &more), "-v 1500000"), 5);
    assert!(text.contains("out of memory") && text.contains("data.batch"), "{text}");
    assert_eq!(weights(&last), before);
    // The first thing that was saved is what was allowed.
    let more = ["--resume", "--set", "epochs=2", "--allow", "epochs", "--allow", "data"];
    run(world.training("run", &more), 0);
}

/// The command under a limit of the shell's.
fn limited(command: &Command, limit: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit {limit} && exec \"$@\""), "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().unwrap()).env_remove("RUST_LOG");
    shell
}

#[test]
fn the_program_proves_it_itself() {
    let world = World::new();
    let text = run(world.command(&["selftest", "resume", "--kills", "4", "--threads", "2"]), 0);
    assert!(text.contains("resume is exact") && text.matches("the same").count() == 2, "{text}");
    run(world.command(&["selftest", "resume", "--kills", "0"]), 2);
}

/// A checkpoint of format 1, as the last program wrote it that did: see `goldens/make_checkpoint.py`.
#[test]
fn a_checkpoint_of_format_1_is_read() {
    let world = World::new();
    let packed = &include_bytes!("goldens/format-1.safetensors.gz")[..];
    let last = world.path("run/checkpoints/last.safetensors");
    std::fs::create_dir_all(last.parent().unwrap()).unwrap();
    let mut file = std::fs::File::create(&last).unwrap();
    std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut file).unwrap();
    drop(file);
    let checkpoint = Checkpoint::read(&last).unwrap();
    let bias = checkpoint.tensors["classifier.bias"].to_vec1::<f32>().unwrap();
    assert_eq!(bias[..3].iter().map(|v| v * 64.0).collect::<Vec<_>>(), [-6.0, -5.0, -4.0]);
    let slots = checkpoint.training_tensors.len();
    assert!(slots > 50, "{slots}");
    // Its checksum is still checked.
    let mut bytes = std::fs::read(&last).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    let damaged = world.path("damaged.safetensors");
    std::fs::write(&damaged, bytes).unwrap();
    assert!(Checkpoint::read(&damaged).unwrap_err().to_string().contains("damaged"));
    let model = "run/checkpoints/last.safetensors";
    run(world.command(&["eval", "--model", model, "--data", "data/sample", "--split", "val"]), 0);
    // Its schedule was written in other keys: the run is for the program that began it.
    let text = run(world.command(&["--data", "data/sample", "--out", "run", "--resume"]), 2);
    assert!(
        text.contains("this version cannot go on with") && text.contains("poly_power"),
        "{text}"
    );
}
