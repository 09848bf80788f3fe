//! `canet check` as a whole program: outputs, exit codes, and what it says.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::RgbImage;

/// A tree of two frames, one of them without an annotation.
struct World(PathBuf);

impl World {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("canet-cli-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        for (drive, shade) in [("1", 2), ("2", 3)] {
            let folder = path.join("raw/images").join(drive);
            fs::create_dir_all(&folder).unwrap();
            let grey = |x: u32, y: u32| image::Rgb([(40 + (x * y * shade) % 170) as u8; 3]);
            RgbImage::from_fn(60, 40, grey).save(folder.join("a.png")).unwrap();
        }
        fs::create_dir_all(path.join("raw/masks/1")).unwrap();
        let json = r#"{"imgHeight": 40, "imgWidth": 60, "objects": [
            {"label": "road", "polygon": [[0, 0], [59, 0], [59, 39], [0, 39]]}]}"#;
        fs::write(path.join("raw/masks/1/a.json"), json).unwrap();
        Self(path)
    }

    fn check(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_canet"));
        command.current_dir(&self.0).arg("check").args(arguments).env_remove("RUST_LOG");
        command.output().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn findings_go_to_the_terminal_and_to_files() {
    let world = World::new("check-files");
    let output = world.check(&["raw", "--json", "out/r.json", "--html", "out/r.html"]);
    assert_eq!(code(&output), 0, "{}", said(&output.stderr));
    let text = said(&output.stdout);
    for needle in [
        "assignment, label map assignment-21: 2 frames",
        "1 error, 0 warnings",
        "missing-annotation",
        "images/2/a.png: has no annotation",
        "next: missing-annotation: label them",
    ] {
        assert!(text.contains(needle), "{needle}\n{text}");
    }
    let file = |name: &str| fs::read_to_string(world.0.join(Path::new("out").join(name))).unwrap();
    assert!(file("r.json").contains("\"kind\": \"missing-annotation\""));
    assert!(file("r.html").contains("<h1>Label check: assignment</h1>"));
}

#[test]
fn exit_codes_say_whose_fault_it_is() {
    let world = World::new("check-codes");
    for (arguments, expected, needle) in [
        (&["raw", "--strict"][..], 3, "1 errors and 0 warnings"),
        (&["raw", "--dataset", "assignment", "--labels", "idd-level3"], 0, ""),
        (&["raw", "--dataset", "camvid"], 3, "no frames of CamVid"),
        (&["raw", "--dataset", "nonesuch"], 2, "known are assignment"),
        (&["raw", "--labels", "nonesuch"], 2, "known are assignment-21"),
        (&["gone"], 2, "gone"),
        (&[], 2, "DIR"),
    ] {
        let output = world.check(arguments);
        let text = said(&output.stderr);
        assert_eq!(code(&output), expected, "{arguments:?}: {text}");
        assert!(text.contains(needle), "{arguments:?}: {text}");
    }
    fs::remove_dir_all(world.0.join("raw/images/2")).unwrap();
    let output = world.check(&["raw", "--strict"]);
    assert_eq!(code(&output), 0, "{}", said(&output.stderr));
}
