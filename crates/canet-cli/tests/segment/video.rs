//! Video on standard input, and on standard output.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use image::ImageFormat;

use crate::world::{World, expect};

const HEAD: &str = "YUV4MPEG2 W30 H20 F30000:1001 Ip A1:1 C420jpeg\n";
/// Of a frame: brightness, and colours of 15x10 each.
const BYTES: usize = 600 + 300;

/// Frames whose left part grows.
fn video(frames: usize) -> Vec<u8> {
    let mut bytes = HEAD.as_bytes().to_vec();
    for number in 0..frames {
        bytes.extend(b"FRAME\n");
        let luma = (0..600).map(|at| if at % 30 < 3 * number { 200 } else { 60 });
        bytes.extend(luma.chain((0..300).map(|at| 100 + at / 10 % 40)).map(|value| value as u8));
    }
    bytes
}

fn fed(mut command: Command, input: &[u8]) -> Output {
    let pipes = [Stdio::piped(), Stdio::piped(), Stdio::piped()];
    let [stdin, stdout, stderr] = pipes;
    let mut child = command.stdin(stdin).stdout(stdout).stderr(stderr).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    // A program that refuses the stream does not read it.
    let feeding = thread::spawn(move || stdin.write_all(&input).ok());
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    output
}

#[test]
fn frames_of_a_stream_are_numbered() {
    let world = World::new("stream");
    let arguments = ["--out", "out", "--write", "mask,frame", "--every", "3", "-"];
    expect(&fed(world.command(&arguments), &video(7)), 0, "frame 6: ");
    let numbers = ["000000", "000003", "000006"];
    let names = numbers.map(|n| [format!("frame_{n}.png"), format!("frame_{n}_mask.png")]);
    assert_eq!(world.tree("out"), names.concat());
    // A picture of the frame gives the same mask.
    expect(&world.segment(&["--out", "again", "--write", "mask", "out/frame_000003.png"]), 0, "");
    let mask = "frame_000003_mask.png";
    assert_eq!(world.read(&format!("out/{mask}")), world.read(&format!("again/{mask}")));
    // LabelMe finds it beside its polygons.
    let arguments = ["--out", "labelme", "--write", "frame", "--polygons", "labelme", "-"];
    expect(&fed(world.command(&arguments), &video(1)), 0, "");
    assert_eq!(world.tree("labelme"), ["frame_000000.json", "frame_000000.png"]);
    assert_eq!(world.json("labelme/frame_000000.json")["imagePath"], "frame_000000.png");
}

#[test]
fn overlays_become_a_stream() {
    let world = World::new("overlays");
    let output = fed(world.command(&["--y4m-out", "-", "--every", "2", "-"]), &video(5));
    expect(&output, 0, "frame 4: ");
    let head =
        "YUV4MPEG2 W30 H20 F30000:2002 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=LIMITED\n";
    assert!(output.stdout.starts_with(head.as_bytes()));
    assert_eq!(output.stdout.len(), head.len() + 3 * ("FRAME\n".len() + BYTES));
    // The same in a file, and what comes out goes in again.
    let arguments = ["--y4m-out", "v.y4m", "--every", "2", "-"];
    expect(&fed(world.command(&arguments), &video(5)), 0, "");
    assert_eq!(world.read("v.y4m"), output.stdout);
    let arguments = ["--y4m-out", "-", "--size", "50x40", "-"];
    let again = fed(world.command(&arguments), &output.stdout);
    expect(&again, 0, "frame 2: ");
    assert!(again.stdout.starts_with(b"YUV4MPEG2 W50 H40 F30000:2002 "));
    // Without colours the frames come out as they went in, but for rounding.
    let plain = fed(world.command(&["--y4m-out", "-", "--opacity", "0", "-"]), &video(2)).stdout;
    let luma = |bytes: &[u8], head: usize| bytes[head + 6..head + 6 + 600].to_vec();
    let (before, after) =
        (luma(&video(2), HEAD.len()), luma(&plain, plain.len() - 2 * (BYTES + 6)));
    assert!(before.iter().zip(&after).all(|(a, b)| a.abs_diff(*b) <= 2));
}

#[test]
fn faults_of_a_stream_have_their_exit_codes() {
    let world = World::new("stream-faults");
    world.frame("a.png", ImageFormat::Png);
    let whole = video(3);
    let wide = HEAD.replace("W30", "W65535").into_bytes();
    let deep = HEAD.replace("C420jpeg", "C420p10").into_bytes();
    for (stream, code, words) in [
        (whole[..whole.len() - 9].to_vec(), 3, "frame 2: is cut short: 891 of 900 bytes"),
        ([&whole[..], b"FRAMED\n"].concat(), 3, "frame 3: does not begin with FRAME"),
        (HEAD.as_bytes().to_vec(), 3, "standard input has no frame"),
        (Vec::new(), 3, "standard input is empty"),
        (world.read("a.png"), 3, "standard input"),
        (wide, 3, "\"W65535\""),
        (deep, 3, "-pix_fmt yuv420p"),
    ] {
        expect(
            &fed(world.command(&["--out", "out", "--write", "mask", "-"]), &stream),
            code,
            words,
        );
    }
    assert_eq!(world.tree("out").len(), 3, "the whole frames are done");
    for (arguments, words) in [
        (&["--out", "out", "-", "a.png"][..], "give it alone"),
        (&["--y4m-out", "v.y4m", "a.png"], "give - as the PATH"),
        (&["--out", "out", "--y4m-out", "v.y4m", "a.png"], "give - as the PATH"),
        (&["--y4m-out", "v.y4m", "--write", "mask", "-"], "--out"),
        (&["--every", "0", "--out", "out", "-"], "--every"),
        (&["--size", "9", "--out", "out", "-"], "such as 640x360"),
        (&["--size", "9x99999", "--out", "out", "-"], "masks of 9x99999"),
    ] {
        expect(&fed(world.command(arguments), &whole), 2, words);
    }
    assert!(!world.file("v.y4m").exists());
}

#[test]
fn a_reader_that_has_gone_ends_the_run() {
    let world = World::new("gone");
    let arguments = ["--y4m-out", "-", "-"];
    let mut command = world.command(&arguments);
    let (stdin, stdout) = (Stdio::piped(), Stdio::piped());
    let mut child = command.stdin(stdin).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(&video(3)).ok();
    expect(&child.wait_with_output().unwrap(), 5, "cannot write the video");
    if cfg!(target_os = "linux") {
        let mut command = world.command(&arguments);
        let full = File::options().write(true).open("/dev/full").unwrap();
        fs::write(world.file("v.y4m"), video(2)).unwrap();
        let stream = File::open(world.file("v.y4m")).unwrap();
        let output = command.stdin(stream).stdout(full).output().unwrap();
        expect(&output, 5, "cannot write the video");
    }
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_after_the_frames_in_work() {
    let world = World::new("interrupt");
    let arguments = ["--out", "out", "--write", "mask", "--polygons", "cvat", "-"];
    let mut command = world.command(&arguments);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&video(2)).unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut wait_for = |words: &str| {
        let (start, mut line) = (Instant::now(), String::new());
        while !line.contains(words) {
            line.clear();
            assert!(told.read_line(&mut line).unwrap() > 0, "{words} was not told");
            assert!(start.elapsed() < Duration::from_mins(1), "{words}");
        }
    };
    wait_for("frame 1: ");
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    wait_for("stopping after the frames in work");
    drop(stdin);
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(rest.contains("stopped after 2 frames"), "{rest}");
    let names = ["annotations.xml", "frame_000000_mask.png", "frame_000001_mask.png"];
    assert_eq!(world.tree("out"), names);
}
