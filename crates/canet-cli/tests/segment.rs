//! `canet segment` as a whole program, with a small network of random weights.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use canet_model::{
    AssignmentConfig, Checkpoint, CheckpointMeta, Class, ClassSet, Device, Mask, ModelConfig,
    Network, Params, Rgb,
};
use image::{ImageFormat, RgbImage};

/// A folder of the test's own with a checkpoint in it.
struct World(PathBuf);

impl World {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("canet-cli-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        let world = Self(path);
        world.checkpoint("m.safetensors", None);
        world
    }

    /// Writes a checkpoint of random weights, or with this value for all of them.
    fn checkpoint(&self, name: &str, value: Option<f32>) {
        let (config, classes) = (model(), classes());
        let mut params = Params::new(1, &Device::Cpu);
        Network::new(&config, &mut params).unwrap();
        for param in params.iter() {
            let values = value.map(|value| param.var.ones_like().unwrap() * f64::from(value));
            if let Some(values) = values {
                param.var.set(&values.unwrap()).unwrap();
            }
        }
        let meta = CheckpointMeta::new(config, classes);
        Checkpoint::save(&self.file(name), &params, &meta, &[]).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn frame(&self, name: &str, format: ImageFormat) {
        fs::create_dir_all(self.file(name).parent().unwrap()).unwrap();
        let frame = RgbImage::from_fn(30, 20, |x, y| image::Rgb([8 * x as u8, 9 * y as u8, 77]));
        frame.save_with_format(self.file(name), format).unwrap();
    }

    /// Runs `canet segment` in the folder.
    fn segment(&self, arguments: &[&str]) -> Output {
        let common = ["segment", "--model", "m.safetensors", "--device", "cpu"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_canet"));
        command.current_dir(&self.0).args(common).args(arguments).env_remove("RUST_LOG");
        command.output().unwrap()
    }

    /// Every file in `folder`, relative to it and sorted.
    fn tree(&self, folder: &str) -> Vec<String> {
        let (root, mut found) = (self.file(folder), Vec::new());
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }
}

impl Drop for World {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn model() -> ModelConfig {
    ModelConfig::Assignment(AssignmentConfig { classes: 3, ..Default::default() })
}

fn classes() -> ClassSet {
    let class = |(name, color): (&str, _)| Class { name: name.into(), color: Rgb(color) };
    let classes = [("road", [128, 64, 128]), ("sky", [70, 130, 180]), ("auto", [255, 204, 54])];
    ClassSet { name: "three".into(), classes: classes.map(class).into() }
}

#[track_caller]
fn expect(output: &Output, code: i32, words: &str) {
    let messages = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{messages}");
    assert!(messages.contains(words), "{words:?} is not in: {messages}");
}

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
    let names = ["007/b", "008/b", "a"]
        .map(|name| ["color", "mask", "overlay"].map(|kind| format!("{name}_{kind}.png")));
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
    assert_eq!(world.tree("out").len(), 6);
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
    expect(&with("useless.safetensors", "cpu"), 3, "1/1 a.png: the network gives scores");
    expect(&with("cut.safetensors", "cpu"), 3, "cut short");
    expect(&with("text.txt", "cpu"), 3, "empty or cut short");
    expect(&with("a.png", "cpu"), 3, "not a safetensors file");
    expect(&with("m.safetensors", "gpu"), 2, "use auto");
    assert!(!world.file("out").exists());
}
