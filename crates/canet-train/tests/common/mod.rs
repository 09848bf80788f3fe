//! What the whole-program tests share: a tiny drawn data set, and running the program.

use std::path::PathBuf;
use std::process::{Command, Output};

use canet_data::sample::SampleOptions;
use canet_train::first_data::make_sample;
use tempfile::TempDir;

/// A folder with a prepared data set of 12 small frames in 4 drives.
pub(crate) struct World {
    pub(crate) dir: TempDir,
}

#[allow(dead_code, reason = "each test program uses its part of this")]
impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options =
            SampleOptions { width: 96, height: 64, drives: 4, frames_per_drive: 3, seed: 1 };
        make_sample(&dir.path().join("data/sample"), &options).unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub(crate) fn read(&self, relative: &str) -> Vec<u8> {
        std::fs::read(self.path(relative)).unwrap_or_else(|e| panic!("{relative}: {e}"))
    }

    /// The program, in the folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_canet-train"));
        command.args(arguments).current_dir(self.dir.path()).env_remove("RUST_LOG");
        command
    }

    /// The program training the small network for 3 epochs of 4 steps; `more` comes last.
    pub(crate) fn training(&self, out: &str, more: &[&str]) -> Command {
        let mut command = self.command(&["--data", "data/sample", "--out", out]);
        for set in
            ["epochs=3", "data.batch=2", "data.augment.crop=[64, 48]", "optimizer.warmup_steps=2"]
        {
            command.args(["--set", set]);
        }
        command.args(more);
        command
    }
}

/// Runs to the end and checks the exit code; returns what was printed.
pub(crate) fn run(mut command: Command, code: i32) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(code), "{command:?}\n{text}");
    text
}
