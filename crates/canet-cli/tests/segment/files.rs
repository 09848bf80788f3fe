//! Files and folders in, pictures and JSON out.

use std::fs;
use std::path::Path;
use std::process::Command;

use canet_model::Mask;
use image::ImageFormat;

use crate::world::{World, classes, expect};

#[test]
fn files_and_folders_become_pictures() {
    let world = World::new("pictures");
    world.frame("a.jpg", ImageFormat::Jpeg);
    world.frame("drives/007/b.PNG", ImageFormat::Png);
    world.frame("drives/008/b.jpeg", ImageFormat::Jpeg);
    fs::write(world.file("drives/notes.txt"), "no frame").unwrap();
    fs::write(world.file("drives/007/._b.PNG"), "what macOS leaves").unwrap();
    world.frame("drives/.trash/c.png", ImageFormat::Png);
    let output = world.segment(&["--out", "out", "a.jpg", "drives"]);
    expect(&output, 0, "3/3");
    assert!(output.stdout.is_empty());
    let kinds = ["color.png", "frame.json", "mask.png", "overlay.png"];
    let names = ["007/b", "008/b", "a"].map(|name| kinds.map(|kind| format!("{name}_{kind}")));
    assert_eq!(world.tree("out"), names.concat());
    let mask = Mask::read(&world.file("out/007/b_mask.png"), &classes()).unwrap();
    assert_eq!((mask.width(), mask.height()), (30, 20));
    let open = |name| image::open(world.file(name)).unwrap().into_rgb8();
    let color = open("out/007/b_color.png");
    for (x, y, pixel) in color.enumerate_pixels() {
        assert_eq!(pixel.0, classes().color(mask.at(x, y)).0);
    }
    assert!(open("out/007/b_overlay.png").height() > 20, "the legend is missing");
    // The same again, the output folder now lying in the input folder.
    let moved = world.file("drives/out");
    fs::rename(world.file("out"), &moved).unwrap();
    let bytes = |path: &Path| fs::read(path).unwrap();
    let before = bytes(&moved.join("008/b_mask.png"));
    expect(&world.segment(&["--out", "drives/out", "drives"]), 0, "2/2");
    assert_eq!(bytes(&moved.join("008/b_mask.png")), before);
}

#[test]
fn broken_frames_are_reported_and_the_rest_goes_on() {
    let world = World::new("broken");
    world.frame("frames/a.png", ImageFormat::Png);
    world.frame("frames/z.png", ImageFormat::Png);
    let whole = fs::read(world.file("frames/a.png")).unwrap();
    fs::write(world.file("frames/cut.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(world.file("frames/empty.jpg"), "").unwrap();
    let output = world.segment(&["--out", "out", "frames"]);
    expect(&output, 3, "2 of 4 frames could not be segmented");
    expect(&output, 3, "cut.png: is no readable JPEG or PNG");
    assert_eq!(world.tree("out").len(), 8);
}

#[test]
fn nothing_is_overwritten_by_accident() {
    let world = World::new("collisions");
    world.frame("one/a.png", ImageFormat::Png);
    world.frame("two/a.jpg", ImageFormat::Jpeg);
    world.frame("two/a_mask.png", ImageFormat::Png);
    for (arguments, words) in [
        (&["--out", "out", "one/a.png", "two/a.jpg"][..], "would both become out/a_mask.png"),
        (&["--out", "out", "one", "two"], "would both become"),
        (&["--out", "one", "one"], "is the output folder, too"),
        (&["--out", "two", "two/a.jpg", "two/a_mask.png"], "would be overwritten"),
    ] {
        expect(&world.segment(arguments), 2, words);
        assert!(!world.file("out").exists());
    }
    assert_eq!(world.tree("two"), ["a.jpg", "a_mask.png"]);
}

#[test]
fn faults_have_their_exit_codes() {
    let world = World::new("faults");
    world.frame("a.png", ImageFormat::Png);
    fs::create_dir(world.file("empty")).unwrap();
    fs::write(world.file("text.txt"), "no frame").unwrap();
    fs::write(world.file("file"), "no folder").unwrap();
    let whole = fs::read(world.file("m.safetensors")).unwrap();
    fs::write(world.file("cut.safetensors"), &whole[..whole.len() / 2]).unwrap();
    world.checkpoint("useless.safetensors", Some(f32::NAN));
    for (arguments, code, words) in [
        (&["--out", "out"][..], 2, "PATH"),
        (&["--out", "out", "--opacity", "2", "a.png"], 2, "from 0 to 1"),
        (&["--out", "out", "none.png"], 2, "none.png cannot be found"),
        (&["--out", "out", "text.txt"], 2, "neither a folder nor"),
        (&["--out", "out", "empty"], 2, "there is no .jpg"),
        (&["--out", "file", "a.png"], 2, "file is a file"),
        (&["--out", "file/below", "a.png"], 2, "file is a file"),
    ] {
        expect(&world.segment(arguments), code, words);
    }
    let with = |model, device| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_canet"));
        command.current_dir(&world.0).args(["segment", "--model", model, "--device", device]);
        command.args(["--out", "out", "a.png"]).output().unwrap()
    };
    expect(&with("none.safetensors", "cpu"), 2, "none.safetensors");
    expect(&with("empty", "cpu"), 2, "empty");
    expect(&with("useless.safetensors", "cpu"), 3, "useless: 1/1 a.png: the network gives scores");
    expect(&with("cut.safetensors", "cpu"), 3, "cut short");
    expect(&with("text.txt", "cpu"), 3, "empty or cut short");
    expect(&with("a.png", "cpu"), 3, "not a safetensors file");
    expect(&with("m.safetensors", "gpu"), 2, "use auto");
    assert!(!world.file("out").exists());
}

#[test]
fn each_kind_of_file_is_written_if_asked_for() {
    let world = World::new("kinds");
    world.frame("007/a.png", ImageFormat::Png);
    for (kinds, expected) in [
        ("mask", &["a_mask.png"][..]),
        ("frame,color", &["a.png", "a_color.png"]),
        ("json,confidence,json", &["a_confidence.png", "a_frame.json"]),
    ] {
        expect(&world.segment(&["--out", kinds, "--write", kinds, "007"]), 0, "1/1");
        assert_eq!(world.tree(kinds), expected);
    }
    let open = |name: &str| image::open(world.file(name)).unwrap();
    assert_eq!(open("frame,color/a.png"), open("007/a.png"));
    let confidence = open("json,confidence,json/a_confidence.png").into_luma8();
    let record = world.json("json,confidence,json/a_frame.json");
    assert_eq!(record["frame"], "a.png");
    for size in ["frame", "network", "mask"] {
        assert_eq!(record["sizes"][size], canet_model::serde_json::json!([30, 20]), "{size}");
    }
    let mask = Mask::read(&world.file("mask/a_mask.png"), &classes()).unwrap();
    for (class, id) in classes().classes.iter().zip(0..) {
        let share = mask.histogram()[id] as f64 / 600.0;
        assert_eq!(record["shares"][&class.name], share, "{}", class.name);
    }
    let mean = record["mean_confidence"].as_f64().unwrap();
    let pixels = confidence.pixels().map(|pixel| f64::from(pixel[0]) / 255.0).sum::<f64>() / 600.0;
    assert!((mean - pixels).abs() < 1.0 / 255.0 && mean > 1.0 / 3.0, "{mean} {pixels}");
    for part in ["decode", "network", "encode"] {
        assert!(record["ms"][part].as_f64().unwrap() >= 0.0, "{part}");
    }
}

#[test]
fn options_of_the_network_reach_it() {
    let world = World::new("options");
    world.frame("a.png", ImageFormat::Png);
    expect(&world.segment(&["--out", "plain", "a.png"]), 0, "1/1");
    for arguments in [&["--size", "45x12"][..], &["--precision", "f16"], &["--scales", "1,2"]] {
        let common = ["--out", "out", "--write", "mask,overlay,json", "a.png"];
        expect(&world.segment(&[arguments, &common].concat()), 0, "1/1");
        let mask = Mask::read(&world.file("out/a_mask.png"), &classes()).unwrap();
        let is_sized = arguments[0] == "--size";
        let size = if is_sized { (45, 12) } else { (30, 20) };
        assert_eq!((mask.width(), mask.height()), size);
        let confidence =
            |folder| world.json(&format!("{folder}/a_frame.json"))["mean_confidence"].clone();
        assert_ne!(confidence("out"), confidence("plain"), "{arguments:?}");
    }
}

#[test]
fn patterns_are_expanded_where_the_shell_has_not() {
    let world = World::new("patterns");
    for name in ["d/1/a.png", "d/1/b.png", "d/2/c.png", "d/[x].png"] {
        world.frame(name, ImageFormat::Png);
    }
    for (pattern, code, words) in [
        ("d/*/?.png", 0, "3/3 d/2/c.png"),
        ("d/**/[ab].png", 0, "2/2 d/1/b.png"),
        ("d/[x].png", 0, "1/1 d/[x].png"),
        ("d/*", 0, "4/4"),
        ("d/*.jpg", 2, "d/*.jpg matches nothing"),
        ("d/[", 2, "d/[ is no pattern"),
    ] {
        let output = world.segment(&["--out", "out", "--write", "mask", pattern]);
        expect(&output, code, words);
    }
    let output = world.segment(&["--out", "each", "--write", "mask", "--every", "2", "d"]);
    expect(&output, 0, "2/2");
    assert_eq!(world.tree("each"), ["1/a_mask.png", "2/c_mask.png"]);
}

#[test]
fn threads_change_nothing() {
    let world = World::new("threads");
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        world.frame(&format!("frames/{name}.jpg"), ImageFormat::Jpeg);
    }
    let run = |threads: &str, format: &str| {
        let out = format!("{threads}-{format}");
        let mut command = world.command(&["--out", &out, "--polygons", format, "frames"]);
        let output = command.env("RAYON_NUM_THREADS", threads).output().unwrap();
        expect(&output, 0, "7/7");
        let told = String::from_utf8(output.stderr).unwrap();
        let files = world.tree(&out).into_iter().filter(|name| !name.ends_with("_frame.json"));
        (told, files.map(|name| (world.read(&format!("{out}/{name}")), name)).collect::<Vec<_>>())
    };
    for format in ["coco", "cvat", "idd"] {
        assert_eq!(run("1", format), run("5", format), "{format}");
    }
}
