//! `download-and-prepare` as people run it, from archives and folders on disk.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

mod support;

use std::path::Path;

use canet_data::dataset::Dataset;
use support::{annotation, picture, tiny_set, xtask, zip_of};

fn write(dir: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn splits(out: &Path) -> (usize, usize) {
    let len = |split| Dataset::open(out, split).unwrap().len();
    (len("train"), len("val"))
}

#[test]
fn every_accepted_form_of_the_assignment_is_prepared() {
    for (masks, extension, image_end, mask_end) in [
        ("masks", "jpg", "", ""),
        ("mask", "jpg", "", ""),
        ("masks", "png", "", ""),
        ("mask", "jpeg", "", ""),
        ("masks", "jpg", "_leftImg8bit", "_gtFine_polygons"),
        ("mask", "png", "_leftImg8bit", "_gtFine_polygons"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let files = tiny_set(masks, extension, image_end, mask_end);
        std::fs::write(dir.path().join("set.zip"), zip_of(&files)).unwrap();
        let ran = xtask(dir.path(), &["--archive", "set.zip", "--val-share", "0.34"]).ok();
        let what = format!("{masks} {extension} {image_end}: {}", ran.out);
        let out = dir.path().join("data/assignment");
        assert_eq!(splits(&out), (4, 2), "{what}");
        assert!(
            ran.out.contains("next: cargo run -p canet-train -- --data data/assignment"),
            "{what}"
        );
        assert!(ran.out.contains("may be removed"), "{what}");
        let data = Dataset::open(&out, "train").unwrap();
        let frame = data.read(0).unwrap();
        assert_eq!(data.classes().class_name(frame.mask.at(0, 0)), "road", "{what}");
    }
}

#[test]
fn the_sample_is_prepared_once() {
    let dir = tempfile::tempdir().unwrap();
    let first = xtask(dir.path(), &["--dataset", "sample"]).ok();
    assert!(first.out.contains("288 worked on now, 0 from an earlier run"), "{}", first.out);
    let manifest = std::fs::read(dir.path().join("data/sample/manifest.json")).unwrap();
    let second = xtask(dir.path(), &["--dataset", "sample"]).ok();
    assert!(second.out.contains("drawn before"), "{}", second.out);
    assert!(second.out.contains("nothing to do"), "{}", second.out);
    assert_eq!(std::fs::read(dir.path().join("data/sample/manifest.json")).unwrap(), manifest);
    let (train, val) = splits(&dir.path().join("data/sample"));
    assert_eq!(train + val, 288);
}

#[test]
fn folders_and_several_archives_serve_too() {
    let dir = tempfile::tempdir().unwrap();
    let files = tiny_set("masks", "jpg", "", "");
    write(&dir.path().join("raw"), &files);
    xtask(dir.path(), &["--dir", "raw", "--out", "one"]).ok();
    let (images, masks): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|(name, _)| name.contains("images"));
    std::fs::write(dir.path().join("images.zip"), zip_of(&images)).unwrap();
    std::fs::write(dir.path().join("masks.zip"), zip_of(&masks)).unwrap();
    let two = ["--archive", "images.zip", "--archive", "masks.zip", "--out", "two"];
    xtask(dir.path(), &two).ok();
    let manifest = |out: &str| std::fs::read(dir.path().join(out).join("manifest.json")).unwrap();
    assert_eq!(manifest("one"), manifest("two"));
}

#[test]
fn frames_at_fault_are_listed_and_strict_refuses_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = tiny_set("masks", "jpg", "", "");
    files[0].1.truncate(100);
    files[3].1 = annotation("carr");
    files.push(("data/images/2/lonely.png".into(), picture(image::ImageFormat::Png)));
    std::fs::write(dir.path().join("set.zip"), zip_of(&files)).unwrap();
    let args = ["--archive", "set.zip", "--out", "out", "--val-share", "0.4"];
    let ran = xtask(dir.path(), &args).ok();
    let place = "data/masks/0/000001.json: objects[1] has the unknown label \"carr\"";
    for needle in ["2 files could not be used", "000000.jpg", "lonely.png", place] {
        assert!(ran.out.contains(needle), "{needle}: {}", ran.out);
    }
    let strict = [&args[..], &["--strict"]].concat();
    xtask(dir.path(), &strict).failed(3, "2 files were skipped and 1 labels are unknown");
}

#[test]
fn usage_errors_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[("precious/thesis.txt".into(), b"keep".to_vec())]);
    write(&dir.path().join("raw"), &tiny_set("masks", "jpg", "", ""));
    std::fs::write(dir.path().join("not.zip"), b"hello").unwrap();
    for (args, code, needle) in [
        (&["--dir", "raw", "--out", "precious"][..], 2, "choose an empty folder"),
        (&["--dataset", "idd"], 2, "Register at"),
        (&["--dataset", "idd-lite"], 2, "Register at"),
        (&["--dataset", "cityscapes"], 2, "Register at"),
        (&["--dataset", "camvid"], 2, "--archive"),
        (&["--dataset", "nuscenes"], 2, "known are"),
        (&["--dir", "nowhere"], 2, "is not a folder"),
        (&["--archive", "nowhere.zip"], 2, "nowhere.zip"),
        (&["--archive", "raw"], 2, "an archive is expected"),
        (&["--archive", "not.zip"], 3, "no zip, tar or tar.gz"),
        (&["--dir", "raw", "--label-map", "idd-level9"], 2, "known are"),
        (&["--dir", "raw", "--label-map", "none.toml"], 2, "none.toml"),
        (&["--dir", "raw", "--val-share", "7"], 2, "share between 0 and 1"),
        (&["--dir", "raw", "--archive", "not.zip"], 2, "cannot be used with"),
        (&["--url", "ftp://host/x"], 2, "https://"),
        (&["--url", "http://host/x", "--sha256", "abc"], 2, "64 hex"),
        (&["--dir", "raw", "--sha256", "abc"], 2, "cannot be used with"),
        (&["--archive", "not.zip", "--sha256", "abc"], 2, "cannot be used with"),
        (&["--dirr", "raw"], 2, "--dir"),
        (&["--dir", "raw", "--resize", "5"], 2, "such as 960,540"),
        (&["--dir", "raw", "--resize", "0,5"], 2, "sides of 1 to 16384"),
        (&["--dir", "raw", "--jpeg-scale"], 2, "--resize"),
        (&["--dir", "raw", "--shards", "many"], 2, "such as 512M"),
    ] {
        let ran = xtask(dir.path(), args).failed(code, needle);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
    }
    assert_eq!(std::fs::read(dir.path().join("precious/thesis.txt")).unwrap(), b"keep");
}

#[test]
fn frames_are_resized_and_packed_and_unpacked_again() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("raw"), &tiny_set("masks", "jpg", "", ""));
    let run = |more: &[&str]| {
        let args = ["--dir", "raw", "--out", "out", "--val-share", "0.34"];
        let ran = xtask(dir.path(), &[&args[..], more].concat()).ok();
        let data = Dataset::open(&dir.path().join("out"), "train").unwrap();
        let frames: Vec<_> = (0..data.len()).map(|i| data.read(i).unwrap()).collect();
        (frames, data.manifest().clone(), ran.out)
    };
    let small = ["--resize", "6,5", "--jpeg-scale"];
    let (loose, manifest, _) = run(&small);
    assert_eq!((loose.len(), loose[0].image.dimensions()), (4, (6, 5)));
    assert!(manifest.resize.is_some_and(|resize| resize.jpeg_scale));
    let (packed, shards, out) = run(&[&small[..], &["--shards", "4K"]].concat());
    assert!(packed == loose && shards.hash == manifest.hash && shards.shards.len() > 2);
    assert!(out.contains("nothing to do"), "{out}");
    assert!(!dir.path().join("out/images").exists());
    let (again, loose_again, _) = run(&small);
    assert!(again == loose && loose_again == manifest);
    assert!(!dir.path().join("out/shards").exists());
}

/// A limit on the size of files is a full disk that a test may have.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing_half_written_and_the_next_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("raw"), &tiny_set("masks", "jpg", "", ""));
    let args = ["download-and-prepare", "--dir", "raw", "--out", "out", "--val-share", "0.34"];
    for (more, limit) in [(&[][..], 0), (&[], 1), (&["--shards", "1M"], 4)] {
        let limited = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_xtask")]).args(args).args(more);
        let output = command.current_dir(dir.path()).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{limit} {err}");
        assert!(err.contains("cannot write"), "{err}");
        let out = dir.path().join("out");
        assert!(!out.join("manifest.json").exists());
        let mut folders = vec![out];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                assert!(!name.starts_with('.'), "{limit}: {name}");
                folders.extend(entry.path().is_dir().then(|| entry.path()));
            }
        }
    }
    xtask(dir.path(), &args[1..]).ok();
    assert_eq!(splits(&dir.path().join("out")), (4, 2));
}

/// As with `| head`: nobody reads to the end, and the work is done all the same.
#[test]
fn a_reader_that_leaves_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("raw"), &tiny_set("masks", "jpg", "", ""));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["download-and-prepare", "--dir", "raw", "--out", "out"]).stdout(writer);
    let output = command.current_dir(dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(splits(&dir.path().join("out")), (4, 2));
}
