//! Frames, models and machines that are against us: exit codes, messages, and nothing half-written.

use std::fs;
use std::process::Command;

use canet_model::{
    AssignmentConfig, Checkpoint, CheckpointMeta, Device, ModelConfig, Network, Params,
};
use image::{ImageBuffer, ImageFormat, Rgb};

use crate::world::{World, classes, expect, model};

const CMYK: &[u8] = include_bytes!("../../../canet-hostile/tests/images/cmyk.jpg");
const TURNED: &[u8] = include_bytes!("../../../canet-hostile/tests/images/turned.jpg");

#[test]
fn odd_frames_are_done_and_broken_ones_are_named() {
    let world = World::new("hostile-frames");
    world.frame("plain.png", ImageFormat::Png);
    world.frame("plain.jpg", ImageFormat::Jpeg);
    let (png, jpeg) = (world.read("plain.png"), world.read("plain.jpg"));
    let deep = ImageBuffer::<Rgb<u16>, _>::from_pixel(9, 7, Rgb([65535, 300, 0]));
    deep.save(world.file("sixteen-bits.png")).unwrap();
    let size = |w, h| Ok::<_, &str>([w, h]);
    for (name, bytes, expected) in [
        ("text.png", b"no picture".to_vec(), Err("is no readable JPEG or PNG")),
        ("zero.jpg", Vec::new(), Err("is empty")),
        ("cut.png", png[..png.len() / 2].to_vec(), Err("is no readable JPEG or PNG")),
        ("cut.jpg", jpeg[..jpeg.len() - 2].to_vec(), Err("is cut short: its end-of-image marker")),
        ("huge.jpg", of_size(&jpeg, 65535), Err("is 65535x65535; sides of 1 to 16384")),
        ("gif.png", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(), Err("is no readable JPEG or PNG")),
        ("cmyk.jpg", CMYK.to_vec(), size(67, 45)),
        ("deep.png", world.read("sixteen-bits.png"), size(9, 7)),
        ("turned.jpg", TURNED.to_vec(), size(67, 45)),
        ("moving.png", moving(), size(4, 3)),
        ("really-a-jpeg.png", jpeg.clone(), size(30, 20)),
    ] {
        let file = world.file(&format!("{name}/{name}"));
        // A folder that is called like a picture is a folder.
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, bytes).unwrap();
        let out = format!("out/{name}");
        let output = world.segment(&["--out", &out, "--write", "mask,overlay", name]);
        let stem = name.rsplit_once('.').unwrap().0;
        match expected {
            Ok([w, h]) => {
                expect(&output, 0, "1/1");
                let mask = image::open(world.file(&format!("{out}/{stem}_mask.png"))).unwrap();
                assert_eq!([mask.width(), mask.height()], [w, h], "{name}");
                assert_eq!(world.tree(&out).len(), 2, "{name}");
            }
            Err(words) => {
                expect(&output, 3, &format!("{name}/{name}: {words}"));
                expect(&output, 3, "1 of 1 frames could not be segmented");
                assert!(!world.file(&out).exists(), "{name}");
            }
        }
    }
    fs::write(world.file("moving.gif"), "GIF89a").unwrap();
    expect(&world.segment(&["--out", "out", "moving.gif"]), 2, "moving.gif is neither");
}

/// A JPEG whose header claims this side.
fn of_size(jpeg: &[u8], side: u16) -> Vec<u8> {
    let mut bytes = jpeg.to_vec();
    let at = bytes.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    bytes[at + 5..at + 9].copy_from_slice(&[side.to_be_bytes(); 2].concat());
    bytes
}

/// An animation of two pictures.
fn moving() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 4, 3);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for value in [10, 200] {
        writer.write_image_data(&[value; 12]).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_read_is_told_and_the_rest_goes_on() {
    let world = World::new("unreadable");
    world.frame("frames/z.png", ImageFormat::Png);
    // Permissions would not stop the user root, but nobody may read the page at 0.
    std::os::unix::fs::symlink("/proc/self/mem", world.file("frames/a.png")).unwrap();
    std::os::unix::fs::symlink("nowhere", world.file("frames/b.png")).unwrap();
    let output = world.segment(&["--out", "out", "--write", "mask", "frames"]);
    expect(&output, 3, "1/2 frames/a.png: cannot be read: Input/output error");
    assert_eq!(world.tree("out"), ["z_mask.png"]);
    expect(&world.segment(&["--out", "out", "/dev/zero"]), 2, "neither a folder nor");
    expect(&world.segment(&["--out", "/proc/none", "frames/z.png"]), 2, "folder /proc/none");
}

/// The system refuses every byte, as a full disk does.
#[test]
#[cfg(unix)]
fn a_full_disk_ends_the_run_and_leaves_what_was_there() {
    let world = World::new("full");
    for name in ["a", "b", "c"] {
        world.frame(&format!("frames/{name}.png"), ImageFormat::Png);
    }
    expect(&world.segment(&["--out", "out", "--write", "mask", "frames/b.png"]), 0, "1/1");
    let before = world.read("out/b_mask.png");
    let full = "trap '' XFSZ; ulimit -f 0";
    for (rest, words) in [
        ("--out out frames", "1/3 frames/a.png: cannot write out/a_mask.png"),
        ("--out out --write json frames", "cannot write out/a_frame.json"),
        ("--out out --write mask --polygons idd frames/b.png", "cannot write out/b_mask.png"),
    ] {
        expect(&world.in_shell(full, rest), 5, words);
        assert_eq!(world.tree("out"), ["b_mask.png"], "{rest}");
        assert_eq!(world.read("out/b_mask.png"), before);
    }
    let head = "YUV4MPEG2 W2 H2 Cmono\nFRAME\n1234";
    fs::write(world.file("v.y4m"), head).unwrap();
    expect(&world.in_shell(full, "--y4m-out out/o.y4m - < v.y4m"), 5, "cannot write the video");
    assert_eq!(world.tree("out"), ["b_mask.png"]);
    // Nobody listens: there is nothing to say on standard output anyway.
    expect(&world.in_shell("exec >&-", "--out out --write mask frames"), 0, "3/3");
    assert_eq!(world.tree("out"), ["a_mask.png", "b_mask.png", "c_mask.png"]);
}

#[test]
fn models_that_are_none_are_named() {
    let world = World::new("hostile-models");
    world.frame("a.png", ImageFormat::Png);
    let whole = world.read("m.safetensors");
    let length = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(whole[8..8 + length].to_vec()).unwrap();
    let with_header = |header: &str| {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &whole[8 + length..]].concat()
    };
    let one = r#""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    for (name, bytes) in [
        ("pickle.safetensors", b"PK\x03\x04archive/data.pkl".repeat(9)),
        ("cut.safetensors", whole[..whole.len() - 7].to_vec()),
        (
            "flipped.safetensors",
            [&whole[..whole.len() - 1], &[whole[whole.len() - 1] ^ 1]].concat(),
        ),
        ("long.safetensors", [&u64::MAX.to_le_bytes()[..], &whole[8..]].concat()),
        (
            "foreign.safetensors",
            with_header(&format!(r#"{{"__metadata__":{{"format":"pt"}},{one}}}"#)),
        ),
        ("bare.safetensors", with_header(&format!("{{{one}}}"))),
        ("renamed.safetensors", with_header(&header.replacen("weight", "wieght", 1))),
        ("lying.safetensors", with_header(&header.replacen("[0,", "[-9,", 1))),
        ("deep.safetensors", with_header(&"[".repeat(100_000))),
        ("other-classes.safetensors", of_other_classes()),
    ] {
        fs::write(world.file(name), bytes).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_canet"));
        command.current_dir(&world.0).env_remove("RUST_LOG");
        command.args(["segment", "--model", name, "--device", "cpu", "--out", "out", "a.png"]);
        expect(&command.output().unwrap(), 3, name);
    }
    assert!(!world.file("out").exists());
}

/// A checkpoint that is whole, but whose weights are for more classes than it says.
fn of_other_classes() -> Vec<u8> {
    let mut params = Params::new(1, &Device::Cpu);
    let more = ModelConfig::Assignment(AssignmentConfig { classes: 5, ..Default::default() });
    Network::new(&more, &mut params).unwrap();
    let meta = CheckpointMeta::new(model(), classes());
    Checkpoint::to_bytes(&params, &meta, &[]).unwrap()
}
