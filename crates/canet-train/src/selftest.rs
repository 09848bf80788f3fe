//! Proofs on the user's machine: `canet-train selftest resume`.
//!
//! A small network is trained on drawn frames without a disturbance. Then it is trained again, by a
//! process that is killed at drawn moments and gone on with. The weights must be the same to the bit.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use canet_data::draw::Draws;
use canet_data::sample::SampleOptions;
use canet_model::Checkpoint;

use crate::{Error, Result, first_data};

/// What a proof found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeReport {
    /// What the weights of the run without a disturbance are called.
    pub whole: String,
    /// The runs that were killed.
    pub killed: Vec<KilledRun>,
}

/// A run that was killed and gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KilledRun {
    /// Its threads.
    pub threads: usize,
    /// How often it was killed.
    pub kills: u32,
    /// What its weights are called.
    pub weights: String,
}

impl ResumeReport {
    /// Whether nothing has changed a bit.
    pub fn holds(&self) -> bool {
        self.killed.iter().all(|run| run.weights == self.whole && run.kills > 0)
    }
}

/// Trains with `program`, kills it `kills` times with each number of threads, and compares weights.
pub fn resume(program: &Path, threads: &[usize], kills: u32, seed: u64) -> Result<ResumeReport> {
    let name = format!("canet-selftest-{}", std::process::id());
    let trial = Trial { program: program.to_owned(), dir: std::env::temp_dir().join(name), kills };
    let options = SampleOptions { width: 96, height: 64, drives: 4, frames_per_drive: 3, seed: 1 };
    first_data::make_sample(&trial.dir.join("data"), &options)?;
    let pace = trial.whole()?;
    let whole = trial.weights("whole")?;
    let mut killed = Vec::new();
    for &threads in threads {
        killed.push(trial.killed(threads, seed, &pace)?);
    }
    Ok(ResumeReport { whole, killed })
}

/// The folder of a proof, removed at its end.
struct Trial {
    program: PathBuf,
    dir: PathBuf,
    kills: u32,
}

/// How fast the program is on this machine.
struct Pace {
    /// Seconds until it trains.
    start: f64,
    /// Seconds a step, with its checkpoint.
    step: f64,
}

impl Drop for Trial {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

impl Trial {
    /// Steps of a run: two a kill, and 4 an epoch.
    fn steps(&self) -> u32 {
        (2 * self.kills).next_multiple_of(4).max(40)
    }

    fn last(&self, out: &str) -> PathBuf {
        self.dir.join(out).join("checkpoints/last.safetensors")
    }

    fn weights(&self, out: &str) -> Result<String> {
        Ok(Checkpoint::read(&self.last(out))?.weight_hash()?)
    }

    fn start(&self, out: &str, threads: usize, more: &[&str]) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(["train", "--device", "cpu", "--data", "data", "--out", out]);
        command.args(["--threads", &threads.to_string()]);
        let epochs = format!("epochs={}", self.steps() / 4);
        for set in [&epochs, "save_every_steps=1", "data.batch=2", "data.augment.crop=[64, 48]"] {
            command.args(["--set", set]);
        }
        command.args(more).current_dir(&self.dir).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map_err(|e| Error::run(&self.program, format!("cannot be started: {e}")))
    }

    /// Waits for the end of a run, which has to be a good one.
    fn finish(&self, mut child: Child, out: &str) -> Result<()> {
        let folder = self.dir.join(out);
        let status = child.wait().map_err(|e| Error::run(&folder, format!("was lost: {e}")))?;
        if status.success() {
            return Ok(());
        }
        Err(Error::run(folder, format!("the run that it is for failed: {status}")))
    }

    /// The run without a disturbance.
    fn whole(&self) -> Result<Pace> {
        let begun = Instant::now();
        let mut child = self.start("whole", 1, &[])?;
        while !self.last("whole").exists() && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let start = begun.elapsed().as_secs_f64();
        self.finish(child, "whole")?;
        let step = (begun.elapsed().as_secs_f64() - start) / f64::from(self.steps());
        Ok(Pace { start, step })
    }

    /// A run that is killed from within its start to some steps behind it, again and again.
    fn killed(&self, threads: usize, seed: u64, pace: &Pace) -> Result<KilledRun> {
        let out = format!("killed-{threads}");
        let mut kills = 0;
        while kills < self.kills {
            let draw = Draws::new(seed, threads as u32, u64::from(kills), "kill").unit();
            let more: &[&str] = if self.dir.join(&out).exists() { &["--resume"] } else { &[] };
            let mut child = self.start(&out, threads, more)?;
            let wait = 0.5 * pace.start + draw * (pace.start + 2.0 * pace.step);
            std::thread::sleep(Duration::from_secs_f64(wait));
            if child.try_wait().is_ok_and(|ended| ended.is_some()) {
                // It was faster than the first one, or it has failed: the last start tells.
                break;
            }
            let folder = self.dir.join(&out);
            let lost = |e| Error::run(&folder, format!("cannot be killed: {e}"));
            child.kill().and_then(|()| child.wait()).map_err(lost)?;
            kills += 1;
        }
        self.finish(self.start(&out, threads, &["--resume"])?, &out)?;
        Ok(KilledRun { threads, kills, weights: self.weights(&out)? })
    }
}
