//! The program of ten lines in `fresh/` does what it should, and has nothing but this crate.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod common;

use canet_model::{Checkpoint, image};
use common::{Scratch, assignment, build, frame, meta};

mod fresh {
    include!("fresh/src/main.rs");

    pub(super) fn run() {
        main().unwrap();
    }
}

/// (The only test of this file, as it changes the process' folder.)
#[test]
fn ten_lines_segment_a_frame() {
    let scratch = Scratch::new("ten-lines");
    let config = assignment(4);
    let (_, params) = build(&config, 1);
    Checkpoint::save(&scratch.file("model.safetensors"), &params, &meta(&config), &[]).unwrap();
    frame(40, 30).save(scratch.file("frame.png")).unwrap();
    std::env::set_current_dir(&scratch.0).unwrap();
    fresh::run();
    for picture in ["classes.png", "overlay.png"] {
        let picture = image::open(picture).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (40, 30));
        assert_ne!(picture, frame(40, 30));
    }
    let lines = include_str!("fresh/src/main.rs").lines().filter(|line| !line.is_empty());
    assert!(lines.count() <= 10);
    let manifest = include_str!("fresh/Cargo.toml");
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
    let lines = dependencies.lines().take_while(|line| !line.starts_with('['));
    let names: Vec<_> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["canet-model"]);
}
