//! How fast a data set is prepared, and how much memory that takes:
//! `cargo run --release -p canet-data --example time_prepare -- FOLDER [FRAMES] [FORM...]`.
//!
//! FOLDER is made anew and removed at the end. FRAMES (4,000 unless given) frames of 1920x1080 are prepared, and
//! then twice as many, each time in a process of its own, whose peak memory the kernel knows. Twelve drawn streets
//! lie under all the names, as hard links, so the raw tree takes little room; annotations differ
//! from frame to frame. The prepared folder of 8,000 frames takes some 8 GB. FORMs: `plain` (the only one
//! unless given), `resize` (960x540), `scale` (the same with `--jpeg-scale`), `shards` (512 MB), `maps` (a second
//! label map into a folder that is prepared: masks alone), `again` (nothing to do).

#![expect(clippy::print_stdout, reason = "that is what it is for")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails should stop")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use canet_core::LabelMap;
use canet_data::dataset_spec::DatasetSpec;
use canet_data::prepare::{PrepareOptions, prepare};
use canet_data::sample::{SampleOptions, write_tree};
use canet_data::shrink::Resize;

const STREETS: usize = 12;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [only, raw, out, form] = &args[..]
        && only == "--once"
    {
        once(Path::new(raw), Path::new(out), form);
        return;
    }
    let folder = Path::new(args.first().map_or("", String::as_str));
    assert!(
        !folder.as_os_str().is_empty() && !folder.exists(),
        "name a folder that does not exist"
    );
    let frames: usize = args.get(1).map_or(4_000, |n| n.parse().unwrap());
    let mut forms: Vec<&str> = args.iter().skip(2).map(String::as_str).collect();
    if forms.is_empty() {
        forms.push("plain");
    }
    draw(&folder.join("streets"));
    println!("{:<8} {:>7} {:>9} {:>10} {:>9}", "form", "frames", "seconds", "frames/s", "peak MiB");
    for frames in [frames, 2 * frames] {
        let raw = folder.join("raw");
        raw_tree(&folder.join("streets"), &raw, frames);
        for form in &forms {
            let out = folder.join("out");
            if ["maps", "again"].contains(form) {
                child(&raw, &out, "plain");
            }
            let (seconds, peak) = child(&raw, &out, form);
            let rate = frames as f64 / seconds;
            println!("{form:<8} {frames:>7} {seconds:>9.2} {rate:>10.1} {peak:>9.1}");
            fs::remove_dir_all(out).unwrap();
        }
        fs::remove_dir_all(raw).unwrap();
    }
    fs::remove_dir_all(folder).unwrap();
}

fn draw(to: &Path) {
    let frames_per_drive = STREETS as u32 / 4;
    let options = SampleOptions { width: 1920, height: 1080, drives: 4, frames_per_drive, seed: 1 };
    assert_eq!(write_tree(&options, to).unwrap(), STREETS);
}

/// Ten drives of links to the streets. The numbers that annotators leave in a file differ, and so its bytes.
fn raw_tree(streets: &Path, raw: &Path, frames: usize) {
    for n in 0..frames {
        let street = n % STREETS;
        let from = format!("{:03}/frame{:04}", street / 3, street % 3);
        let to = format!("{:02}/{n:06}", n * 10 / frames);
        let image = raw.join("images").join(format!("{to}.jpg"));
        let mask = raw.join("masks").join(format!("{to}.json"));
        fs::create_dir_all(image.parent().unwrap()).unwrap();
        fs::create_dir_all(mask.parent().unwrap()).unwrap();
        fs::hard_link(streets.join("images").join(format!("{from}.jpg")), image).unwrap();
        let json = fs::read_to_string(streets.join("masks").join(format!("{from}.json"))).unwrap();
        fs::write(mask, json.replace("\"sample\"", &format!("\"sample {n}\""))).unwrap();
    }
}

/// Seconds and peak memory in MiB of one run.
fn child(raw: &Path, out: &Path, form: &str) -> (f64, f64) {
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this).arg("--once").args([raw, out]).arg(form).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

fn once(raw: &Path, out: &Path, form: &str) {
    let mut options = PrepareOptions::new(out);
    match form {
        "resize" | "scale" => {
            let jpeg_scale = form == "scale";
            options.resize = Some(Resize { width: 960, height: 540, jpeg_scale });
        }
        "shards" => options.shards = Some("512M".parse().unwrap()),
        "maps" => options.label_map = Some(LabelMap::builtin("idd-level3").unwrap()),
        _ => assert!(["plain", "again"].contains(&form), "{form} is no form"),
    }
    let begin = Instant::now();
    prepare(raw, &DatasetSpec::builtin("assignment").unwrap(), &options, &|_| {}).unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{seconds} {}", kib / 1024.0);
}
