//! What a run leaves for people to look at: event files, `report.html`, and comparisons.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test")]

mod common;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::time::{Duration, Instant};

use canet_core::records::Records;
use common::{World, run};

#[test]
fn a_killed_and_resumed_run_tells_of_every_step_once() {
    let world = World::new();
    let many = ["--set", "epochs=6"];
    let mut child = world.training("run", &many).spawn().unwrap();
    let start = Instant::now();
    while !world.path("run/checkpoints/last.safetensors").exists() {
        assert!(start.elapsed() < Duration::from_mins(2), "waited too long");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // A record that was being written: its first bytes.
    let first = world.path("run/tensorboard/events.out.tfevents.000001");
    let torn = fs::read(&first).unwrap()[..30].to_vec();
    let mut file = OpenOptions::new().append(true).open(&first).unwrap();
    std::io::Write::write_all(&mut file, &torn).unwrap();
    run(world.training("run", &[&many[..], &["--resume"]].concat()), 0);

    let events = Events::read(&world.path("run/tensorboard"));
    assert_eq!(events.files, 2);
    // 6 epochs of 4 steps.
    for tag in ["loss", "rate", "gradient_norm", "frames_per_second"] {
        assert_eq!(events.steps(&format!("train/{tag}")), (1..=24).collect::<Vec<_>>(), "{tag}");
    }
    let text = String::from_utf8(world.read("run/metrics.jsonl")).unwrap();
    let metrics: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let miou = |line: &serde_json::Value| {
        (line["step"].as_u64().unwrap(), line["scores"]["miou"].as_f64().unwrap() as f32)
    };
    assert_eq!(events.scalars["val/miou"], metrics.iter().map(miou).collect::<Vec<_>>());
    let ends: Vec<u64> = (1..=6).map(|epoch| 4 * epoch).collect();
    assert_eq!(events.steps("val_iou/road"), ends);
    assert_eq!(events.images["val/strips"], ends);
    assert!(events.histograms.len() > 20, "{:?}", events.histograms.keys());
    assert!(events.histograms.values().all(|steps| *steps == ends));

    let page = String::from_utf8(world.read("run/report.html")).unwrap();
    for needle in ["Run: run", "epoch 6 of 6", "id=\"confusion\"", "data:image/jpeg;base64,/9j/"] {
        assert!(page.contains(needle), "{needle}");
    }
    // The figures of all epochs, those before the kill included; two processes.
    for line in &metrics {
        let figure = format!("mIoU, epoch {}: ", line["epoch"]);
        assert!(page.contains(&figure), "{figure}");
    }
    assert_eq!(page.matches(" UTC</th>").count(), 2);
}

#[test]
fn runs_are_compared_side_by_side() {
    let world = World::new();
    run(world.training("one", &["--set", "epochs=1"]), 0);
    run(world.training("two", &["--set", "epochs=2", "--set", "seed=7"]), 0);
    let text = run(world.command(&["compare", "one", "two", "--html", "pages/c.html"]), 0);
    for needle in ["best mIoU", "road", "seed", "parameters", "284925", "epochs"] {
        assert!(text.contains(needle), "{needle}: {text}");
    }
    assert!(!text.contains("data.batch"), "what is the same is not told: {text}");
    let page = String::from_utf8(world.read("pages/c.html")).unwrap();
    assert!(page.contains("two, epoch 2: "), "{page}");
    let text = run(world.command(&["compare", "one", "data"]), 2);
    assert!(text.contains("is not the folder of a run"), "{text}");
}

/// What TensorBoard keeps of event files: all values by tag, but those that a later file takes back.
#[derive(Default)]
struct Events {
    files: usize,
    scalars: BTreeMap<String, Vec<(u64, f32)>>,
    images: BTreeMap<String, Vec<u64>>,
    histograms: BTreeMap<String, Vec<u64>>,
}

impl Events {
    fn read(folder: &Path) -> Self {
        let mut events = Self::default();
        let mut files: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        events.files = files.len();
        for path in files {
            let mut first = true;
            let length = fs::metadata(&path).unwrap().len();
            Records::open(&path, |record| {
                let event = fields(record);
                if std::mem::take(&mut first) {
                    assert_eq!(event.bytes(3), b"brain.Event:2");
                }
                events.add(&event);
            })
            .unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), length, "{} was whole", path.display());
        }
        events
    }

    fn add(&mut self, event: &Fields) {
        let step = event.int(2);
        if event.has(7) {
            self.scalars.values_mut().for_each(|all| all.retain(|(at, _)| *at < step));
            self.images.values_mut().for_each(|all| all.retain(|at| *at < step));
            self.histograms.values_mut().for_each(|all| all.retain(|at| *at < step));
        }
        for (_, summary) in event.0.iter().filter(|(field, _)| *field == 5) {
            for (_, value) in fields(summary).0 {
                let value = fields(&value);
                let tag = String::from_utf8(value.bytes(1).to_vec()).unwrap();
                if value.has(2) {
                    let number = f32::from_le_bytes(value.bytes(2).try_into().unwrap());
                    self.scalars.entry(tag).or_default().push((step, number));
                } else if value.has(4) {
                    let picture = fields(value.bytes(4));
                    let decoded = image::load_from_memory(picture.bytes(4)).unwrap();
                    let size = (picture.int(2), picture.int(1));
                    assert_eq!((decoded.width().into(), decoded.height().into()), size);
                    self.images.entry(tag).or_default().push(step);
                } else if value.has(5) {
                    self.histograms.entry(tag).or_default().push(step);
                }
            }
        }
    }

    fn steps(&self, tag: &str) -> Vec<u64> {
        self.scalars[tag].iter().map(|(step, _)| *step).collect()
    }
}

/// The fields of a message: numbers and bytes; whole numbers as eight bytes.
struct Fields(Vec<(u64, Vec<u8>)>);

impl Fields {
    fn has(&self, field: u64) -> bool {
        self.0.iter().any(|(of, _)| *of == field)
    }

    fn bytes(&self, field: u64) -> &[u8] {
        self.0.iter().find(|(of, _)| *of == field).map_or(&[], |(_, bytes)| bytes)
    }

    fn int(&self, field: u64) -> u64 {
        self.bytes(field).try_into().map_or(0, u64::from_le_bytes)
    }
}

fn fields(mut bytes: &[u8]) -> Fields {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = match key & 7 {
            0 => varint(&mut bytes).to_le_bytes().to_vec(),
            1 => bytes.split_off(..8).unwrap().to_vec(),
            2 => {
                let length = varint(&mut bytes) as usize;
                bytes.split_off(..length).unwrap().to_vec()
            }
            5 => bytes.split_off(..4).unwrap().to_vec(),
            wire => panic!("wire type {wire}"),
        };
        all.push((key >> 3, value));
    }
    Fields(all)
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = *bytes.split_off_first().unwrap();
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    unreachable!("the loop ends with the number")
}
