//! `canet rasterise` as a whole program.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use canet_core::{LabelMap, Mask};

const FRAME: &str = r#"{"imgHeight": 4, "imgWidth": 6, "objects": [
    {"label": "road", "polygon": [[0, 2], [5, 2], [5, 3], [0, 3]]},
    {"label": "car", "polygon": [[1.9, 0.2], [4, 0], [4, 2], [1, 2]]}]}"#;

/// A folder of the test's own.
struct World(PathBuf);

impl World {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("canet-cli-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs `canet rasterise` in the folder: the exit code, and what it says.
    fn run(&self, arguments: &str) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_canet"));
        command.current_dir(&self.0).arg("rasterise").args(arguments.split(' '));
        let output = command.env_remove("RUST_LOG").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    fn mask(&self, name: &str) -> Vec<u8> {
        let bytes = fs::read(self.0.join(name)).unwrap();
        Mask::from_png(&bytes, Path::new(name)).unwrap().into_ids()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn a_file_becomes_a_mask_by_each_rule_and_map() {
    let world = World::new("rasterise-file");
    world.write("a.json", FRAME);
    let map = "name = \"mine\"\nvoid = []\nvoid_values = [255]\n\
        [[class]]\nname = \"way\"\ncolor = \"#102030\"\nlabels = [\"road\"]\nvalues = [0]\n\
        [[class]]\nname = \"thing\"\ncolor = \"#405060\"\nlabels = [\"car\"]\nvalues = [1]\n";
    world.write("mine.toml", map);
    let v = 255;
    for (arguments, expected) in [
        (
            "--labels mine.toml a.json -o pillow-6.png",
            [v, 1, 1, 1, 1, v, v, 1, 1, 1, 1, v, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        ),
        (
            "--labels mine.toml --rule centre a.json -o centre.png",
            [v, v, 1, 1, v, v, v, 1, 1, 1, v, v, 0, 0, 0, 0, 0, v, v, v, v, v, v, v],
        ),
    ] {
        let (code, said) = world.run(arguments);
        assert_eq!(code, 0, "{said}");
        let out = arguments.rsplit(' ').next().unwrap();
        assert_eq!(world.mask(out), expected, "{arguments}");
    }
    let (code, said) = world.run("--labels idd-level3 --color a.json -o new/folder/color.png");
    assert_eq!(code, 0, "{said}");
    let picture = image::open(world.0.join("new/folder/color.png")).unwrap();
    let road = LabelMap::builtin("idd-level3").unwrap();
    let road = road.classes().color(road.class_of_label("road").unwrap()).0;
    assert_eq!(picture.as_rgb8().unwrap().get_pixel(0, 3).0, road);
}

#[test]
fn a_tree_goes_on_past_a_broken_file() {
    let world = World::new("rasterise-tree");
    world.write("gt/007/a.json", FRAME);
    world.write("gt/007/b.json", &FRAME.replace("0.2", "null"));
    world.write("gt/008/c.json", FRAME);
    let (code, said) = world.run("--labels idd-level3 gt -o masks");
    assert_eq!(code, 3, "{said}");
    for needle in ["objects[1].polygon[0][1]", "1 of 3 annotations are broken"] {
        assert!(said.contains(needle), "{said}");
    }
    assert_eq!(world.mask("masks/007/a.png"), world.mask("masks/008/c.png"));
    assert!(!world.0.join("masks/007/b.png").exists());
}

#[test]
fn wrong_commands_are_refused_and_change_nothing() {
    let world = World::new("rasterise-refused");
    world.write("a.json", FRAME);
    world.write("gt/b.json", FRAME);
    for (arguments, needle) in [
        ("--labels idd-level3 a.json -o a.json", "is the annotation itself"),
        ("--labels idd-level3 gt -o gt", "name another folder"),
        ("--labels idd-level3 gt -o a.json", "name a folder"),
        ("--labels idd-level3 none.json -o m.png", "none.json"),
        ("--labels none.toml a.json -o m.png", "none.toml"),
        ("--labels idd-level3 --rule pillow a.json -o m.png", "known are pillow-6, pillow-11"),
        ("--labels idd-level3 a.json", "--output"),
    ] {
        let (code, said) = world.run(arguments);
        assert_eq!(code, 2, "{arguments}: {said}");
        assert!(said.contains(needle), "{arguments}: {said}");
    }
    assert_eq!(fs::read_to_string(world.0.join("a.json")).unwrap(), FRAME);
    assert_eq!(fs::read_dir(&world.0).unwrap().count(), 2);
    let (code, said) = world.run("--help");
    assert!(code == 0 && said.contains("canet rasterise --labels idd-level3"), "{said}");
}
