//! `canet check --init` as a whole program: what it drafts can be checked at once.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use image::{Rgb, RgbImage};

fn check(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_canet"));
    command.current_dir(folder).arg("check").args(arguments).env_remove("RUST_LOG");
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = [stdout, stderr].concat();
    (status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn a_draft_is_written_once_and_can_be_checked() {
    let folder = std::env::temp_dir().join(format!("canet-cli-init-{}", std::process::id()));
    fs::remove_dir_all(&folder).ok();
    for drive in ["1", "2"] {
        for kind in ["photos", "classes"] {
            fs::create_dir_all(folder.join("raw").join(kind).join(drive)).unwrap();
        }
        let at = |kind: &str, name: &str| folder.join("raw").join(kind).join(drive).join(name);
        let photo = RgbImage::from_fn(32, 16, |x, y| Rgb([(8 * x) as u8, (16 * y) as u8, 60]));
        photo.save(at("photos", "a.png")).unwrap();
        let classes = RgbImage::from_fn(32, 16, |x, _| Rgb([if x < 16 { 9 } else { 200 }; 3]));
        classes.save(at("classes", "a_mask.png")).unwrap();
    }
    let (code, text) = check(&folder, &["--init", "raw", "--out", "own"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("annotations: color-images\nframes: 2 (no official split)"), "{text}");
    let (code, text) = check(&folder, &["raw", "--dataset", "own/my-data.toml"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("label map my-labels: 2 frames"), "{text}");
    let (code, text) = check(&folder, &["--init", "raw", "--out", "own"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("is there already; --force replaces it"), "{text}");
    let (code, text) = check(&folder, &["--init", "raw", "--out", "own", "--force"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = check(&folder, &["--init", "own"]);
    assert_eq!(code, Some(3), "{text}");
    fs::remove_dir_all(&folder).unwrap();
}
