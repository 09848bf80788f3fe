//! Disks that fail at every point of a save, and processes that die there.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::rc::Rc;

use canet_model::{
    AssignmentConfig, CheckpointMeta, Class, ClassSet, Device, ModelConfig, Network, Params, Rgb,
    Tensor,
};

use super::*;
use crate::config::Config;
use crate::state::{Cursor, TrainingState, to_bytes};

/// How a disk fails.
#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    /// Half of a write goes through, then the disk is full.
    Full,
    /// The device gives an error.
    Device,
    /// A write takes half, then nothing more, without an error.
    Short,
    /// Nothing is permitted.
    Denied,
    /// The process dies: nothing is done from here on.
    Dead,
}

#[derive(Clone)]
struct Faulty {
    how: How,
    /// Which operations fail: as `first`, or all later ones too, or each `every`-th.
    first: usize,
    every: Option<usize>,
    links: bool,
    done: Rc<Cell<usize>>,
    failed: Rc<Cell<bool>>,
}

impl Faulty {
    fn new(how: How, first: usize) -> Self {
        let (done, failed) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
        Self { how, first, every: None, links: true, done, failed }
    }

    fn fails(&self) -> bool {
        let number = self.done.replace(self.done.get() + 1);
        let fails = match self.every {
            Some(every) => number % every == self.first % every,
            None => number == self.first || (self.how == How::Dead && number > self.first),
        };
        self.failed.set(self.failed.get() || fails);
        fails
    }

    fn error(&self) -> io::Error {
        // ENOSPC, EIO, EACCES.
        io::Error::from_raw_os_error(match self.how {
            How::Full => 28,
            How::Device | How::Short | How::Dead => 5,
            How::Denied => 13,
        })
    }

    fn or<T>(&self, real: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if self.fails() { Err(self.error()) } else { real() }
    }
}

struct FaultyFile {
    file: File,
    disk: Faulty,
    stuck: bool,
}

impl Write for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stuck {
            return Ok(0);
        }
        let bytes = &bytes[..bytes.len().min(400_000)];
        if !self.disk.fails() {
            return self.file.write(bytes);
        }
        match self.disk.how {
            How::Denied => Err(self.disk.error()),
            How::Full | How::Device | How::Dead => {
                self.file.write_all(&bytes[..bytes.len() / 2])?;
                Err(self.disk.error())
            }
            How::Short => {
                self.stuck = true;
                self.file.write(&bytes[..bytes.len() / 2])
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Disk for Faulty {
    type File = FaultyFile;

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.or(|| System.create_folder(folder))
    }

    fn create(&self, path: &Path) -> io::Result<FaultyFile> {
        let file = self.or(|| System.create(path))?;
        Ok(FaultyFile { file, disk: self.clone(), stuck: false })
    }

    fn sync(&self, file: &mut FaultyFile) -> io::Result<()> {
        self.or(|| System.sync(&mut file.file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.or(|| System.rename(from, to))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        if !self.links {
            return Err(io::Error::from_raw_os_error(1));
        }
        self.or(|| System.link(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.or(|| System.remove(path))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.or(|| System.sync_folder(folder))
    }
}

/// The bytes of a small checkpoint after so many steps.
fn checkpoint(step: u64) -> Vec<u8> {
    let names = ["road", "sky"];
    let class = |name: &&str| Class { name: (*name).to_owned(), color: Rgb([9, 9, 9]) };
    let classes = ClassSet { name: "two".into(), classes: names.iter().map(class).collect() };
    let model = ModelConfig::Assignment(AssignmentConfig { classes: 2, ..Default::default() });
    let mut params = Params::new(step, &Device::Cpu);
    Network::new(&model, &mut params).unwrap();
    let state = TrainingState {
        version: "test".into(),
        config: Config::default(),
        config_hash: "1".into(),
        dataset: "sample".into(),
        data_hash: "0".into(),
        steps_per_epoch: 4,
        cursor: Cursor { step, ..Cursor::default() },
        best: None,
        best_scores: None,
        averaged: false,
        skipped: 0,
        history: Vec::new(),
    };
    let momentum = Tensor::new(&[step as f32], &Device::Cpu).unwrap();
    let extra = [("training.momentum.x".to_owned(), momentum)];
    to_bytes(&params, &CheckpointMeta::new(model, classes), &state, &extra).unwrap()
}

fn on<D: Disk>(folder: &Path, disk: D) -> Checkpoints<D> {
    Checkpoints { folder: folder.to_owned(), disk }
}

fn newest(folder: &Path) -> u64 {
    let newest = on(folder, System).newest().unwrap();
    assert!(newest.broken.is_none(), "a fault must not break a checkpoint");
    newest.saved.state.cursor.step
}

fn strays(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".part")).count()
}

/// A third save that fails, or whose process dies, at each of its operations.
#[test]
fn whatever_fails_a_whole_checkpoint_stands() {
    let bytes: Vec<_> = (1..=4).map(checkpoint).collect();
    for (how, links) in [
        (How::Full, true),
        (How::Device, true),
        (How::Short, true),
        (How::Denied, true),
        (How::Denied, false),
        (How::Dead, true),
        (How::Dead, false),
    ] {
        let (mut failures, mut first) = (0, 0);
        loop {
            let dir = tempfile::tempdir().unwrap();
            let folder = dir.path();
            on(folder, System).save_last(&bytes[0]).unwrap();
            on(folder, System).save_last(&bytes[1]).unwrap();
            let disk = Faulty { links, ..Faulty::new(how, first) };
            let saved = on(folder, disk.clone()).save_last(&bytes[2]);
            if !disk.failed.get() {
                assert_eq!(newest(folder), 3);
                break;
            }
            failures += u32::from(saved.is_err());
            let step = newest(folder);
            assert!(step == 2 || step == 3, "{how:?} at {first}: step {step}");
            assert!(saved.is_err() || step == 3, "{how:?} at {first}");
            if how == How::Dead {
                assert!(strays(folder) <= 2, "{how:?} at {first}");
                atomic::sweep(folder).unwrap();
                assert_eq!(newest(folder), step, "sweeping takes nothing that counts");
            }
            assert_eq!(strays(folder), 0, "{how:?} at {first}");
            if let Err(error) = saved
                && how == How::Full
                && step == 2
            {
                assert_eq!(error.exit_code(), 5, "at {first}");
            }
            on(folder, System).save_last(&bytes[3]).unwrap();
            assert_eq!(newest(folder), 4);
            let previous = Saved::read(&on(folder, System).previous()).unwrap();
            assert_eq!(previous.state.cursor.step, step);
            assert_eq!(strays(folder), 0, "{how:?} at {first}");
            first += 1;
        }
        assert!(failures >= 6, "{how:?}: {failures} failures");
    }
}

/// Eight saves on a disk of which every n-th operation fails.
#[test]
fn every_nth_operation_may_fail() {
    let bytes: Vec<_> = (1..=8).map(checkpoint).collect();
    let mut failures = 0;
    for how in [How::Full, How::Device, How::Short, How::Denied] {
        for every in 2..=11 {
            let dir = tempfile::tempdir().unwrap();
            on(dir.path(), System).save_last(&bytes[0]).unwrap();
            let disk = Faulty { every: Some(every), ..Faulty::new(how, every - 1) };
            let checkpoints = on(dir.path(), disk);
            let mut kept = 1;
            for (bytes, step) in bytes.iter().zip(1..).skip(1) {
                match checkpoints.save_last(bytes) {
                    Ok(()) => kept = step,
                    Err(_) => failures += 1,
                }
                let newest = newest(dir.path());
                assert!((kept..=step).contains(&newest), "{how:?}, {every}: {newest} of {step}");
                kept = newest;
            }
        }
    }
    assert!(failures > 100, "{failures}");
}

#[test]
fn a_broken_newest_one_is_named_and_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoints = on(dir.path(), System);
    checkpoints.save_last(&checkpoint(1)).unwrap();
    checkpoints.save_last(&checkpoint(2)).unwrap();
    let good = std::fs::read(checkpoints.last()).unwrap();
    for cut in 0..64 {
        std::fs::write(checkpoints.last(), &good[..good.len() * cut / 64]).unwrap();
        let Newest { saved, broken } = checkpoints.newest().unwrap();
        assert_eq!(saved.state.cursor.step, 1);
        let (path, why) = broken.unwrap();
        assert_eq!(path, checkpoints.last());
        assert!(why.to_string().contains("last.safetensors"), "{why}");
    }
    let aside = checkpoints.set_aside(&checkpoints.last()).unwrap();
    assert!(aside.exists() && !checkpoints.last().exists());
    checkpoints.save_last(&checkpoint(3)).unwrap();
    assert_eq!(newest(dir.path()), 3);
    // Both broken: the newest is named.
    std::fs::write(checkpoints.last(), b"").unwrap();
    std::fs::write(checkpoints.previous(), b"").unwrap();
    let error = checkpoints.newest().err().unwrap();
    assert!(error.to_string().contains("last.safetensors"), "{error}");
    assert_eq!(error.exit_code(), 3);
}
