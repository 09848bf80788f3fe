//! What a run was made on, for people and comparisons: `about.json`. Nothing is computed from it.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use canet_core::atomic;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What `about.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The data set's name.
    pub dataset: String,
    /// The prepared folder's content hash.
    pub data_hash: String,
    /// The label map of the classes.
    pub label_map: String,
    /// Frames that are trained on.
    pub train_frames: usize,
    /// Frames that are validated on.
    pub val_frames: usize,
    /// Single values that follow the gradient.
    pub parameters: usize,
    /// The processes that trained, in order.
    pub sessions: Vec<Session>,
}

/// One process of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// When it began, in UTC.
    pub started: String,
    /// Optimiser steps that were done before.
    pub after_step: u64,
    /// The version of this program.
    pub version: String,
    /// Where it computed.
    pub device: String,
    /// The processor.
    pub cpu: String,
    /// Cores of the machine, as far as this process may use them.
    pub cores: usize,
    /// Threads that it computed with.
    pub threads: usize,
    /// The operating system.
    pub os: String,
}

impl About {
    /// Reads the file; none if there is none.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::run(path, format!("cannot be read: {e}")))?;
        let about = serde_json::from_str(&text);
        about.map(Some).map_err(|e| Error::run(path, format!("does not tell of a run: {e}")))
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::run(path, format!("cannot be written: {e}")))?;
        Ok(atomic::write(path, format!("{text}\n").as_bytes())?)
    }
}

impl Session {
    /// This process, on this machine.
    pub fn here(device: String, threads: usize, after_step: u64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Self {
            started: utc(now),
            after_step,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device,
            cpu: cpu(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads,
            os: os(),
        }
    }
}

/// The processor's name where the system tells (Linux), else its kind.
fn cpu() -> String {
    let kind = std::env::consts::ARCH;
    match value_of("/proc/cpuinfo", "model name") {
        Some(name) => format!("{name} ({kind})"),
        None => kind.to_owned(),
    }
}

/// The system's name, on Linux that of the distribution, too.
fn os() -> String {
    let kind = std::env::consts::OS;
    match value_of("/etc/os-release", "PRETTY_NAME") {
        Some(name) => format!("{name} ({kind})"),
        None => kind.to_owned(),
    }
}

/// What stands behind `key` and `:` or `=` in a system's file.
fn value_of(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let value = line.trim_start().strip_prefix([':', '='])?;
    Some(value.trim().trim_matches('"').to_owned())
}

/// Seconds since 1970 as `2026-01-31 12:00:00 UTC`. The date is Howard Hinnant's `civil_from_days`:
/// years begin in March, so that the leap day is the last.
fn utc(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = 400 * era + year + later;
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_700_000_000, "2023-11-14 22:13:20 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(seconds), expected);
        }
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("about.json");
        assert_eq!(About::read(&path).unwrap(), None);
        let about = About {
            dataset: "sample".into(),
            data_hash: "ab".into(),
            label_map: "idd".into(),
            train_frames: 9,
            val_frames: 3,
            parameters: 7,
            sessions: vec![Session::here("cpu".into(), 2, 5)],
        };
        about.write(&path).unwrap();
        assert_eq!(About::read(&path).unwrap(), Some(about));
        std::fs::write(&path, "{}").unwrap();
        assert!(About::read(&path).unwrap_err().to_string().contains("does not tell"));
    }
}
