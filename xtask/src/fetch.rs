//! Downloads of data sets: [`canet_fetch`] with this program's bar, and Google Drive's pages.

use std::path::Path;

use anyhow::Result;
use canet_fetch::{Page, Watcher};

pub use canet_fetch::Patience;

use crate::drive;
use crate::progress::{Bar, Unit, note};

/// Downloads `url` to `target`. What stands at `target` is taken for complete: it got there whole.
pub fn fetch(url: &str, target: &Path, sha256: Option<&str>, patience: Patience) -> Result<()> {
    let mut watcher = Shown(Bar::new("downloading", Unit::Bytes));
    Ok(canet_fetch::fetch(url, target, sha256, patience, &mut watcher)?)
}

/// Shows how a download goes.
struct Shown(Bar);

impl Watcher for Shown {
    fn at(&mut self, done: u64, total: u64) {
        self.0.set(done, total);
    }

    fn note(&mut self, line: &str) {
        note(line);
    }

    fn page(&self, page: &str, base: &str) -> Page {
        drive::meaning(page, base)
    }
}
