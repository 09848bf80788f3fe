//! `canet vectorise` as people run it: exit codes, messages, and files that give the masks back.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use canet_core::{ClassId, LabelMap, Mask, atomic};
use canet_data::annotation::Annotation;
use canet_data::raster::{Rule, rasterise};

/// A folder of its own for a test, with a tree of masks.
struct World(PathBuf);

impl World {
    fn new(test: &str) -> Self {
        let name = format!("canet-vectorise-{}-{test}", std::process::id());
        let world = Self(std::env::temp_dir().join(name));
        for (name, shift) in [("masks/a.png", 0), ("masks/007/b_mask.png", 7)] {
            atomic::write(&world.0.join(name), &mask(shift).to_png(labels().classes())).unwrap();
        }
        world
    }

    fn vectorise(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_canet"));
        command.current_dir(&self.0).arg("vectorise").args(arguments).env_remove("RUST_LOG");
        command.output().unwrap()
    }

    fn annotation(&self, name: &str) -> Annotation {
        let path = self.0.join(name);
        Annotation::parse(&fs::read(&path).unwrap(), Path::new(name), &labels()).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn labels() -> LabelMap {
    LabelMap::builtin("idd-level3").unwrap()
}

/// Rings, stripes and specks, with void.
fn mask(shift: usize) -> Mask {
    let id = |at: usize| match (at % 40, at / 40) {
        (x, y) if x * y % 23 == 7 => 255,
        (x, y) if x.abs_diff(20 + shift) + y.abs_diff(12) < 9 => 9,
        (x, y) if x.abs_diff(20 + shift).max(y.abs_diff(12)) < 11 => 20,
        (x, _) if x % 9 < 4 => 0,
        _ => 23,
    };
    Mask::from_ids(40, 30, (0..1200).map(|at| id(at) as u8).collect())
}

#[track_caller]
fn expect(output: &Output, code: i32, words: &str) {
    let messages = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{messages}");
    assert!(messages.contains(words), "{words:?} is not in: {messages}");
}

#[test]
fn polygons_give_the_masks_back_by_every_rule() {
    let world = World::new("exact");
    for rule in Rule::ALL {
        let arguments = ["masks", "--labels", "idd-level3", "--format", "idd", "-o", rule.name()];
        let output = world.vectorise(&[&arguments[..], &["--rule", rule.name()]].concat());
        expect(&output, 0, &format!("2 frames for the rule {rule}, 0.0000 %"));
        for (name, shift) in [("a", 0), ("007/b", 7)] {
            let annotation = world.annotation(&format!("{rule}/{name}_gtFine_polygons.json"));
            assert!(annotation.findings.is_empty());
            assert_eq!(rasterise(&annotation, &labels(), rule), mask(shift), "{rule}, {name}");
        }
    }
}

#[test]
fn formats_have_their_rules_and_files() {
    let world = World::new("formats");
    for (format, rule, files) in [
        ("idd", "pillow-6", &["a_gtFine_polygons.json", "007/b_gtFine_polygons.json"][..]),
        ("cityscapes", "pillow-6", &["a_gtFine_polygons.json"]),
        ("labelme", "centre", &["a.json", "007/b.json"]),
        ("cvat", "centre", &["annotations.xml"]),
        ("coco", "centre", &["instances.json"]),
    ] {
        let arguments = ["masks", "--labels", "idd-level3", "--format", format, "-o", format];
        expect(&world.vectorise(&arguments), 0, &format!("for the rule {rule},"));
        for file in [files, &["vectorise.json"]].concat() {
            assert!(world.0.join(format).join(file).exists(), "{format}: {file}");
        }
    }
}

#[test]
fn what_simplifying_changes_is_told() {
    let world = World::new("simplified");
    let common = ["masks/a.png", "--labels", "idd-level3", "--format", "idd", "-o", "out"];
    let output = world.vectorise(&[&common[..], &["--simplify", "2", "--min-area", "5"]].concat());
    expect(&output, 0, "% of the pixels changed, by up to");
    let painted =
        rasterise(&world.annotation("out/a_gtFine_polygons.json"), &labels(), Rule::Pillow6);
    let pairs = painted.ids().iter().zip(mask(0).into_ids());
    let changed = pairs.filter(|(painted, id)| **painted != *id).count();
    let report = fs::read_to_string(world.0.join("out/vectorise.json")).unwrap();
    assert!(changed > 0 && report.contains(&format!("\"changed\": {changed},")), "{report}");
}

#[test]
fn faults_have_their_exit_codes() {
    let world = World::new("faults");
    fs::create_dir(world.0.join("empty")).unwrap();
    for (arguments, code, words) in [
        (&["none", "--labels", "idd-level3", "--format", "idd", "-o", "out"][..], 2, "none"),
        (&["empty", "--labels", "idd-level3", "--format", "idd", "-o", "out"], 3, "holds no mask"),
        (&["masks", "--labels", "idd", "--format", "idd", "-o", "out"], 2, "idd-level3"),
        (&["masks", "--labels", "idd-level3", "--format", "gif", "-o", "out"], 2, "labelme"),
        (&["masks", "--labels", "idd-level3", "--format", "idd"], 2, "--out"),
        (
            &["masks", "--labels", "idd-level3", "--format", "idd", "-o", "out", "--rule", "x"],
            2,
            "pillow-6",
        ),
        (
            &["masks", "--labels", "idd-level3", "--format", "idd", "-o", "out", "--simplify=-1"],
            2,
            "simplify",
        ),
    ] {
        expect(&world.vectorise(arguments), code, words);
        assert!(!world.0.join("out").exists(), "{arguments:?}");
    }
    let foreign = Mask::filled(2, 2, ClassId(99)).to_png(labels().classes());
    fs::write(world.0.join("masks/c.png"), foreign).unwrap();
    let arguments = ["masks", "--labels", "idd-level3", "--format", "idd", "-o", "out"];
    let output = world.vectorise(&arguments);
    expect(&output, 3, "1 of 3 masks could not be used");
    expect(&output, 3, "c.png: pixel (0, 0) has value 99");
    assert!(world.0.join("out/a_gtFine_polygons.json").exists());
}
